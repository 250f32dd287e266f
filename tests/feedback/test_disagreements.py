"""Where people differ, what came when, and what was asked: read off small stores worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from burnish.feedback.answers import Answer
from burnish.feedback.disagreements import Item, items, share_disputed
from burnish.feedback.over_time import agreement_over_time, pace
from burnish.feedback.overview import overview
from burnish.feedback.people import people
from burnish.feedback.questions import questions
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry

PROMPT = Prompt.of("Which is better?")
GOOD, BAD = Completion(PROMPT.id, "short and clear"), Completion(PROMPT.id, "long and vague")
IDS = (GOOD.id, BAD.id)


def entry(*records: Feedback) -> Entry:
    return Entry(PROMPT, (GOOD, BAD), records)


def chose(name: str, person: str, place: int, **more: Any) -> Feedback:
    return Feedback(name, "comparison", PROMPT.id, IDS, {"chosen": place}, Author(person), run="studio:s", **more)


def rated(name: str, person: str, grade: int, **more: Any) -> Feedback:
    value = {"rating": grade, "scale": [1, 5]}
    return Feedback(name, "rating", PROMPT.id, IDS[:1], value, Author(person), run="studio:s", **more)


def only(found: list[Item]) -> Item:
    (item,) = found
    return item


def test_two_who_differ_and_a_third_are_apart_in_two_of_three_pairs() -> None:
    question = only(items([entry(chose("1", "ana", 0), chose("2", "bob", 1), chose("3", "cy", 0))])).questions[0]
    assert question.apart == pytest.approx(2 / 3)  # drawn to the mean of its kind, which is itself
    assert question.disputed
    assert [each.feedback.author.id for each in question.people] == ["ana", "bob", "cy"]


def test_the_most_disputed_item_comes_first_and_one_pair_is_drawn_to_the_usual() -> None:
    calm = [rated("1", "ana", 4, metadata={"item": "calm"}), rated("2", "bob", 4, metadata={"item": "calm"})]
    hot = [rated("3", "ana", 1, metadata={"item": "hot"}), rated("4", "bob", 5, metadata={"item": "hot"})]
    found = items([entry(*calm, *hot)])
    assert [item.apart for item in found] == [pytest.approx(0.75), pytest.approx(0.25)]  # (1 + 0.5) / 2, (0 + 0.5) / 2
    assert [item.disputed for item in found] == [True, False]
    share = share_disputed(found)
    assert share is not None
    assert (share.mean, share.n) == (0.5, 2)


def test_a_decision_decides_and_is_nobodys_opinion() -> None:
    said = (chose("1", "ana", 0), chose("2", "bob", 1))
    assert not only(items([entry(*said)])).decided
    decision = chose("3", "rev", 0, comment="clearer", metadata={"decides": ["1", "2"]})
    item = only(items([entry(*said, decision)]))
    assert item.decided
    assert item.people == 2
    assert [each.feedback.id for each in item.questions[0].decisions] == ["3"]
    assert overview([entry(*said, decision)]).agreement["comparison"].answers == 2
    assert {each.author.id for each in people([entry(*said, decision)]).people} == {"ana", "bob"}


def test_what_one_person_said_is_no_dispute() -> None:
    item = only(items([entry(chose("1", "ana", 0))]))
    assert (item.shared, item.disputed, item.apart) == (False, False, 0.0)
    assert share_disputed([item]) is None


def test_what_people_write_is_no_dispute_however_different_the_words() -> None:
    said = [
        Feedback(name, "comment", PROMPT.id, IDS[:1], {"comment": text}, Author(name))
        for name, text in (("a", "too long"), ("b", "lovely and clear"))
    ]
    item = only(items([entry(*said)]))
    assert (item.people, item.shared, item.disputed) == (2, False, False)


def test_a_judge_stands_beside_the_people_and_quarrels_with_nobody() -> None:
    judged = Feedback("j", "comparison", PROMPT.id, IDS[::-1], {"chosen": 0}, Author("judge", "ai"))
    item = only(items([entry(chose("1", "ana", 0), chose("2", "bob", 0), judged)]))
    assert [each.feedback.author.id for each in item.questions[0].answers] == ["ana", "bob", "judge"]
    assert not item.disputed


def answered(count: int, *, disagreeing_from: int) -> list[Answer]:
    """Two people rate `count` texts, one a minute; from a number on they say the opposite of each other."""
    found = []
    for number in range(count):
        text = Completion(PROMPT.id, f"text {number}")
        grade = 1 + 4 * (number % 2)
        other = 6 - grade if number >= disagreeing_from else grade
        for person, given in (("ana", grade), ("bob", other)):
            when = f"2026-05-01T{10 + number // 60:02}:{number % 60:02}:00Z"
            value = {"rating": given, "scale": [1, 5]}
            said = Feedback(f"{person}{number}", "rating", PROMPT.id, (text.id,), value, Author(person), time=when)
            found.append(Answer(PROMPT, (text,), said))
    return found


def test_agreement_over_time_shows_where_people_parted() -> None:
    periods = agreement_over_time("rating", answered(80, disagreeing_from=40))
    alphas = [period.agreement.alpha for period in periods]
    assert len(alphas) == 4
    assert alphas[:2] == [1.0, 1.0]
    assert all(alpha is not None and alpha < 0 for alpha in alphas[2:])
    assert periods[0].start < periods[-1].end
    assert agreement_over_time("rating", answered(30, disagreeing_from=30)) == []


def test_the_pace_counts_every_answer_and_shows_quiet_steps() -> None:
    given = answered(90, disagreeing_from=90)
    found = pace(given)
    assert found is not None
    assert (found.total, found.undated) == (180, 0)
    assert found.step.total_seconds() == 600
    assert found.answers == (20,) * 9
    assert pace([]) is None


def test_a_question_is_reported_with_the_share_of_each_button() -> None:
    asked = {"question": "overall"}
    said = [chose(f"{n}", f"p{n}", int(n == 0), metadata=asked) for n in range(4)]
    (found,) = questions([entry(*said, rated("5", "gold", 1, metadata={"gold": True}))])
    assert (found.name, found.kind, found.answers) == ("overall", "comparison", 4)
    assert {button: share.mean for button, share in found.shares.items()} == {"first": 0.75, "second": 0.25}
    assert found.first_chosen is not None
    assert found.first_chosen.mean == 0.75
    assert found.agreement is not None
    assert found.agreement.alpha is None  # one item only
