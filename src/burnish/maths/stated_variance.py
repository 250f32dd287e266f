"""How unsure a prediction is, stated so that it holds: variances fitted to errors on texts that trained nothing.

    error_i ~ Normal(0, floor + factor * spread_i^2 + noise_i)

spread: standard deviation of an ensemble's members; noise: variance of the truth it is compared with (a mean of a few
people's ratings). The spread of members that share most of their weights is far smaller than their error, and may say
nothing about it: then factor is 0 and the floor holds everything. Maximum likelihood.
Source: variance scaling, Levi et al. 2022, arXiv 1905.11659, with a floor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

LEAST = 1e-6  # of a variance: below it a likelihood has no upper bound


def fit_stated_variance(errors: ArrayLike, spreads: ArrayLike, noises: ArrayLike) -> tuple[float, float]:
    """Return (floor, factor), both 0 or more, for errors, spreads and noise variances of N texts, each shape (N,)."""
    square_N = np.square(np.asarray(errors, float))
    spread_N, noise_N = np.square(np.asarray(spreads, float)), np.asarray(noises, float)
    if not square_N.size:
        return 0.0, 1.0
    mean = max(float((square_N - noise_N).mean()), LEAST)
    scale = max(float(spread_N.mean()), LEAST)

    def loss(parts: Floats) -> tuple[float, Floats]:
        """Negative log-likelihood and its gradient; parts: (floor, factor * scale) in units of the mean."""
        total_N = mean * (parts[0] + parts[1] * spread_N / scale) + noise_N + LEAST
        slope_N = 0.5 * (1 / total_N - square_N / total_N**2)
        gradient = np.array([mean * slope_N.mean(), mean * (slope_N * spread_N / scale).mean()])
        return float(0.5 * (np.log(total_N) + square_N / total_N).mean()), gradient

    found = min(  # the likelihood has flat corners: from both ends, the better
        (minimize(loss, start, jac=True, bounds=[(0, None), (0, None)]) for start in ([1.0, 0.05], [0.05, 1.0])),
        key=lambda each: float(each.fun),
    )
    return float(mean * found.x[0]), float(mean * found.x[1] / scale)


def coverage(errors: ArrayLike, variances: ArrayLike) -> float:
    """Return the share of errors within 1.96 standard deviations: 0.95 for true variances and normal errors."""
    return float((np.abs(np.asarray(errors, float)) <= 1.959964 * np.sqrt(np.asarray(variances, float))).mean())
