import numpy as np
import pytest

from burnish.errors import InputError
from burnish.maths.linear import fit_linear


def rows(n=200, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, 3)) * [1.0, 100.0, 0.01] + [5.0, -3.0, 0.0], draw


def test_slopes_are_found_whatever_the_columns_units():
    columns, draw = rows()
    target = 2 + columns @ [0.5, 0.01, -30.0] + 0.1 * draw.normal(size=200)
    found = fit_linear(columns, target, ["a", "b", "c"])
    for name, true in (("a", 0.5), ("b", 0.01), ("c", -30.0)):
        each = found.interval(name)
        assert each.low < true < each.high
        assert each.excludes_zero
    assert found.r_squared > 0.95
    assert found.offset == pytest.approx(2.0, abs=0.15)
    assert found.only(["c"]).slopes == (found.interval("c"),)


def test_weights_that_may_not_be_negative_are_not():
    columns, draw = rows()
    target = columns @ [0.5, 0.0, -30.0] + 0.1 * draw.normal(size=200)
    found = fit_linear(columns, target, ["a", "b", "c"], at_least_zero=True)
    assert found.interval("c").mean == 0.0
    assert all(each.low >= 0 for each in found.slopes)
    assert found.interval("a").mean == pytest.approx(0.5, abs=0.1)


def test_intervals_hold_the_truth_and_grow_with_clusters():
    held = []
    for seed in range(24):
        draw = np.random.default_rng(seed)
        x = draw.normal(size=(60, 1))
        found = fit_linear(x, x[:, 0] + draw.normal(size=60), ["x"], resamples=150, seed=seed)
        held.append(found.slopes[0].low <= 1 <= found.slopes[0].high)
    assert np.mean(held) > 0.8  # of 24 at 95%, fewer than 20 would be a chance of one in two hundred
    draw = np.random.default_rng(0)
    x = np.repeat(draw.normal(size=(20, 1)), 5, axis=0)
    y = np.repeat(draw.normal(size=20), 5)
    alone, together = (fit_linear(x, y, ["x"], clusters=c).slopes[0] for c in (None, np.arange(100) // 5))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_a_column_that_does_not_vary_has_slope_nought_and_bad_numbers_are_refused():
    columns, _ = rows()
    columns[:, 1] = 7.0
    assert fit_linear(columns, columns[:, 0], ["a", "b", "c"]).interval("b").mean == 0.0
    with pytest.raises(InputError, match="at least 20"):
        fit_linear(columns[:10], columns[:10, 0], ["a", "b", "c"])
    with pytest.raises(InputError, match="one cluster"):
        fit_linear(columns, columns[:, 0], ["a", "b", "c"], clusters=["same"] * 200)
    with pytest.raises(InputError, match="not finite"):
        fit_linear(columns, np.full(200, np.nan), ["a", "b", "c"])
