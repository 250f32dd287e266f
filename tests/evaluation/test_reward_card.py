import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.evaluation.reward_card import (
    RewardCard,
    accuracy_on,
    agreed_share,
    calibration,
    card_from_plain,
    draw_pairs,
    fit_temperature,
    one_person_accuracy,
    pair_accuracy,
    reward_card,
    spearman,
    spread_against_error,
)
from burnish.plain import to_plain


def rated(seed=0, texts=60, raters=8):
    """Ratings by people who see a text's worth with noise, and a prediction with other noise."""
    generator = np.random.default_rng(seed)
    worth = generator.normal(0, 1.5, texts)
    ratings = [np.clip(np.round(generator.normal(w, 1, raters)), -4, 4).tolist() for w in worth]
    return worth + generator.normal(0, 1, texts), ratings, ["a" if i % 3 else "b" for i in range(texts)]


def test_pair_accuracy_by_hand():
    # pairs with unequal means: (0,1) right, (0,2) tie in prediction, (1,2) wrong -> (1 + 0.5 + 0) / 3; (3) is alone
    found = pair_accuracy([1.0, 2.0, 1.0, 9.0], [0.0, 1.0, 3.0, 5.0], ["s", "s", "s", "t"])
    assert found.accuracy == pytest.approx(0.5)
    assert (found.n_pairs, found.n_texts) == (3, 3)


def test_pair_accuracy_agrees_with_all_pairs():
    predicted, ratings, groups = rated()
    means = [np.mean(each) for each in ratings]
    right = [
        (predicted[i] > predicted[j]) == (means[i] > means[j])
        for i, j in itertools.combinations(range(60), 2)
        if groups[i] == groups[j] and means[i] != means[j]
    ]
    assert pair_accuracy(predicted, means, groups).accuracy == pytest.approx(np.mean(right))


def test_pairs_are_of_one_group_unequal_and_distinct():
    means = np.random.default_rng(0).integers(0, 3, 400).astype(float)
    groups = [index % 7 for index in range(400)]
    pairs = draw_pairs(means, groups, 500, seed=1)
    assert pairs.shape == (500, 2)
    assert all(groups[a] == groups[b] and means[a] != means[b] for a, b in pairs)
    assert len({frozenset(pair) for pair in pairs.tolist()}) == 500


def test_every_possible_pair_is_equally_likely():
    # a group of 30 has 435 pairs, one of 10 has 45; each direction is as likely as the other
    groups = ["big"] * 30 + ["small"] * 10
    drawn = np.concatenate([draw_pairs(np.arange(40.0), groups, 20, seed) for seed in range(400)])
    in_small = (drawn[:, 0] >= 30).mean()
    assert in_small == pytest.approx(45 / 480, abs=0.01)  # 8,000 draws: s.e. 0.0033
    assert (drawn[:, 0] < drawn[:, 1]).mean() == pytest.approx(0.5, abs=0.02)


def test_no_two_texts_that_differ_is_an_error():
    with pytest.raises(InputError, match="no two texts of one set differ"):
        draw_pairs([1.0, 1.0, 2.0], ["a", "a", "b"], 10, 0)


def test_interval_of_few_texts_is_wide_however_many_pairs_they_make():
    """Sampling fresh texts shows how much the accuracy truly varies; the interval must be about as wide."""
    accuracies, widths = [], []
    for seed in range(40):
        predicted, ratings, _ = rated(seed, texts=40)
        found = pair_accuracy(predicted, [np.mean(each) for each in ratings], [0] * 40, resamples=300, seed=seed)
        accuracies.append(found.accuracy)
        widths.append(found.high - found.low)
    over_texts = np.mean(widths) / (2 * 1.96)
    over_pairs = math.sqrt(np.mean(accuracies) * (1 - np.mean(accuracies)) / 780)
    assert over_texts == pytest.approx(np.std(accuracies), rel=0.35)
    assert over_texts > 1.5 * over_pairs


def test_texts_of_one_product_are_one_unit():
    predicted, ratings, _ = rated(texts=30)
    means = np.array([np.mean(each) for each in ratings])
    twice = np.repeat(np.arange(30), 2)
    pairs = draw_pairs(means[twice], [0] * 60, 2000, 0)
    alone = accuracy_on(pairs, predicted[twice], means[twice])
    together = accuracy_on(pairs, predicted[twice], means[twice], clusters=[f"product {t}" for t in twice])
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_agreed_share_by_hand():
    # a 1 2 against b 1 0: (1,1) tie, (1,0) above, (2,1) above, (2,0) above -> 3.5 / 4
    shares = agreed_share([[1, 2], [1, 0], [5]], np.array([[0, 1], [1, 0], [2, 0]]))
    assert shares.tolist() == pytest.approx([3.5 / 4, 0.5 / 4, 1.0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(-4, 4), min_size=1, max_size=6), min_size=2, max_size=5))
