"""Agreement of several people on the same units: Krippendorff's alpha with a bootstrap interval over units.

alpha = 1 - (disagreement observed within units) / (disagreement expected between any two answers): 1 is perfect, 0 is
chance. Where it is undefined this says why instead of returning 1: unanimous data hold no evidence of agreement,
because nothing shows that people could have disagreed. Reading (Krippendorff): 0.80 and more is firm, 0.667 to 0.80
tentative, less means that the task should be mended, not only the people. Numpy and scipy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from burnish.errors import InputError

Metric: TypeAlias = Literal["nominal", "ordinal", "interval", "distance"]
"""How far apart two answers are; `distance` is for what is no number (`burnish.maths.distance_agreement`)."""
Floats: TypeAlias = NDArray[np.float64]

_RESAMPLES_AT_A_TIME = 50  # 50 x 24,000 units x 8 bytes = 10 MB of weights


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each value was given to each unit: the one input of alpha. Build it by `count` or `from_matrix`."""

    counts_UV: csr_array
    values_V: Floats
    """The distinct values in ascending order (any distinct numbers for nominal data)."""
    cluster_U: NDArray[np.int64]
    """Units resampled together, such as the pairs of one ranking."""
    dropped: int
    """Units left out because fewer than two people answered."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha, what it rests on, and in `reason` why it (or its interval) is undefined."""

    alpha: float | None
    low: float | None
    high: float | None
    reason: str
    same: float | None
    """Share of pairs of people on one unit who gave the same value: raw agreement, not corrected for chance."""
    units: int
    dropped: int
    answers: int
    metric: Metric

    @property
    def ci95(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


def count(units: ArrayLike, values: ArrayLike, *, clusters: ArrayLike | None = None) -> Counts:
    """Counts from one row an answer: `units` and `values` of shape (N,), values as numbers (codes for nominal data).

    `clusters`: one label a row, the same for all rows of a unit; None makes every unit its own. One person's several
    answers on one unit must have been resolved into one before. Raises InputError for a value that is not finite.
    """
    value_N = np.asarray(values, dtype=np.float64)
    unit_N = np.asarray(units)
    if unit_N.shape != value_N.shape:
        raise InputError(f"agreement: {unit_N.shape} units but {value_N.shape} values. Give one row an answer.")
    if wrong := int((~np.isfinite(value_N)).sum()):
        raise InputError(f"agreement: {wrong} answers are not finite numbers. Leave out what was not answered.")
    _, first_U, unit_codes = np.unique(unit_N, return_index=True, return_inverse=True)
    values_V, value_codes = np.unique(value_N, return_inverse=True)
    shape = (len(first_U), len(values_V))
    table_UV = csr_array((np.ones(len(value_N)), (unit_codes, value_codes)), shape=shape)
    cluster_U = np.arange(len(first_U))
    if clusters is not None:
        cluster_U = np.unique(np.asarray(clusters)[first_U], return_inverse=True)[1]
    return _kept(table_UV, values_V, cluster_U)


def from_matrix(counts_UV: ArrayLike, values_V: ArrayLike) -> Counts:
    """Counts from a matrix: row u, column v holds how many people gave value v to unit u."""
    table = np.asarray(counts_UV, dtype=np.float64)
    values = np.asarray(values_V, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(values):
        raise InputError(f"agreement: counts of shape {table.shape} do not fit {len(values)} values.")
    if (table < 0).any() or not np.isfinite(table).all():
        raise InputError("agreement: a count is negative or not finite.")
    order = np.argsort(values)
    return _kept(csr_array(table[:, order]), values[order], np.arange(len(table)))


def alpha(counts: Counts, metric: Metric, *, resamples: int = 1_000, seed: int = 0) -> Agreement:
    """Krippendorff's alpha of the counts with its 95% percentile-bootstrap interval over units (or clusters of them).

    D_o = (1/n) sum_u [sum_{i != j in u} d(x_i, x_j)] / (m_u - 1); D_e = sum over all pairs of answers / (n (n-1));
    d: nominal [x != y]; interval (x - y)^2; ordinal the squared difference of mid-ranks among all answers, which is
    Krippendorff's (sum_{g=c..k} n_g - (n_c + n_k)/2)^2. `resamples=0` gives no interval.
    Units answered once are dropped and counted. Undefined, with the reason: no unit answered twice, one unit only
    (alpha is then 0 whatever was answered), or all answers equal.
    Source: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability".
    """
    table_UV, values_V = counts.counts_UV, counts.values_V
    units = table_UV.shape[0]
    size_U = np.asarray(table_UV.sum(axis=1), dtype=np.float64)
    answers = int(size_U.sum())

    def said(value: float | None, reason: str, low: float | None = None, high: float | None = None) -> Agreement:
        return Agreement(value, low, high, reason, _same(table_UV, size_U), units, counts.dropped, answers, metric)

    if units == 0:
        return said(None, "no unit was answered by two people")
    if units == 1:
        return said(None, "only one unit was answered by two people; alpha needs several units")
    value = float(_alphas(table_UV, values_V, size_U, np.ones((1, units)), metric)[0])
    if np.isnan(value):
        return said(None, "all answers are equal, so nothing shows that people could have disagreed")
    if not resamples:
        return said(value, "")
    if counts.cluster_U.max() == 0:
        return said(value, "all units belong together, so nothing is left to resample for an interval")
    drawn = _bootstrap(counts, size_U, metric, resamples, seed)
    known = drawn[~np.isnan(drawn)]
    if len(known) < 0.95 * resamples:
        return said(value, "too few different answers for an interval")
    low, high = np.quantile(known, (0.025, 0.975))
    return said(value, "", float(low), float(high))


def _bootstrap(counts: Counts, size_U: Floats, metric: Metric, resamples: int, seed: int) -> Floats:
    """Alpha of each resample of the clusters of units, shape (resamples,); NaN where a resample is unanimous."""
    generator = np.random.default_rng(seed)
    clusters = int(counts.cluster_U.max()) + 1
    drawn = np.empty(resamples)
    for start in range(0, resamples, _RESAMPLES_AT_A_TIME):
        rows = min(_RESAMPLES_AT_A_TIME, resamples - start)
        picked = generator.integers(clusters, size=(rows, clusters)) + clusters * np.arange(rows)[:, None]
        weight_RC = np.bincount(picked.ravel(), minlength=rows * clusters).reshape(rows, clusters)
        weight_RU = weight_RC[:, counts.cluster_U].astype(np.float64)
        drawn[start : start + rows] = _alphas(counts.counts_UV, counts.values_V, size_U, weight_RU, metric)
    return drawn


def _alphas(table_UV: csr_array, values_V: Floats, size_U: Floats, weight_RU: Floats, metric: Metric) -> Floats:
    """Alpha for each row of unit weights, shape (R,); NaN where the expected disagreement is 0."""
    total_R = weight_RU @ size_U
    count_RV = np.asarray((table_UV.T @ weight_RU.T).T)
    per_pair_U = 1 / (size_U - 1)
    if metric == "nominal":
        squares_U = np.asarray(table_UV.power(2).sum(axis=1), dtype=np.float64)
        observed_R = weight_RU @ ((size_U**2 - squares_U) * per_pair_U)
        expected_R = total_R**2 - (count_RV**2).sum(axis=1)
    else:
        # ordinal alpha is interval alpha on the mid-ranks, which change with the resample
        points_RV = values_V[None] if metric == "interval" else np.cumsum(count_RV, axis=1) - count_RV / 2
        points_RV = points_RV - points_RV.mean(axis=1, keepdims=True)  # keeps large offsets from eating the digits
        sum_UR, square_UR = table_UV @ points_RV.T, table_UV @ np.square(points_RV).T
        within_UR = 2 * (size_U[:, None] * square_UR - np.square(sum_UR)) * per_pair_U[:, None]
        observed_R = np.einsum("ru,ur->r", weight_RU, np.broadcast_to(within_UR, weight_RU.T.shape))
        sum_R, square_R = (count_RV * points_RV).sum(axis=1), (count_RV * np.square(points_RV)).sum(axis=1)
        expected_R = 2 * (total_R * square_R - np.square(sum_R))
    unanimous_R = (count_RV > 0).sum(axis=1) < 2  # exactly, where the sums above may leave rounding
    safe_R = np.where(unanimous_R, 1.0, expected_R)
    return np.where(unanimous_R, np.nan, 1 - (total_R - 1) * observed_R / safe_R)


def _same(table_UV: csr_array, size_U: Floats) -> float | None:
    if not len(size_U):
        return None
    squares = float(table_UV.power(2).sum() - size_U.sum())
    return squares / float((size_U * (size_U - 1)).sum())


def _kept(table_UV: csr_array, values_V: Floats, cluster_U: NDArray[np.int64]) -> Counts:
    several_U = np.asarray(table_UV.sum(axis=1)) > 1
    kept_UV = table_UV[np.flatnonzero(several_U)]
    used_V = np.flatnonzero(np.asarray(kept_UV.sum(axis=0)) > 0)
    clusters = np.unique(cluster_U[several_U], return_inverse=True)[1]
    return Counts(csr_array(kept_UV[:, used_V]), values_V[used_V], clusters, int((~several_U).sum()))
