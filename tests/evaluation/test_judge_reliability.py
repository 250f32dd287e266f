"""Judges whose probabilities are known: what they are worth, and what recalibration makes of them."""

import numpy as np
import pytest
from scipy.special import expit, logit
from tests.evaluation.test_judge_card import JUDGE, pairs_entries, texts_entries

from burnish.evaluation.judge_card import judge_cards
from burnish.evaluation.judge_reliability import reliability


def drawn(n, seed=0, *, slope=1.0, offset=0.0):
    """Told uniformly; people say yes with sigmoid(slope * logit(told) + offset)."""
    draw = np.random.default_rng(seed)
    told = draw.random(n)
    return told, (draw.random(n) < expit(slope * logit(told) + offset)).astype(float)


def test_the_figures_by_hand():
    told, people = [0.9, 0.8, 0.4, 0.3, 0.6], [1, 0, 1, 0, 1]
    found = reliability(told, people, range(5))
    assert found.brier.mean == pytest.approx((0.01 + 0.64 + 0.36 + 0.09 + 0.16) / 5)
    assert found.brier_of_share == pytest.approx(0.6 * 0.4)
    assert (found.sensitivity.mean, found.sensitivity.n) == (pytest.approx(2 / 3), 3)
    assert (found.specificity.mean, found.specificity.n) == (0.5, 2)
    assert (found.recalibration, found.rate) == (None, None)  # five items teach nothing
    assert sum(each.people.n for each in found.bins) == 5
    assert reliability([], [], []) is None


def test_a_judge_that_is_too_sure_and_leans_is_put_right_on_items_of_its_own():
    told, people = drawn(800, slope=0.5, offset=-1.0)
    found = reliability(told, people, range(800), drawn(10)[0])
    assert found.recalibration.slope == pytest.approx(0.5, abs=0.15)
    assert found.recalibration.offset == pytest.approx(-1.0, abs=0.2)
    assert found.brier_recalibrated.high < found.brier.low
    assert found.bins[-1].people.high < found.bins[-1].told  # where it says 90%, people say less
    honest = reliability(*drawn(800), range(800))
    assert honest.brier_recalibrated.mean == pytest.approx(honest.brier.mean, abs=0.01)


def test_the_rate_of_all_judged_items_is_people_s_and_its_interval_holds_it():
    """0.31 of the texts are good to people; the judge's own mean is 0.5. 60 draws held it in 95%; here are 8."""
    truth = float(np.mean(expit(0.6 * logit(np.linspace(0.0005, 0.9995, 1000)) - 0.8)))
    held = []
    for seed in range(8):
        told, people = drawn(400, seed, slope=0.6, offset=-0.8)
        found = reliability(told[:100], people[:100], range(100), told[100:], seed=seed)
        held.append(found.rate.low < truth < found.rate.high)
        assert found.rate_told == pytest.approx(0.5, abs=0.08)
    assert sum(held) >= 6


def test_items_of_one_prompt_are_resampled_together():
    """Each of 20 prompts ten times the same: ten times the items, and hardly more knowledge."""
    told, people = drawn(20, 3)
    once = reliability(told, people, range(20))
    often = reliability(np.repeat(told, 10), np.repeat(people, 10), np.repeat(np.arange(20), 10))
    width = once.brier.high - once.brier.low
    assert often.brier.high - often.brier.low == pytest.approx(width, rel=0.15)
    assert often.sensitivity.high - often.sensitivity.low > 0.5 * (once.sensitivity.high - once.sensitivity.low)


def test_the_card_tells_it_of_texts_and_of_pairs():
    (card,) = judge_cards(texts_entries(200, answered=100), JUDGE)
    assert card.reliability.n == 100
    assert card.reliability.sensitivity.mean > 0.9 > card.reliability.specificity.mean  # it leans up by a fifth
    assert card.reliability.rate.low < 0.5 < card.reliability.rate.high
    assert card.reliability.rate_told > 0.6

    def say(best, lengths, draw):
        chosen = best if draw.random() < 0.8 else 1 - best
        return {"chosen": int(chosen)}, {"probability": 0.99 if chosen == 0 else 0.01}

    (card,) = judge_cards(pairs_entries(150, say), JUDGE)
    assert card.reliability.n == 150
    assert card.reliability.recalibration.slope < 0.5  # right four times in five, sure of 99 in 100
    assert card.reliability.brier_recalibrated.mean < card.reliability.brier.mean
    assert card.reliability.rate is None
    for share in (card.reliability.sensitivity, card.reliability.specificity):
        assert share.low < 0.78 < share.high


def test_one_error_at_the_end_of_a_scale_does_not_undo_the_others():
    told, people = drawn(200, 1)
    wrong = reliability(np.append(told, 0.0), np.append(people, 1.0), range(201)).recalibration
    assert wrong.slope == pytest.approx(reliability(told, people, range(200)).recalibration.slope, abs=0.15)
