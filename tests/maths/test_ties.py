from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from burnish.errors import InputError
from burnish.maths.choice import bradley_terry, davidson, rao_kupper
from burnish.maths.ties import tie_energy, with_ties

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
    value = lambda x: tie_energy(x, first, second, outcome, model=model, ridge=0.5)[0]  # noqa: E731
    exact = tie_energy(at, first, second, outcome, model=model, ridge=0.5)[1]
    assert exact == pytest.approx(approx_fprime(at, value, 1e-7), abs=1e-5)


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
