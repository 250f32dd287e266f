from itertools import permutations
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from burnish.errors import InputError
from burnish.maths import choice
from burnish.maths.choice import bradley_terry, davidson, islands, logistic_normal, plackett_luce, rao_kupper


def votes(seed, items=5, n=60):
    generator = np.random.default_rng(seed)
    first, second = generator.integers(items, size=(2, n))
    first, second = first[first != second], second[first != second]
    strength = np.linspace(-1, 1, items)
    first_wins = generator.random(len(first)) < expit(strength[first] - strength[second])
    return np.where(first_wins, first, second), np.where(first_wins, second, first)


# ------------------------------------------------------------------------------------------------------- Bradley-Terry


def test_two_items_without_a_prior_have_the_logit_of_the_share():
    fit = bradley_terry([0, 0, 0, 1], [1, 1, 1, 0], n_items=2, ridge=0)
    assert fit.scores_I[0] - fit.scores_I[1] == pytest.approx(log(3))
    # by hand: the information of the difference is n p (1 - p) = 4 * 3/4 * 1/4
    spread = fit.covariance_II[0, 0] + fit.covariance_II[1, 1] - 2 * fit.covariance_II[0, 1]
    assert spread == pytest.approx(4 / 3)


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (0, 1), (1, 1), (3, 1), (10, 2), (30, 10)])
def test_the_default_prior_is_nearly_the_flat_one_on_a_pair(wins, losses):
    fit = bradley_terry([0] * wins + [1] * losses, [1] * wins + [0] * losses, n_items=2)
    mean, variance = fit.probability(0, 1)
    n = wins + losses
    flat = (wins + 1) / (n + 2)  # mean and variance of Beta(1 + wins, 1 + losses)
    assert mean == pytest.approx(flat, abs=0.012)
    assert variance == pytest.approx(flat * (1 - flat) / (n + 3), rel=0.25)