def test_agreed_share_agrees_with_counting(ratings):
    pairs = np.array(list(itertools.permutations(range(len(ratings)), 2)))
    counted = [np.mean([(a > b) + 0.5 * (a == b) for a in ratings[i] for b in ratings[j]]) for i, j in pairs.tolist()]
    assert agreed_share(ratings, pairs) == pytest.approx(counted)


def test_calibration_by_hand():
    # bins of two: predicted means 0.15 and 0.75, observed 0.5 and 0.65 -> (0.35 + 0.10) / 2
    found = calibration([0.8, 0.1, 0.2, 0.7], [0.7, 0.4, 0.6, 0.6], bins=2)
    assert found.predicted == pytest.approx((0.15, 0.75))
    assert found.observed == pytest.approx((0.5, 0.65))
    assert found.error == pytest.approx(0.225)
    assert found.n == 4


def test_calibration_of_uneven_bins_weighs_by_their_size():
    # five in two bins: three at |0.2 - 0.2|, two at |0.9 - 0.4|
    assert calibration([0.2, 0.2, 0.2, 0.9, 0.9], [0.2, 0.2, 0.2, 0.4, 0.4], bins=2).error == pytest.approx(0.2)
    assert calibration([0.3], [0.4]).error == pytest.approx(0.1)


def test_calibration_needs_a_share_for_each_probability():
    with pytest.raises(InputError, match="2 probabilities for 1 shares"):
        calibration([0.1, 0.2], [0.3])


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_fit_temperature_finds_the_scale_that_made_the_shares(scale):
    margins = np.random.default_rng(0).normal(0, 2, 500)
    shares = 1 / (1 + np.exp(-scale * margins))
    assert fit_temperature(margins, shares) == pytest.approx(scale)
    assert calibration(1 / (1 + np.exp(-fit_temperature(margins, shares) * margins)), shares).error < 1e-9


def test_fit_temperature_minimises_log_loss():
    predicted, ratings, _ = rated()
    pairs = draw_pairs([np.mean(each) for each in ratings], [0] * 60, 500, 0)
    margins, shares = predicted[pairs[:, 0]] - predicted[pairs[:, 1]], agreed_share(ratings, pairs)

    def loss(scale):
        return np.mean(shares * np.logaddexp(0, -scale * margins) + (1 - shares) * np.logaddexp(0, scale * margins))

    best = fit_temperature(margins, shares)
    assert loss(best) < min(loss(best * 1.05), loss(best / 1.05))


def test_fit_temperature_stays_finite_when_the_reward_is_always_right_or_says_nothing():
    assert fit_temperature([1.0, -1.0], [1.0, 0.0]) == pytest.approx(1e4)
    assert fit_temperature([1.0, -1.0], [0.0, 1.0]) == pytest.approx(1e-4)


def test_spearman_agrees_with_scipy_and_is_none_without_variation():
    scipy_stats = pytest.importorskip("scipy.stats")
    x, y = np.random.default_rng(0).integers(0, 5, (2, 50))
    assert spearman(x, y) == pytest.approx(scipy_stats.spearmanr(x, y).statistic)
    assert spearman([1, 1, 1], [1, 2, 3]) is None


def test_one_person_is_judged_by_the_others():
    # rater k says the same of every text but his neighbour's: alone he orders nothing
    assert one_person_accuracy([[0, 4], [0, 4], [1, 4]], [0, 0, 0], seed=0) is not None
    assert one_person_accuracy([[0.0], [1.0]], [0, 0]) is None
    agreed = one_person_accuracy([[i, i, i] for i in range(10)], [0] * 10)
    assert agreed.accuracy == 1.0


def test_spread_against_error_rises_where_the_heads_know():
    spread = np.linspace(0.1, 1, 100)
    found = spread_against_error(spread, spread * 2, bins=4)
    assert found.correlation == pytest.approx(1)
    assert found.error == pytest.approx([2 * value for value in found.spread])


def test_the_card_holds_all_and_survives_being_written():
    predicted, ratings, groups = rated()
    texts = ["word " * (3 + i % 9) for i in range(60)]
    card = reward_card(
        predicted,
        texts,
        ratings,
        groups,
        scale=1.0,
        spread=np.full(60, 0.3) + predicted**2 / 100,
        baselines={"noise": np.random.default_rng(5).normal(size=60)},
    )
    assert card.accuracy.accuracy > card.baselines["noise"].accuracy
    assert card.accuracy.low < card.accuracy.accuracy < card.accuracy.high
    assert card_from_plain(to_plain(card)) == card
    summary = card.summary()
    assert summary["pair_accuracy"] == card.accuracy.accuracy
    assert summary["n_pairs"] == card.accuracy.n_pairs
    assert summary["baselines"] == {"noise": card.baselines["noise"].accuracy}
    assert card_from_plain(to_plain(card.with_baselines(more=card.accuracy))).baselines["more"] == card.accuracy


def test_an_empty_card_is_all_null():
    summary = RewardCard().summary()
    assert {key for key, value in summary.items() if value is None} == {
        "pair_accuracy", "ci95", "n_pairs", "calibration_error", "length_correlation"
    }  # fmt: skip
    assert card_from_plain({}) == RewardCard()
