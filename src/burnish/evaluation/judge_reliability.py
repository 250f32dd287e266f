"""How far a judge's probabilities can be believed, on items that people answered too, and what follows for all others.

A judge says of each item how likely the answer is yes: that a text is good, that the first of a pair is the better one.
People's answer to the same item is their majority, 0 or 1. Against it stand:

    Brier score             mean of (told - people)^2: 0 is perfect, 0.25 is "one half" always
    sensitivity             of what people say yes to, the share that it says yes to (told > 1/2)
    specificity             of what people say no to, the share that it says no to
    reliability             of the items it told about 30%, the share that people say yes to
    recalibration           sigmoid(slope * logit(told) + offset): slope < 1 was too sure, offset != 0 leaned one way

The recalibrated Brier score is cross-fitted: no item is recalibrated by itself. A grade's place on its scale is no
probability; recalibration makes one of it. Sources: Brier 1950; Platt 1999 (`burnish.maths.corrected`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.evaluation.resampling import Floats, multiplicities, percentile_interval
from burnish.maths.corrected import Recalibration, recalibrate
from burnish.maths.intervals import bootstrap_mean, wilson
from burnish.records import Interval

RESAMPLES = 2_000
REFITS = 300
"""Resamples of a rate, each with a recalibration of its own: enough for bounds to two digits."""
FOLDS = 5
BINS = 5
SUREST = 0.99
"""Beyond it probabilities are taken for it when recalibrated: the end of a scale is no certainty, and one error there
would otherwise outweigh all other items."""
LEAST = 20
"""Items of people below which nothing is fitted to them."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Items that a judge told about the same probability."""

    told: float
    """Mean of what it told."""
    people: Interval
    """Share that people say yes to."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a judge's probabilities are worth; what too few items cannot tell is None."""

    n: int
    """Items that both answered, those left out on which people are even."""
    brier: Interval | None
    brier_of_share: float
    """Of telling people's overall share every time: a judge above it tells less than nothing."""
    sensitivity: Interval | None
    specificity: Interval | None
    bins: tuple[Bin, ...] = ()
    recalibration: Recalibration | None = None
    brier_recalibrated: Interval | None = None
    rate: Interval | None = None
    """Share of all judged items that people would say yes to, by recalibrated probabilities; holds both samplings."""
    rate_told: float | None = None
    """The mean of what the judge told of the same."""


def reliability(
    told: ArrayLike, people: ArrayLike, units: Sequence[Hashable], alone: ArrayLike | None = None, *, seed: int = 0
) -> Reliability | None:
    """Return what a judge's probabilities are worth, None where people answered nothing.

    `told`: shape (N,), in [0, 1]; `people`: 0 or 1 for the same items; `units`: what each item is resampled with.
    `alone`: what it told of items that people did not answer; None where a share of yes means nothing, as of pairs,
    whose first is whichever was.
    """
    told_N, people_N = np.asarray(told, dtype=np.float64), np.asarray(people, dtype=np.float64)
    if not len(told_N):
        return None
    unit_N = np.unique(np.array([str(unit) for unit in units]), return_inverse=True)[1]
    yes_N, says_N = people_N == 1, told_N > 0.5
    share = float(people_N.mean())
    sure_N = _inside(told_N)
    fitted = recalibrate(sure_N, people_N) if len(told_N) >= LEAST and 0 < share < 1 else None
    rate = rate_told = None
    if fitted is not None and alone is not None:
        alone_M = np.asarray(alone, dtype=np.float64)
        rate_told = float(np.concatenate([told_N, alone_M]).mean())
        rate = _rate(sure_N, people_N, unit_N, _inside(alone_M), fitted, seed)
    return Reliability(
        n=len(told_N),
        brier=_mean((told_N - people_N) ** 2, unit_N, seed),
        brier_of_share=share * (1 - share),
        sensitivity=_share(says_N[yes_N], unit_N[yes_N], seed),
        specificity=_share(~says_N[~yes_N], unit_N[~yes_N], seed),
        bins=_bins(told_N, people_N, unit_N, seed),
        recalibration=fitted,
        brier_recalibrated=_mean((_held_out(sure_N, people_N, unit_N) - people_N) ** 2, unit_N, seed)
        if fitted
        else None,
        rate=rate,
        rate_told=rate_told,
    )


def _inside(told_N: Floats) -> Floats:
    return np.clip(told_N, 1 - SUREST, SUREST)


def _bins(told_N: Floats, people_N: Floats, unit_N: NDArray[np.int64], seed: int) -> tuple[Bin, ...]:
    """Return bins of about equally many items, equal probabilities together."""
    edges = np.unique(np.quantile(told_N, np.linspace(0, 1, BINS + 1)))
    bin_N = np.clip(np.searchsorted(edges, told_N, side="right") - 1, 0, max(0, len(edges) - 2))
    found = []
    for which in np.unique(bin_N).tolist():
        mine = bin_N == which
        said = _share(people_N[mine] == 1, unit_N[mine], seed)
        assert said is not None, "a bin is of items"
        found.append(Bin(float(told_N[mine].mean()), said))
    return tuple(found)


def _held_out(told_N: Floats, people_N: Floats, unit_N: NDArray[np.int64]) -> Floats:
    """Return each item's recalibrated probability, fitted without its own fifth of the units."""
    found_N = np.empty_like(told_N)
    for fold in range(FOLDS):
        mine = unit_N % FOLDS == fold
        if mine.any():
            found_N[mine] = recalibrate(told_N[~mine], people_N[~mine])(told_N[mine])
    return found_N


def _rate(
    told_N: Floats, people_N: Floats, unit_N: NDArray[np.int64], alone_M: Floats, fitted: Recalibration, seed: int
) -> Interval | None:
    """Return the mean recalibrated probability over all judged items.

    Every draw resamples people's items, by unit, fits anew, and resamples what is judged.
    """
    draw = np.random.default_rng(seed)
    units = int(unit_N.max()) + 1
    draws = np.empty(REFITS)
    for place, weights_U in enumerate(multiplicities(units, REFITS, draw)):
        mine = np.repeat(np.arange(len(told_N)), weights_U[unit_N].astype(np.int64))
        others = draw.integers(0, len(alone_M), size=len(alone_M)) if len(alone_M) else np.zeros(0, dtype=np.int64)
        again = recalibrate(told_N[mine], people_N[mine])
        draws[place] = again(np.concatenate([told_N[mine], alone_M[others]])).mean()
    mean = float(fitted(np.concatenate([told_N, alone_M])).mean())
    return percentile_interval(mean, draws, units + len(alone_M))


def _share(hits: NDArray[np.bool_], unit_N: NDArray[np.int64], seed: int) -> Interval | None:
    """Return a share of hits; by Wilson where no two items share a unit, because he knows that 9 of 9 are not all."""
    if not len(hits):
        return None
    clusters = len(np.unique(unit_N))
    if 1 < clusters < len(hits):
        return bootstrap_mean(hits.astype(np.float64), unit_N, n=RESAMPLES, seed=seed)
    return wilson(int(hits.sum()), len(hits))


def _mean(values_N: Floats, unit_N: NDArray[np.int64], seed: int) -> Interval | None:
    return bootstrap_mean(values_N, unit_N, n=RESAMPLES, seed=seed) if len(np.unique(unit_N)) > 1 else None
