"""Bootstrap over independent units (prompts, texts) for statistics that are not plain means.

A unit drawn twice counts twice, so one resample is a row of multiplicities, and every statistic that follows from
weighted sums (a ratio, a perplexity, a correlation) is computed for all resamples by one matrix product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.errors import InputError
from burnish.records import Interval

Floats = NDArray[np.float64]

RESAMPLES = 10_000  # Monte Carlo error of a 95% bound is then about 2% of the interval's width


def multiplicities(units: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each unit is drawn in each resample: shape (resamples, units), rows sum to `units`."""
    if units < 1:
        raise InputError("evaluation: there is nothing to resample. Give at least one prompt or text.")
    drawn = rng.integers(0, units, size=(resamples, units), dtype=np.int32)
    drawn += (np.arange(resamples, dtype=np.int32) * units)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * units).reshape(resamples, units).astype(np.float64)


def percentile_interval(estimate: float, draws: Floats, n: int) -> Interval | None:
    """The estimate with the middle 95% of its finite bootstrap draws; None when it is not measured or n < 2.

    One unit resamples to itself: the interval would have no width and would always exclude zero.
    """
    finite = draws[np.isfinite(draws)]
    if n < 2 or not np.isfinite(estimate) or finite.size == 0:
        return None
    low, high = np.quantile(finite, (0.025, 0.975))
    return Interval(mean=float(estimate), low=float(low), high=float(high), n=n)
