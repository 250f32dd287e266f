"""95% intervals of means and shares: by resampling whole units, never rows that share a prompt or a text.

Ignoring that answers of one prompt resemble each other makes a nominal 95% interval cover about 75% of the time (the
simulation is in the tests); resampling whole clusters repairs it. Numpy and scipy only; every function makes its own
generator from its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from burnish.errors import InputError
from burnish.records import Interval

Floats: TypeAlias = NDArray[np.float64]
Clusters: TypeAlias = Sequence[Any] | NDArray[Any] | None

_LEAST_RANKED = 10
_CELLS = 2_000_000  # numbers drawn at a time: 16 MB, so that memory does not grow with the number of resamples


def bootstrap_mean(values: ArrayLike, clusters: Clusters = None, *, n: int = 10_000, seed: int = 0) -> Interval:
    """Mean of the values with its 95% percentile-bootstrap interval over clusters.

    Each of the n resamples draws as many clusters as there are, with replacement, and takes the mean of all their
    values (sum over sum, so that clusters of unequal size are weighed by size). `values`: shape (N,), finite.
    `clusters`: N labels of any kind; None makes every value its own. `Interval.n` counts clusters.
    Raises InputError for a value that is not finite (leave "not scored" out knowingly) or for fewer than two clusters.
    Source: Efron & Tibshirani 1993, ch. 13; whole clusters: Davison & Hinkley 1997, §3.8.
    """
    sums_C, sizes_C = _by_cluster(_finite(values, "bootstrap_mean"), clusters)
    means = np.empty(n)
    generator = np.random.default_rng(seed)
    units = len(sums_C)
    step = max(1, _CELLS // units)
    for start in range(0, n, step):
        picked = generator.integers(units, size=(min(step, n - start), units))
        means[start : start + step] = sums_C[picked].sum(axis=1) / sizes_C[picked].sum(axis=1)
    return _percentiles(float(sums_C.sum() / sizes_C.sum()), means, units)


def paired_bootstrap(
    before: ArrayLike, after: ArrayLike, clusters: Clusters = None, *, n: int = 10_000, seed: int = 0
) -> Interval:
    """Mean of after minus before, item by item, with its 95% bootstrap interval over clusters.

    `before` and `after`: shape (N,), the same items in the same order. See `bootstrap_mean`.
    """
    first, second = _finite(before, "paired_bootstrap.before"), _finite(after, "paired_bootstrap.after")
    if len(first) != len(second):
        raise InputError(f"paired_bootstrap: {len(first)} values before but {len(second)} after. Pair them up first.")
    return bootstrap_mean(second - first, clusters, n=n, seed=seed)


def bootstrap_pairs(
    values: ArrayLike, first: ArrayLike, second: ArrayLike, *, n: int = 2_000, seed: int = 0
) -> Interval:
    """Mean of a value of pairs (1 = ordered rightly, ...) with its 95% bootstrap interval over the *items* paired.

    Pairs share items, so they are not independent: each resample draws items, and a pair counts as often as the
    product of its two items' counts. `values`: shape (P,); `first`, `second`: item labels, shape (P,).
    `Interval.n` counts items. Raises InputError for fewer than three items.
    Source: Snijders & Borgatti 1999 (vertex bootstrap).
    """
    values_P = _finite(values, "bootstrap_pairs")
    items, codes = np.unique(np.concatenate([np.asarray(first), np.asarray(second)]), return_inverse=True)
    if len(codes) != 2 * len(values_P):
        raise InputError(f"bootstrap_pairs: {len(values_P)} values but {len(codes) / 2:g} pairs of items.")
    if len(items) < 3:
        raise InputError(f"bootstrap_pairs: {len(items)} different items give no interval. Take at least three.")
    first_P, second_P = codes[: len(values_P)], codes[len(values_P) :]
    generator = np.random.default_rng(seed)
    means = np.full(n, np.nan)
    for resample in range(n):
        count_I = np.bincount(generator.integers(len(items), size=len(items)), minlength=len(items))
        weight_P = count_I[first_P] * count_I[second_P]
        if total := weight_P.sum():
            means[resample] = weight_P @ values_P / total
    return _percentiles(float(values_P.mean()), means[~np.isnan(means)], len(items))


def rank_correlation(one: ArrayLike, two: ArrayLike, *, n: int = 2_000, seed: int = 0) -> Interval | None:
    """Spearman's rank correlation with its 95% bootstrap interval; None for fewer than ten units or no differences.

    A mean over units of products of standardised ranks, so that resampling units resamples it (ranks stay fixed).
    """
    from scipy.stats import rankdata  # slow to import, and only here

    first, second = _finite(one, "rank_correlation.one"), _finite(two, "rank_correlation.two")
    if len(first) < _LEAST_RANKED or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    ranks = [np.asarray(rankdata(each), dtype=np.float64) for each in (first, second)]
    standard = [(each - each.mean()) / each.std() for each in ranks]
    return bootstrap_mean(standard[0] * standard[1], n=n, seed=seed)


def wilson(successes: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Share of successes among n independent trials with its Wilson score interval.

    (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). Ties may count as half a success. Unlike p ± 1.96 s.e. it
    stays inside [0, 1] and is not empty at 0 or n. Source: Wilson 1927; recommended by Brown, Cai & DasGupta 2001.
    """
    if n < 1:
        raise InputError(f"wilson: {n} trials give no share. Count at least one.")
    if not 0 <= successes <= n:
        raise InputError(f"wilson: {successes} successes among {n} trials is impossible.")
    z = float(ndtri(0.5 + confidence / 2))
    p = successes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return Interval(mean=p, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def _finite(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InputError(f"{name}: values have shape {array.shape}, expected one dimension.")
    if wrong := int((~np.isfinite(array)).sum()):
        raise InputError(f"{name}: {wrong} of {len(array)} values are not finite. Leave out what was not scored.")
    return array


def _by_cluster(values: Floats, clusters: Clusters) -> tuple[Floats, Floats]:
    """Sum of the values and their number, by cluster."""
    if clusters is None:
        codes = np.arange(len(values))
    else:
        labels = np.asarray(clusters)
        if labels.shape != values.shape:
            raise InputError(f"bootstrap: {len(values)} values but clusters of shape {labels.shape}.")
        codes = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    if len(sizes) < 2:
        raise InputError(f"bootstrap: {len(sizes)} independent unit gives no interval. Measure on at least two.")
    return np.bincount(codes, weights=values).astype(np.float64), sizes


def _percentiles(mean: float, means: Floats, units: int) -> Interval:
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(mean=mean, low=float(low), high=float(high), n=units)
