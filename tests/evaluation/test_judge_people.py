"""A judge beside each person, with what is known of both: who agrees with whom, and which way it differs."""

from __future__ import annotations

import pytest
from tests.evaluation.test_judge_card import JUDGE, human

from burnish.evaluation.judge_people import LEAST, beside_people
from burnish.judges.asking.verdict import feedback_by
from burnish.records import Completion, Prompt
from burnish.store import Entry


def pair_entry(number: int, judge: int | None, **people: int | str):
    """Two texts; a person's answer is the place they choose among what they saw, bo saw them turned round."""
    prompt = Prompt.of(f"q{number}")
    texts = [Completion(prompt.id, f"{side} {number}") for side in ("one", "other")]
    said = {"tie": "good"} if judge is None else {"chosen": judge}
    feedback = [feedback_by(JUDGE, "comparison", prompt, texts, said)]
    for name, chosen in people.items():
        shown = texts[::-1] if name == "bo" else texts
        value = {"chosen": chosen} if isinstance(chosen, int) else {chosen: "good" if chosen == "tie" else True}
        feedback.append(human("comparison", prompt, shown, value, name))
    return Entry(prompt, tuple(texts), tuple(feedback))


def test_each_person_is_told_apart_in_the_order_they_saw():
    entries = [pair_entry(n, 0, ana=0, bo=0) for n in range(20)]  # bo's first is the judge's second
    entries += [pair_entry(n, None, ana=1, cy="cannot_judge") for n in range(20, 25)]
    ana, bo = beside_people(entries, JUDGE)
    assert (ana.person, ana.n, bo.person, bo.n) == ("ana", 25, "bo", 20)
    assert ana.table == {("first", "first"): 20, ("second", "even"): 5}
    assert ana.same.mean == pytest.approx(0.8)
    assert ana.same.low < 0.8 < ana.same.high
    assert bo.table == {("first", "second"): 20}
    assert bo.same.mean == 0
    assert 0 < bo.same.high < 0.25  # twenty of twenty are not all
    assert bo.kappa == pytest.approx(0.0)


def text_entry(number: int, judge: float, ana: float, copies: int = 1):
    prompt = Prompt.of(f"q{number}")
    texts = [Completion(prompt.id, f"text {number} {copy}") for copy in range(copies)]
    scale = [0, 1]
    feedback = [feedback_by(JUDGE, "rating", prompt, [each], {"rating": judge, "scale": scale}) for each in texts]
    feedback += [human("rating", prompt, [each], {"rating": ana, "scale": scale}, "ana") for each in texts]
    return Entry(prompt, tuple(texts), tuple(feedback))


def test_a_judge_that_is_milder_than_a_person_is_seen():
    grades = [(0.9, 0.7), (0.7, 0.3), (0.4, 0.2), (0.8, 0.6), (0.6, 0.4), (0.3, 0.1)]
    (ana,) = beside_people([text_entry(n, *each) for n, each in enumerate(grades)], JUDGE)
    assert ana.table == {("good", "good"): 2, ("bad", "good"): 2, ("bad", "bad"): 2}
    assert ana.same.mean == pytest.approx(4 / 6)
    assert ana.difference is not None
    assert ana.difference.mean == pytest.approx(1.4 / 6)
    assert ana.difference.low > 0
    # By hand: agreed 4/6; chance 2/6 * 4/6 + 4/6 * 2/6 = 4/9; (6/9 - 4/9) / (5/9) = 0.4.
    assert ana.kappa == pytest.approx(0.4)


def test_texts_of_one_prompt_do_not_count_as_many():
    alone = beside_people([text_entry(n, 0.9, 0.9 if n % 4 else 0.1) for n in range(40)], JUDGE)[0].same
    together = beside_people([text_entry(n, 0.9, 0.9 if n % 4 else 0.1, copies=5) for n in range(8)], JUDGE)[0].same
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_of_people_with_little_in_common_with_the_judge_nothing_is_told():
    assert beside_people([pair_entry(n, 0, ana=0) for n in range(LEAST - 1)], JUDGE) == []
    assert beside_people([pair_entry(n, 0, ana=0) for n in range(LEAST)], "another") == []
