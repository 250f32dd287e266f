"""Krippendorff's alpha of answers that are not numbers: whatever has a distance, such as texts.

alpha = 1 - D_o / D_e, as in `burnish.maths.agreement`, with d(x, y) any symmetric distance: D_o is its mean within
units (each unit's pairs weighed by 1 / (m_u - 1)), D_e its mean over pairs of answers of all units. There are too many
of those to measure each, so D_e comes from pairs drawn at random, and the interval from resampling units: an answer's
weight in D_e is how often its unit was drawn. Source: Krippendorff 2011, who leaves the distance open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from burnish.maths.agreement import Agreement

Floats: TypeAlias = NDArray[np.float64]
T = TypeVar("T")

PAIRS = 20_000
"""Pairs drawn for D_e: its standard error is then below 0.004 for distances in [0, 1]."""


def alpha_by_distance(
    units: Sequence[Hashable],
    values: Sequence[T],
    distance: Callable[[T, T], float],
    *,
    resamples: int = 1_000,
    seed: int = 0,
) -> Agreement:
    """Alpha of one value a row with its 95% bootstrap interval over units; undefined, with the reason, as `alpha` is.

    `distance`: symmetric, 0 for equal values. One person's several answers on a unit must have been resolved before.
    """
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, unit in enumerate(units):
        rows[unit].append(row)
    several = [each for each in rows.values() if len(each) > 1]
    dropped = len(rows) - len(several)
    kept = np.array([row for each in several for row in each], dtype=np.int64)
    unit_N = np.repeat(np.arange(len(several)), [len(each) for each in several])

    def told(value: float | None, reason: str, low: float | None = None, high: float | None = None) -> Agreement:
        return Agreement(value, low, high, reason, same, len(several), dropped, len(kept), "distance")

    same: float | None = None
    if not several:
        return told(None, "no unit was answered by two people")
    pairs = [(one, two) for each in several for one, two in combinations(each, 2)]
    within = np.array([distance(values[one], values[two]) for one, two in pairs])
    same = float((within == 0).mean())
    if len(several) == 1:
        return told(None, "only one unit was answered by two people; alpha needs several units")
    generator = np.random.default_rng(seed)
    first, second = _across(len(kept), generator)
    across = np.array([distance(values[kept[i]], values[kept[j]]) for i, j in zip(first, second, strict=True)])
    if not across.any():
        return told(None, "all answers are equal, so nothing shows that people could have disagreed")
    size_U = np.bincount(unit_N).astype(np.float64)
    pair_unit = np.repeat(np.arange(len(several)), (size_U * (size_U - 1) / 2).astype(np.int64))
    observed_U = 2 * np.bincount(pair_unit, within) / (size_U - 1)

    def alphas(weight_RU: Floats) -> Floats:
        weight_RP = weight_RU[:, unit_N[first]] * weight_RU[:, unit_N[second]]
        expected_R = weight_RP @ across / np.maximum(weight_RP.sum(axis=1), 1e-12)
        observed_R = weight_RU @ observed_U / (weight_RU @ size_U)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected_R > 0, 1 - observed_R / expected_R, np.nan)

    value = float(alphas(np.ones((1, len(several))))[0])
    if not resamples:
        return told(value, "")
    drawn: list[Floats] = []
    for _ in range(0, resamples, 50):
        picked = generator.integers(len(several), size=(50, len(several)))
        weight_RU = np.stack([np.bincount(row, minlength=len(several)) for row in picked]).astype(np.float64)
        drawn.append(alphas(weight_RU))
    known = np.concatenate(drawn)
    low, high = np.quantile(known[~np.isnan(known)], (0.025, 0.975))
    return told(value, "", float(low), float(high))


def _across(n: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of different answers: all of them where they are few, else drawn at random."""
    if n * (n - 1) // 2 <= PAIRS:
        first, second = np.triu_indices(n, 1)
        return first.astype(np.int64), second.astype(np.int64)
    first = generator.integers(n, size=PAIRS)
    return first, (first + generator.integers(1, n, size=PAIRS)) % n
