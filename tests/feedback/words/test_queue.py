import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.words.queue import DRAWN, Reader, chance_wrong, language, queue
from burnish.feedback.words.reading import Estimate, Reading, read

SILENT = Reading("I read it.", (), None)


def reading(value, comment="some words", **aspects):
    return Reading(comment, (), Estimate(value, 1.0), {name: Estimate(value, 1.0) for name in aspects})


def test_the_chance_of_a_wrong_sign_follows_from_the_stated_variance():
    assert chance_wrong(SILENT) == 0.5
    assert chance_wrong(reading(1.0)) == pytest.approx(0.1587, abs=1e-4)  # Phi(-1)
    assert chance_wrong(reading(-3.0)) < chance_wrong(reading(0.5)) < 0.5


def test_the_most_doubtful_come_first_and_the_sure_stay_out():
    found = queue({"sure": reading(3.5), "weak": reading(0.2), "silent": SILENT}, [Reader("ana")], at_random=0)
    assert [each.id for each in found] == ["silent", "weak"]
    assert found[1].reasons == ("weak words",)


def test_a_sign_of_sarcasm_waits_for_a_person_however_sure_the_words():
    found = queue({"c": read("Oh great, excellent, wonderful!")}, [Reader("ana")], at_random=0)
    assert "perhaps sarcasm" in found[0].reasons


def test_a_random_share_waits_whatever_its_reading():
    sure = {f"c{n}": reading(3.9) for n in range(2000)}
    found = queue(sure, [Reader("ana", at_most=2000)], at_random=0.05)
    assert len(found) == pytest.approx(100, abs=35)  # binomial, sd 10
    assert found == queue(dict(reversed(sure.items())), [Reader("ana", at_most=2000)], at_random=0.05)


def test_who_gets_it_reads_the_language_and_did_not_write_it():
    readers = [Reader("ana"), Reader("bo"), Reader("lin", frozenset({"zh"}))]
    waiting = {"en": SILENT, "zh": Reading("这个嘛", (), None)}
    found = {each.id: each.reader for each in queue(waiting, readers, authors={"en": "ana"}, at_random=0)}
    assert found == {"en": "bo", "zh": "lin"}


def test_those_who_know_the_aspect_come_first():
    readers = [Reader("ana"), Reader("bo", aspects=frozenset({"safety"}), open=5)]
    (found,) = queue({"c": reading(0.1, safety=1)}, readers, at_random=0)
    assert found.reader == "bo"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.lists(st.integers(0, 8), min_size=1, max_size=4))
def test_nobody_gets_more_than_they_take_and_the_load_is_even(comments, limits):
    readers = [Reader(f"r{n}", at_most=limit) for n, limit in enumerate(limits)]
    found = queue({f"c{n}": SILENT for n in range(comments)}, readers, at_random=0)
    given_to = [sum(each.reader == reader.id for each in found) for reader in readers]
    assert sum(given_to) == min(comments, sum(limits))
    assert all(count <= limit for count, limit in zip(given_to, limits, strict=True))
    free = [count for count, limit in zip(given_to, limits, strict=True) if count < limit]
    assert not free or np.ptp(free) <= 1


def test_the_language_of_a_comment():
    assert [language(text) for text in ("too long", "太长了", "API 太慢了", "the 塔 is tall")] == [
        "en",
        "zh",
        "zh",
        "en",
    ]


def test_of_many_a_share_was_drawn_at_random_and_comes_first():
    readings = {f"c{number}": read("great" if number % 2 else "zorgy") for number in range(200)}
    found = queue(readings, [], at_random=0.2, most=20, random_share=0.25)
    assert len(found) == 20
    assert all(DRAWN in each.reasons for each in found[:5])
    assert all(each.chance_wrong == 0.5 for each in found[5:])
