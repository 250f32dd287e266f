"""Linear fits whose slopes come with intervals: what a reward pays for, and how much each part of one should weigh."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from burnish.errors import InputError
from burnish.records import Interval

Floats = NDArray[np.float64]

RESAMPLES = 1_000
LEAST_ROWS_A_SLOPE = 5


@dataclass(frozen=True, slots=True)
class Fitted:
    """Slopes by name, with 95% intervals, the columns' means, and how much of the target they explain."""

    names: tuple[str, ...]
    slopes: tuple[Interval, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    """Standard deviation of each column."""
    offset: float
    r_squared: float

    def interval(self, name: str) -> Interval:
        """Return the slope of a column."""
        return self.slopes[self.names.index(name)]

    def only(self, names: Sequence[str]) -> Fitted:
        """Return the same fit with some of its columns, as they were fitted beside the others."""
        kept = [self.names.index(name) for name in names]
        return Fitted(
            names=tuple(names),
            slopes=tuple(self.slopes[i] for i in kept),
            means=tuple(self.means[i] for i in kept),
            spreads=tuple(self.spreads[i] for i in kept),
            offset=self.offset,
            r_squared=self.r_squared,
        )


def fit_linear(
    columns: ArrayLike,
    target: ArrayLike,
    names: Sequence[str],
    *,
    clusters: Sequence[Hashable] | None = None,
    at_least_zero: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Fitted:
    """Return the least-squares fit target = offset + columns @ slopes, slopes with intervals by bootstrap of clusters.

    columns: shape (N, K). at_least_zero: slopes may not be negative (Lawson & Hanson 1974). A column that does not vary
    has slope 0. Raises InputError for fewer than 5 rows a column, or numbers that are not finite.
    """
    x_NK, y_N = np.asarray(columns, dtype=np.float64), np.asarray(target, dtype=np.float64)
    _check(x_NK, y_N, names)
    codes = np.arange(len(y_N))
    if clusters is not None:
        codes = np.unique([str(each) for each in clusters], return_inverse=True)[1]
    if codes.max() < 1:
        raise InputError("linear fit: all rows belong to one cluster, so nothing is left to resample. Name several.")
    solve = _nonnegative if at_least_zero else _least_squares
    slopes = _solve(x_NK, y_N, np.ones(len(y_N)), solve)
    draw, units = np.random.default_rng(seed), int(codes.max()) + 1
    drawn_RK = np.empty((resamples, x_NK.shape[1]))
    for resample in range(resamples):
        counts = np.bincount(draw.integers(units, size=units), minlength=units)
        drawn_RK[resample] = _solve(x_NK, y_N, counts[codes].astype(np.float64), solve)
    low_K, high_K = np.quantile(drawn_RK, (0.025, 0.975), axis=0)
    offset = float(y_N.mean() - x_NK.mean(axis=0) @ slopes)
    left = y_N - offset - x_NK @ slopes
    return Fitted(
        names=tuple(names),
        slopes=tuple(
            Interval(float(m), float(lo), float(hi), units) for m, lo, hi in zip(slopes, low_K, high_K, strict=True)
        ),
        means=tuple(x_NK.mean(axis=0).tolist()),
        spreads=tuple(x_NK.std(axis=0).tolist()),
        offset=offset,
        r_squared=float(1 - left.var() / y_N.var()) if y_N.var() else 0.0,
    )


def _solve(x_NK: Floats, y_N: Floats, weight_N: Floats, solve: Callable[[Floats, Floats], Floats]) -> Floats:
    """Return the slopes of the weighted fit, columns brought to one spread first so that none is lost to rounding."""
    total = weight_N.sum()
    root_N = np.sqrt(weight_N)
    x_NK = x_NK - weight_N @ x_NK / total
    y_N = y_N - weight_N @ y_N / total
    spread_K = np.sqrt(weight_N @ x_NK**2 / total)
    varies = spread_K > 1e-12
    slopes = np.zeros(x_NK.shape[1])
    if varies.any():
        scaled = x_NK[:, varies] / spread_K[varies]
        slopes[varies] = solve(scaled * root_N[:, None], y_N * root_N) / spread_K[varies]
    return slopes


def _least_squares(x_NK: Floats, y_N: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(x_NK, y_N, rcond=1e-10)[0], dtype=np.float64)


def _nonnegative(x_NK: Floats, y_N: Floats) -> Floats:
    return np.asarray(nnls(x_NK, y_N)[0], dtype=np.float64)


def _check(x_NK: Floats, y_N: Floats, names: Sequence[str]) -> None:
    if x_NK.ndim != 2 or x_NK.shape != (len(y_N), len(names)):
        raise InputError(f"linear fit: columns of shape {x_NK.shape} for {len(y_N)} rows and {len(names)} names.")
    if len(y_N) < LEAST_ROWS_A_SLOPE * (len(names) + 1):
        raise InputError(
            f"linear fit: {len(y_N)} rows for {len(names)} slopes. "
            f"Take at least {LEAST_ROWS_A_SLOPE * (len(names) + 1)}."
        )
    if not (np.isfinite(x_NK).all() and np.isfinite(y_N).all()):
        raise InputError("linear fit: a number is not finite. Leave out what was not scored.")