@pytest.mark.parametrize("seed", range(4))
def test_bradley_terry_is_that_of_choix(seed):
    choix = pytest.importorskip("choix")
    winners, losers = votes(seed)
    data = list(zip(winners.tolist(), losers.tolist(), strict=True))
    theirs = choix.opt_pairwise(5, data, alpha=0.3, tol=1e-10)
    # choix penalises alpha ||s||^2, we ridge/2 ||s||^2
    ours = bradley_terry(winners, losers, n_items=5, ridge=0.6)
    assert ours.scores_I == pytest.approx(theirs, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_swapping_winners_and_losers_negates_and_renaming_items_permutes(seed):
    winners, losers = votes(seed)
    fit = bradley_terry(winners, losers, n_items=5)
    assert bradley_terry(losers, winners, n_items=5).scores_I == pytest.approx(-fit.scores_I, abs=1e-7)
    order = np.random.default_rng(seed).permutation(5)
    renamed = bradley_terry(order[winners], order[losers], n_items=5)
    assert renamed.scores_I[order] == pytest.approx(fit.scores_I, abs=1e-7)
    assert renamed.sandwich_II[np.ix_(order, order)] == pytest.approx(fit.sandwich_II, abs=1e-7)
    assert fit.scores_I.sum() == pytest.approx(0, abs=1e-8)


def test_weights_are_repeated_votes_and_a_tie_is_half_a_win_each_way():
    repeated = bradley_terry([0, 0, 1], [1, 1, 2], n_items=3)
    weighed = bradley_terry([0, 1], [1, 2], n_items=3, weights=[2, 1])
    assert weighed.scores_I == pytest.approx(repeated.scores_I)
    assert weighed.covariance_II == pytest.approx(repeated.covariance_II)
    tie = bradley_terry([0, 1], [1, 0], n_items=2, weights=[0.5, 0.5], clusters=[0, 0])
    assert tie.scores_I == pytest.approx([0, 0])
    assert tie.sandwich_II == pytest.approx(np.zeros((2, 2)))  # one tie on equal items is no surprise


def test_gradient_and_hessian_are_those_of_the_objective():
    winners, losers = votes(3)
    fit = bradley_terry(winners, losers, n_items=5, ridge=0.4)

    def objective(scores):
        return np.log1p(np.exp(scores[losers] - scores[winners])).sum() + 0.2 * scores @ scores

    best = minimize(objective, np.zeros(5), tol=1e-10)
    assert fit.scores_I == pytest.approx(best.x, abs=1e-5)
    assert np.linalg.inv(fit.covariance_II) == pytest.approx(second_differences(objective, fit.scores_I), abs=1e-4)


def second_differences(objective, point, h=1e-3):
    size = len(point)
    steps = np.eye(size) * h
    return np.array(
        [
            [
                (
                    objective(point + steps[i] + steps[j])
                    - objective(point + steps[i] - steps[j])
                    - objective(point - steps[i] + steps[j])
                    + objective(point - steps[i] - steps[j])
                )
                / (4 * h * h)
                for j in range(size)
            ]
            for i in range(size)
        ]
    )


def test_sandwich_sees_that_one_persons_votes_are_not_independent():
    # 12 people, 20 votes each on one pair; every person always answers the same: 240 votes hold 12 opinions
    people = np.repeat(np.arange(12), 20)
    likes_first = people < 8
    fit_alone = bradley_terry(np.where(likes_first, 0, 1), np.where(likes_first, 1, 0), n_items=2, ridge=0)
    fit = bradley_terry(np.where(likes_first, 0, 1), np.where(likes_first, 1, 0), n_items=2, ridge=0, clusters=people)
    assert fit.sandwich_II[0, 0] == pytest.approx(20 * fit_alone.sandwich_II[0, 0])
    assert fit_alone.sandwich_II == pytest.approx(fit_alone.covariance_II)  # the model is right there
    assert fit.interval(0).low < fit.scores_I[0] < fit.interval(0).high


def test_sandwich_intervals_cover_when_votes_come_in_clusters():
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(150):
        lean = generator.normal(0.5, 1.0, 40)  # each person's own logit for item 0
        people = np.repeat(np.arange(40), 15)
        wins = generator.random(600) < expit(lean[people])
        fit = bradley_terry(np.where(wins, 0, 1), np.where(wins, 1, 0), n_items=2, ridge=0, clusters=people)
        truth = population_share()
        gap = np.array([1.0, -1.0])
        half = 1.96 * np.sqrt(gap @ fit.sandwich_II @ gap)
        covered += abs(gap @ fit.scores_I - log(truth / (1 - truth))) < half
    assert covered / 150 > 0.88


def population_share():
    """Chance that a person drawn from the population above prefers item 0."""
    return float(logistic_normal(0.5, 1.0)[0])


def test_islands_are_reported_and_never_compared():
    fit = bradley_terry([0, 2, 2], [1, 3, 3], n_items=5)
    assert fit.island_I.tolist() == [0, 0, 1, 1, 2]
    assert fit.scores_I[:2].sum() == pytest.approx(0)
    assert fit.scores_I[2:4].sum() == pytest.approx(0)
    assert fit.probability(2, 3)[0] > 0.5
    with pytest.raises(InputError, match="items 0 and 2 are linked by no comparison"):
        fit.probability(0, 2)
    assert islands([0, 2], [1, 3], n_items=5).tolist() == [0, 0, 1, 1, 2]


def test_without_a_ridge_an_undefeated_item_is_refused_by_name():
    with pytest.raises(InputError, match=r"only one way.*\[0\].*\[1, 2\]|only one way.*\[1, 2\].*\[0\]"):
        bradley_terry([0, 1, 2], [1, 2, 1], n_items=3, ridge=0)
    assert np.isfinite(bradley_terry([0, 1, 2], [1, 2, 1], n_items=3, ridge=0.01).scores_I).all()


def test_no_votes_leave_the_prior():
    fit = bradley_terry([], [], n_items=2)
    assert fit.scores_I.tolist() == [0, 0]
    assert fit.covariance_II == pytest.approx(np.eye(2) / choice.PRIOR_RIDGE)
    assert bradley_terry([], [], n_items=0).scores_I.shape == (0,)


def test_many_onesided_votes_converge():
    fit = bradley_terry([0] * 5_000, [1] * 5_000, n_items=2, ridge=1e-6)
    assert fit.scores_I[0] > 5
    big = bradley_terry(*votes(1, items=200, n=20_000), n_items=200)
    assert np.corrcoef(big.scores_I, np.linspace(-1, 1, 200))[0, 1] > 0.9


# ------------------------------------------------------------------------------------------------------- Plackett-Luce


def order_likelihood(order, scores):
    chance = 1.0
    for place in range(len(order)):
        chance *= exp(scores[order[place]]) / sum(exp(scores[item]) for item in order[place:])
    return chance


def slow_log_likelihood(rankings, scores):
    """Mean over all orders that a ranking with ties allows, by enumeration."""
    total = 0.0
    for ranking in rankings:
        orders = [()]
        for group in ranking:
            orders = [order + more for order in orders for more in permutations(group)]
        total += np.mean([log(order_likelihood(order, scores)) for order in orders])
    return total


RANKINGS = [[[0], [1, 2], [3]], [[3], [0], [1], [2]], [[1, 3]], [[2, 0, 1], [3]], [[0], [3]]]


def test_plackett_luce_is_the_maximum_found_by_enumerating_orders():
    fit = plackett_luce(RANKINGS, n_items=4, ridge=0.5)

    def objective(scores):
        return -slow_log_likelihood(RANKINGS, scores) + 0.25 * scores @ scores

    best = minimize(objective, np.zeros(4), tol=1e-10)
    assert fit.scores_I == pytest.approx(best.x, abs=1e-5)
    assert np.linalg.inv(fit.covariance_II) == pytest.approx(second_differences(objective, fit.scores_I), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_plackett_luce_is_that_of_choix(seed):
    choix = pytest.importorskip("choix")
    generator = np.random.default_rng(seed)
    orders = [tuple(generator.permutation(5)[: generator.integers(2, 6)].tolist()) for _ in range(40)]
    theirs = choix.opt_rankings(5, orders, alpha=0.25, tol=1e-10)
    ours = plackett_luce([[[item] for item in order] for order in orders], n_items=5, ridge=0.5)
    assert ours.scores_I == pytest.approx(theirs, abs=1e-4)


def test_best_of_several_is_that_of_choix():
    choix = pytest.importorskip("choix")
    data = [(0, (1, 2)), (1, (2, 3)), (0, (3,)), (3, (0, 1, 2)), (2, (0,))]
    theirs = choix.opt_top1(4, data, alpha=0.25, tol=1e-10)
    ours = plackett_luce([[[best], rest] for best, rest in data], n_items=4, ridge=0.5, rest_unordered=True)
    assert ours.scores_I == pytest.approx(theirs, abs=1e-4)


def test_rankings_of_two_are_pairs():
    winners, losers = votes(6)
    pairs = plackett_luce([[[i], [j]] for i, j in zip(winners, losers, strict=True)], n_items=5)
    same = bradley_terry(winners, losers, n_items=5)
    assert pairs.scores_I == pytest.approx(same.scores_I, abs=1e-8)
    assert pairs.covariance_II == pytest.approx(same.covariance_II, abs=1e-8)
    assert pairs.sandwich_II == pytest.approx(same.sandwich_II, abs=1e-8)
    tied = plackett_luce([[[0, 1]], [[0], [1]]], n_items=2)
    halves = bradley_terry([0, 1, 0], [1, 0, 1], n_items=2, weights=[0.5, 0.5, 1], clusters=[0, 0, 1])
    assert tied.scores_I == pytest.approx(halves.scores_I, abs=1e-8)
    assert tied.sandwich_II == pytest.approx(halves.sandwich_II, abs=1e-8)


def test_tied_items_come_out_equal_and_a_missing_item_is_no_loser():
    fit = plackett_luce([[[0], [1, 2]], [[0], [1, 2]]], n_items=4)
    assert fit.scores_I[1] == pytest.approx(fit.scores_I[2])
    assert fit.scores_I[0] > fit.scores_I[1]
    assert fit.scores_I[3] == 0
    assert fit.island_I[3] != fit.island_I[0]


def test_large_ties_are_approximated_closely(monkeypatch):
    ranking = [[[0], [1, 2, 3, 4, 5], [6]], [[6], [2], [1, 0]]]
    exact = plackett_luce(ranking, n_items=7)
    monkeypatch.setattr(choice, "_MOST_SETS", 0)
    close = plackett_luce(ranking, n_items=7)
    assert not np.array_equal(close.scores_I, exact.scores_I)
    assert close.scores_I == pytest.approx(exact.scores_I, abs=0.06)


def test_weights_of_rankings_are_repetitions():
    repeated = plackett_luce([[[0], [1], [2]]] * 3 + [[[2], [0, 1]]], n_items=3)
    weighed = plackett_luce([[[0], [1], [2]], [[2], [0, 1]]], n_items=3, weights=[3, 1])
    assert weighed.scores_I == pytest.approx(repeated.scores_I, abs=1e-8)
    assert plackett_luce([], n_items=2).scores_I.tolist() == [0, 0]


def test_without_a_ridge_an_item_always_first_is_refused():
    with pytest.raises(InputError, match="only one way"):
        plackett_luce([[[0], [1], [2]], [[0], [2], [1]]], n_items=3, ridge=0)
    fit = plackett_luce([[[0], [1], [2]], [[2], [1], [0]]], n_items=3, ridge=0)
    assert fit.scores_I[0] == pytest.approx(fit.scores_I[2], abs=1e-6)


# ---------------------------------------------------------------------------------------------------------------- ties


@settings(max_examples=30, deadline=None)
@given(gap=st.floats(-30, 30), amount=st.floats(0, 20))
def test_tie_models_are_distributions_that_mirror(gap, amount):
    for model, parameter in ((davidson, amount), (rao_kupper, 1 + amount)):
        win, tie, lose = model(gap, parameter)
        assert win + tie + lose == pytest.approx(1)
        assert min(win, tie, lose) >= 0
        mirrored = model(-gap, parameter)
        assert (mirrored[2], mirrored[1], mirrored[0]) == pytest.approx((win, tie, lose), abs=1e-12)


def test_tie_models_by_hand():
    # Davidson with pi = (2, 1), nu = 1: 2 / (3 + sqrt 2), sqrt 2 / (3 + sqrt 2), 1 / (3 + sqrt 2)
    assert davidson(log(2), 1.0) == pytest.approx((0.453082, 0.320377, 0.226541), abs=1e-6)
    # Rao-Kupper with pi = (2, 1), theta = 2: 2/(2+2), 1/(1+4), and (4 - 1) 2 / ((2+2)(1+4)) for the tie
    assert rao_kupper(log(2), 2.0) == pytest.approx((0.5, 0.3, 0.2))
    assert davidson(1.0, 0.0) == pytest.approx((expit(1.0), 0, expit(-1.0)))
    assert rao_kupper([1.0], 1.0)[1] == pytest.approx([0])
    with pytest.raises(InputError, match="nu"):
        davidson(0.0, -1)
    with pytest.raises(InputError, match="theta"):
        rao_kupper(0.0, 0.5)


def test_logistic_normal_is_that_of_many_draws():
    mean, variance = logistic_normal([0.0, 1.0, -2.0], [0.0, 1.5, 4.0])
    draws = expit(np.random.default_rng(0).normal(size=(400_000, 3)) * np.sqrt([0, 1.5, 4]) + [0, 1, -2])
    assert mean == pytest.approx(draws.mean(axis=0), abs=1e-3)
    assert variance == pytest.approx(draws.var(axis=0), abs=1e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bradley_terry([0], [0], n_items=2), "itself"),
        (lambda: bradley_terry([0], [2], n_items=2), "losers go from 2 to 2"),
        (lambda: bradley_terry([0], [1], n_items=2, weights=[0]), "weight"),
        (lambda: bradley_terry([0, 1], [1], n_items=2), "winners"),
        (lambda: bradley_terry([0], [1], n_items=2, ridge=-1), "ridge"),
        (lambda: plackett_luce([[[0], [0]]], n_items=2), "twice"),
        (lambda: plackett_luce([[[0], [5]]], n_items=2), "outside"),
    ],
)
def test_impossible_votes_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
