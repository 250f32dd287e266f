import numpy as np
import pytest

from burnish.maths.stated_variance import coverage, fit_stated_variance


def simulated(floor: float, factor: float, n: int = 20_000, seed: int = 0):
    """Errors drawn from the model itself."""
    rng = np.random.default_rng(seed)
    spreads, noises = rng.gamma(2.0, 0.1, n), rng.uniform(0.02, 0.2, n)
    errors = rng.normal(size=n) * np.sqrt(floor + factor * spreads**2 + noises)
    return errors, spreads, noises


@pytest.mark.parametrize(("floor", "factor"), [(0.3, 4.0), (0.5, 0.0), (0.0, 9.0), (0.05, 1.0)])
def test_what_was_put_in_comes_out(floor, factor):
    errors, spreads, noises = simulated(floor, factor)
    found = fit_stated_variance(errors, spreads, noises)
    assert found[0] == pytest.approx(floor, abs=0.03)
    assert found[1] == pytest.approx(factor, abs=0.6)
    assert coverage(errors, found[0] + found[1] * spreads**2 + noises) == pytest.approx(0.95, abs=0.01)


def test_a_spread_that_says_nothing_is_not_believed():
    errors, spreads, noises = simulated(0.4, 0.0)
    _, factor = fit_stated_variance(errors, np.random.default_rng(1).permutation(spreads), noises)
    assert factor * float(np.square(spreads).mean()) < 0.02


def test_heads_that_agree_exactly():
    errors, _, noises = simulated(0.4, 0.0)
    floor, _ = fit_stated_variance(errors, np.zeros(len(errors)), noises)
    assert floor == pytest.approx(0.4, abs=0.03)


def test_no_texts_change_nothing():
    assert fit_stated_variance([], [], []) == (0.0, 1.0)


def test_no_error_at_all_is_no_crash():
    floor, factor = fit_stated_variance(np.zeros(30), np.full(30, 0.1), np.zeros(30))
    assert 0 <= floor < 1e-3
    assert 0 <= factor < 0.1


def test_the_better_of_two_fits_has_the_higher_likelihood():
    """Against a grid: no (floor, factor) on it is likelier."""
    errors, spreads, noises = simulated(0.2, 2.0, n=500, seed=3)

    def likelihood(floor: float, factor: float) -> float:
        total = floor + factor * spreads**2 + noises + 1e-6
        return float(-0.5 * (np.log(total) + errors**2 / total).mean())

    found = likelihood(*fit_stated_variance(errors, spreads, noises))
    grid = max(likelihood(a, b) for a in np.linspace(0, 1, 41) for b in np.linspace(0, 10, 41))
    assert found >= grid - 1e-6


def test_coverage_counts():
    assert coverage([0.0, 1.9, 2.0, -3.0], [1.0, 1.0, 1.0, 1.0]) == 0.5
