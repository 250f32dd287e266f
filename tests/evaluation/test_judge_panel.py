"""Panels whose agreement is known."""

import pytest

from burnish.errors import InputError
from burnish.evaluation.judge_panel import panel_card
from burnish.judges.asking.verdict import Verdict, feedback_by
from burnish.records import Completion, Prompt


def of_pairs(judge, *said):
    """Verdicts of one judge: 0 or 1 is chosen, None is neither, "failed" a failure."""
    found = []
    for place, each in enumerate(said):
        prompt = Prompt.of(f"q{place}")
        shown = (Completion(prompt.id, "one"), Completion(prompt.id, "two"))
        value = {"cannot_judge": True} if each is None else {"chosen": each}
        feedback = None if each == "failed" else feedback_by(judge, "comparison", prompt, shown, value)
        found.append(Verdict(prompt, shown, feedback))
    return found


def of_texts(judge, *said):
    found = []
    for place, grade in enumerate(said):
        prompt = Prompt.of(f"q{place}")
        text = Completion(prompt.id, "one")
        value = {"rating": grade, "scale": [1, 5]}
        found.append(Verdict(prompt, (text,), feedback_by(judge, "rating", prompt, [text], value)))
    return found


def test_judges_of_pairs():
    card = panel_card(
        {
            "a": of_pairs("a", 0, 1, 0, None, 1, 0),
            "b": of_pairs("b", 0, 1, 1, None, "failed", 0),
            "c": of_pairs("c", 0, 1, 0, None, "failed", "failed"),
        }
    )
    assert (card.form, card.n) == ("pairs", 5)  # the fifth item only one of them answered
    assert (card.same.mean, card.same.n) == (0.8, 5)
    assert card.two["a", "b"].mean == 0.8
    assert card.two["a", "c"].mean == 1.0
    assert 0 < card.alpha.alpha < 1
    assert card.alpha.low <= card.alpha.alpha <= card.alpha.high


def test_judges_of_texts_agree_by_the_side_and_by_the_grade():
    card = panel_card({"a": of_texts("a", 1, 2, 4, 5), "b": of_texts("b", 2, 1, 5, 2)})
    assert (card.form, card.n, card.same.mean) == ("texts", 4, 0.75)
    assert card.alpha.metric == "interval"
    whole = panel_card({"a": of_texts("a", 1, 2, 4, 5), "b": of_texts("b", 1, 2, 4, 5)})
    assert whole.alpha.alpha == pytest.approx(1.0)


def test_one_judge_is_no_panel():
    with pytest.raises(InputError, match="needs two"):
        panel_card({"a": of_texts("a", 1)})
