import math

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.evaluation.resampling import multiplicities, percentile_interval


def test_a_resample_draws_as_many_units_as_there_are_each_equally_often():
    counts = multiplicities(7, 20_000, np.random.default_rng(0))
    assert counts.shape == (20_000, 7)
    assert (counts.sum(axis=1) == 7).all()
    # a unit's count is binomial(7, 1/7): mean 1, variance 6/7; 20,000 draws fix the mean to 0.0065 s.e.
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.03)
    assert counts.var(axis=0) == pytest.approx(6 / 7, abs=0.05)


def test_nothing_cannot_be_resampled():
    with pytest.raises(InputError, match="nothing to resample"):
        multiplicities(0, 10, np.random.default_rng(0))


def test_the_middle_95_percent_of_finite_draws():
    draws = np.append(np.arange(1001.0), math.nan)
    found = percentile_interval(500.0, draws, 9)
    assert (found.mean, found.low, found.high, found.n) == (500, 25, 975, 9)


def test_one_unit_or_no_estimate_gives_no_interval():
    assert percentile_interval(1.0, np.ones(10), 1) is None
    assert percentile_interval(math.nan, np.ones(10), 5) is None
    assert percentile_interval(1.0, np.full(10, math.nan), 5) is None
