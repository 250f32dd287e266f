"""Judges whose faults are known: the card finds them."""

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.evaluation.judge_card import judge_cards
from burnish.judges.asking.verdict import feedback_by
from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry

JUDGE = "m/rating-1"


def human(kind, prompt, shown, value, name):
    ids = tuple(each.id for each in shown)
    return Feedback(f"{name}-{kind}-{prompt.id}-{ids[0]}", kind, prompt.id, ids, value, Author(name))


def texts_entries(n, *, answered, lean=0.2, noise=0.1, liking_length=0.0, seed=0):
    """One text a prompt, its goodness known; three people rate `answered` of them, the judge all, leaning up."""
    draw = np.random.default_rng(seed)
    entries = []
    for i in range(n):
        good, length = draw.random(), int(draw.integers(1, 40))
        prompt = Prompt.of(f"q{i}")
        text = Completion(prompt.id, "word " * length + str(i))
        said = good + noise * draw.normal() + lean + liking_length * (length - 20) / 40
        value = {"rating": float(np.clip(said, 0, 1)), "scale": [0, 1]}
        feedback = [feedback_by(JUDGE, "rating", prompt, [text], value)]
        if i < answered:
            for name in ("ana", "bo", "cy"):
                own = float(np.clip(good + 0.1 * draw.normal(), 0, 1))
                feedback.append(human("rating", prompt, [text], {"rating": own, "scale": [0, 1]}, name))
        entries.append(Entry(prompt, (text,), tuple(feedback)))
    return entries


def test_a_good_judge_that_leans_is_found_good_and_corrected():
    (card,) = judge_cards(texts_entries(300, answered=120), JUDGE)
    assert (card.form, card.n, card.judged) == ("texts", 120, 300)
    assert card.accuracy.mean > 0.85
    assert card.accuracy.low < card.accuracy.mean < card.accuracy.high
    assert card.one_person.mean > 0.8
    assert card.correlation.low > 0.8
    assert card.corrected.uncorrected > 0.6
    assert card.corrected.corrected.low < 0.5 < card.corrected.corrected.high
    assert card.corrected.gain > 1.5
    assert card.corrected_rate.uncorrected > 0.6
    assert card.corrected_rate.corrected.low < 0.5 < card.corrected_rate.corrected.high
    assert not card.length_bias.excludes_zero


def test_a_judge_that_likes_length_is_found_out():
    (card,) = judge_cards(texts_entries(120, answered=120, liking_length=0.8, lean=0.0), JUDGE)
    assert card.length_bias.low > 0.1
    assert card.corrected is None  # nothing was judged that people did not answer


def pairs_entries(n, say, *, orders=None, seed=0):
    """Pairs whose first text is better in half; three people who are right nine times in ten."""
    draw = np.random.default_rng(seed)
    entries = []
    for i in range(n):
        prompt = Prompt.of(f"q{i}")
        best = int(draw.integers(2))
        lengths = draw.integers(1, 30, size=2)
        shown = tuple(Completion(prompt.id, "word " * int(k) + f"{i}{side}") for side, k in enumerate(lengths))
        value, metadata = say(best, lengths, draw)
        feedback = [feedback_by(JUDGE, "comparison", prompt, shown, value, metadata=metadata)]
        for name in ("ana", "bo", "cy"):
            chosen = best if draw.random() < 0.9 else 1 - best
            feedback.append(human("comparison", prompt, shown, {"chosen": chosen}, name))
        entries.append(Entry(prompt, shown, tuple(feedback)))
    return entries


def test_a_judge_of_pairs_that_is_right_four_times_in_five():
    def say(best, lengths, draw):
        chosen = best if draw.random() < 0.8 else 1 - best
        return {"chosen": int(chosen)}, {"orders": [1.0 - chosen, 1.0 - chosen]}

    (card,) = judge_cards(pairs_entries(250, say), JUDGE)
    assert card.accuracy.low < 0.79 < card.accuracy.high  # people's majority errs in about 3%
    assert card.accuracy.n == 250
    assert card.one_person.mean > 0.8
    assert card.kappa == pytest.approx(2 * card.accuracy.mean - 1, abs=0.03)
    assert card.alpha == pytest.approx(card.kappa, abs=0.02)
    assert card.consistency.mean == 1.0
    assert not card.length_bias.excludes_zero


def test_a_judge_that_goes_by_place_or_length_is_found_out():
    def by_place(best, lengths, draw):
        return {"cannot_judge": True}, {"orders": [0.9, 0.1]}  # names whatever is shown first

    (card,) = judge_cards(pairs_entries(60, by_place), JUDGE)
    assert card.accuracy.mean == 0.5
    assert card.consistency.high < 0.1
    assert card.first_place.low > 0.9

    def by_length(best, lengths, draw):
        return {"chosen": int(lengths[1] > lengths[0])}, {}

    (card,) = judge_cards(pairs_entries(120, by_length), JUDGE)
    assert card.length_bias.low > 0.3


def test_people_who_only_rated_still_order_the_pairs():
    prompt = Prompt.of("q")
    shown = (Completion(prompt.id, "good"), Completion(prompt.id, "bad"), Completion(prompt.id, "unrated"))
    rated = [
        human("rating", prompt, [text], {"rating": grade, "scale": [1, 5]}, "ana")
        for text, grade in zip(shown, (5, 2), strict=False)
    ]
    said = feedback_by(JUDGE, "comparison", prompt, shown[:2], {"chosen": 0})
    alone = feedback_by(JUDGE, "comparison", prompt, shown[1:], {"chosen": 0})
    (card,) = judge_cards([Entry(prompt, shown, (*rated, said, alone))], JUDGE)
    assert (card.n, card.judged) == (1, 2)
    assert card.accuracy is None  # one pair has no interval


def test_other_judges_and_unknown_names():
    entries = texts_entries(5, answered=5)
    with pytest.raises(InputError, match="no answer by 'm/rating-2'"):
        judge_cards(entries, "m/rating-2")
