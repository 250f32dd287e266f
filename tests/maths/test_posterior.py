import numpy as np
import pytest

from burnish.maths.posterior import hessian, laplace

PRECISION = np.array([[2.0, 0.5], [0.5, 1.0]])
CENTRE = np.array([1.0, -3.0])


def bowl(at):
    off = at - CENTRE
    return float(off @ PRECISION @ off / 2), PRECISION @ off


def test_a_normal_posterior_is_found_exactly():
    found = laplace(bowl, np.zeros(2), name="bowl")
    assert found.mode_P == pytest.approx(CENTRE, abs=1e-8)
    assert found.covariance_PP == pytest.approx(np.linalg.inv(PRECISION), rel=1e-6)


def test_second_derivatives_of_a_cubic():
    at = np.array([0.7, -1.2])

    def cubic(x):
        return float(x[0] ** 3 * x[1]), np.array([3 * x[0] ** 2 * x[1], x[0] ** 3])

    by_hand = [[6 * at[0] * at[1], 3 * at[0] ** 2], [3 * at[0] ** 2, 0.0]]
    assert hessian(cubic, at) == pytest.approx(np.array(by_hand), abs=1e-8)


def test_a_saddle_is_no_mode():
    with pytest.raises(RuntimeError, match="saddle: the posterior is not curved"):
        laplace(lambda x: (0.0, 0 * x), np.zeros(2), name="saddle")
