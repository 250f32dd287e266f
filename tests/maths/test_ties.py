from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from burnish.errors import InputError
from burnish.maths.choice import bradley_terry, davidson, rao_kupper
from burnish.maths.ties import tie_energy, ties_by_island, with_ties

WEAK = 1e-7
MODELS = ("davidson", "rao_kupper")


def rows(wins, ties, losses):
    outcomes = [1] * wins + [0] * ties + [-1] * losses
    return [0] * len(outcomes), [1] * len(outcomes), outcomes


def simulate(model, tie, seed=0, items=5, n=3_000):
    generator = np.random.default_rng(seed)
    scores = np.linspace(-1.2, 1.2, items)
    first = generator.integers(items, size=n)
    second = (first + generator.integers(1, items, size=n)) % items
    win, even, _ = model(scores[first] - scores[second], tie)
    drawn = generator.random(n)
    return scores, first, second, np.where(drawn < win, 1, np.where(drawn < win + even, 0, -1))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_finite_differences(model, seed):
    generator = np.random.default_rng(seed)
    first = generator.integers(4, size=25)
    second = (first + generator.integers(1, 4, size=25)) % 4
    outcome = generator.integers(-1, 2, size=25)
    at = generator.normal(size=5)

    def energy(x):
        return tie_energy(x, first, second, outcome, model=model, ridge=0.5)

    assert energy(at)[1] == pytest.approx(approx_fprime(at, lambda x: energy(x)[0], 1e-7), abs=1e-5)


def test_davidson_on_two_items_by_hand():
    # exp(d) = wins / losses and nu = ties / sqrt(wins losses) reproduce the shares; the weak prior moves them little
    found = with_ties(*rows(600, 300, 150), n_items=2, ridge=WEAK)
    assert found.scores.scores_I[0] - found.scores.scores_I[1] == pytest.approx(log(4), abs=1e-3)
    assert found.parameter == pytest.approx(300 / sqrt(600 * 150), rel=1e-2)
    assert found.interval.low < 1 < found.interval.high


def test_rao_kupper_on_two_items_by_hand():
    # logit P(win) = d - eta, logit P(lose) = -d - eta
    win, lose = log(600 / 450), log(150 / 900)
    found = with_ties(*rows(600, 300, 150), n_items=2, ridge=WEAK, model="rao_kupper")
    assert found.scores.scores_I[0] - found.scores.scores_I[1] == pytest.approx((win - lose) / 2, abs=1e-2)
    assert found.parameter == pytest.approx(exp(-(win + lose) / 2), rel=1e-2)


@pytest.mark.parametrize(("name", "model", "tie"), [("davidson", davidson, 0.7), ("rao_kupper", rao_kupper, 1.8)])
def test_what_was_put_in_comes_out(name, model, tie):
    scores, first, second, outcome = simulate(model, tie)
    found = with_ties(first, second, outcome, n_items=5, model=name)
    assert found.interval.low < tie < found.interval.high
    assert found.scores.scores_I == pytest.approx(scores, abs=0.2)
    # the model is right, so both covariances say the same of a difference
    side = np.array([1, 0, 0, 0, -1])
    plain, robust = (side @ each @ side for each in (found.scores.covariance_II, found.scores.sandwich_II))
    assert robust == pytest.approx(plain, rel=0.15)


def test_without_a_tie_davidson_is_bradley_terry():
    _, first, second, outcome = simulate(davidson, 0.0, n=300)
    found = with_ties(first, second, outcome, n_items=5, ridge=1.0)
    winner, loser = np.where(outcome == 1, first, second), np.where(outcome == 1, second, first)
    assert found.parameter < 0.03
    plain = bradley_terry(winner, loser, n_items=5, ridge=1.0)
    assert found.scores.scores_I == pytest.approx(plain.scores_I, abs=0.02)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match=r"ties.outcomes: 2 is not 1"):
        with_ties([0], [1], [2], n_items=2)
    with pytest.raises(InputError, match="'elo' is unknown"):
        with_ties([0], [1], [1], n_items=2, model="elo")
    with pytest.raises(InputError, match="ridge: 0 is not above 0"):
        with_ties([0], [1], [1], n_items=2, ridge=0)


@pytest.mark.parametrize("model", MODELS)
def test_on_one_island_both_fits_are_nearly_the_same(model):
    # they differ by which mode the parameter is at, and that by the number of scores over that of answers
    _, first, second, outcome = simulate(davidson, 0.7)
    dense = with_ties(first, second, outcome, n_items=5, model=model)
    found = ties_by_island(first, second, outcome, n_items=5, model=model)
    assert found.scores_I == pytest.approx(dense.scores.scores_I, abs=2e-3)
    assert found.interval.low == pytest.approx(dense.interval.low, rel=5e-3)
    centre = np.eye(5) - 0.2
    assert found.variance_I == pytest.approx(np.diag(centre @ dense.scores.covariance_II @ centre), rel=5e-3)


@pytest.mark.parametrize(("model", "tie"), [("davidson", 0.7), ("rao_kupper", 1.8)])
def test_intervals_of_many_islands_hold_what_was_put_in(model, tie):
    generator, chances = np.random.default_rng(4), {"davidson": davidson, "rao_kupper": rao_kupper}[model]
    ridge, prompts, votes = 0.6, 400, 12
    true = generator.normal(0, ridge**-0.5, size=(prompts, 3))
    prompt = np.repeat(np.arange(prompts), votes)
    one = generator.integers(3, size=prompts * votes)
    two = (one + generator.integers(1, 3, size=len(one))) % 3
    win, even, _ = chances(true[prompt, one] - true[prompt, two], tie)
    drawn = generator.random(len(one))
    outcome = np.where(drawn < win, 1, np.where(drawn < win + even, 0, -1))
    found = ties_by_island(3 * prompt + one, 3 * prompt + two, outcome, n_items=3 * prompts, model=model, ridge=ridge)
    assert found.interval.low < tie < found.interval.high
    centred = (true - true.mean(axis=1, keepdims=True)).ravel()
    inside = np.abs(centred - found.scores_I) < 1.6449 * np.sqrt(found.variance_I)
    assert 0.86 < inside.mean() < 0.94
    pair = np.arange(0, 3 * prompts, 3)
    outcome_PO, share_P, variance_P = found.outcomes(pair, pair + 1)
    win, even, lose = chances(true[:, 0] - true[:, 1], tie)
    assert outcome_PO.sum(axis=1) == pytest.approx(np.ones(prompts))
    assert outcome_PO.mean(axis=0) == pytest.approx([lose.mean(), even.mean(), win.mean()], abs=0.03)
    # the stated variance is that of what is not known: its mean is the mean squared error
    assert np.square(share_P - win - even / 2).mean() == pytest.approx(variance_P.mean(), rel=0.2)


def test_rows_weigh_as_often_as_they_are_written():
    rows = [0, 1, 0], [1, 2, 2], [1, 0, 1]
    twice = ties_by_island(*(each * 2 for each in rows), n_items=3)
    found = ties_by_island(*rows, n_items=3, weights=[2.0, 2.0, 2.0])
    assert found.scores_I == pytest.approx(twice.scores_I, abs=1e-5)
    assert found.parameter == pytest.approx(twice.parameter, rel=1e-4)


def test_items_that_nothing_links_have_no_common_scale():
    found = ties_by_island([0, 2], [1, 3], [1, 0], n_items=4)
    with pytest.raises(InputError, match="items 1 and 2 are linked by no comparison"):
        found.outcomes(np.array([1]), np.array([2]))
