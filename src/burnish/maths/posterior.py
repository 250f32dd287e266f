"""The mode of a smooth log posterior and the normal approximation around it (Laplace), from an exact gradient.

For models of some hundred parameters: L-BFGS goes near the mode, Newton steps settle on it, and the curvature there is
taken from central differences of the gradient, so that a model states its value and its gradient and nothing else.
Numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

Floats: TypeAlias = NDArray[np.float64]
Energy: TypeAlias = Callable[[Floats], tuple[float, Floats]]
"""Parameters -> (negative log posterior, its gradient)."""

_STEP = 1e-5  # central differences of a gradient: error of order step^2 against rounding of order 1e-16 / step


@dataclass(frozen=True, slots=True)
class Normal:
    """A posterior as a normal distribution: N(mode, covariance)."""

    mode_P: Floats
    covariance_PP: Floats


def laplace(energy: Energy, start: Floats, *, name: str) -> Normal:
    """Normal approximation at the mode that is reached from `start`.

    covariance = inverse of the Hessian of the negative log posterior at its minimum. Raises RuntimeError where the
    curvature there is not positive, which a proper prior and a good start rule out. Source: Tierney & Kadane 1986.
    """
    found = minimize(energy, start, jac=True, method="L-BFGS-B", options={"maxiter": 2_000, "gtol": 1e-6})
    mode = np.asarray(found.x, dtype=np.float64)
    for _ in range(20):
        value, gradient = energy(mode)
        if np.abs(gradient).max(initial=0.0) < 1e-8:
            break
        step = np.linalg.lstsq(hessian(energy, mode), gradient, rcond=1e-12)[0]
        size = 1.0
        while size > 1e-6 and energy(mode - size * step)[0] > value:
            size /= 2
        if size <= 1e-6:
            break  # as low as rounding lets it go
        mode = mode - size * step
    try:
        factor = cho_factor(hessian(energy, mode))
    except LinAlgError as error:
        raise RuntimeError(f"{name}: the posterior is not curved at {np.round(mode, 3).tolist()}") from error
    return Normal(mode, np.asarray(cho_solve(factor, np.eye(len(mode))), dtype=np.float64))


def hessian(energy: Energy, at: Floats) -> Floats:
    """Matrix of second derivatives by central differences of the gradient, made symmetric."""
    rows = np.empty((len(at), len(at)))
    for place in range(len(at)):
        step = np.zeros_like(at)
        step[place] = _STEP * max(1.0, abs(float(at[place])))
        rows[place] = (energy(at + step)[1] - energy(at - step)[1]) / (2 * step[place])
    return np.asarray((rows + rows.T) / 2, dtype=np.float64)
