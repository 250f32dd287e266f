"""When the answers that are still missing will be there, if people go on as in the last days.

The pace is the mean of the last steps of time, quiet ones included: days, or hours while there are fewer than three
days to look back on. What is not known of it has two parts: that few steps were seen, which resampling them shows, and
that further ones will differ too, by as much as these did, less the more of them there are. No trend and no week-end is
assumed; two whole weeks hold each day of the week twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

LOOK_BACK = timedelta(days=14)
LEAST_STEPS = 3
"""Steps below which nothing is foretold."""
RESAMPLES = 4_000
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many more steps of time it takes."""

    step: timedelta
    """A day, or an hour where few days were seen."""
    seen: int
    """Steps looked back on."""
    per_step: float
    """Answers in one of them, on average."""
    steps: float
    """Until the last missing answer, at this pace."""
    low: float
    """95% interval of that."""
    high: float | None
    """None where the pace varies so much that no end can be told."""


def forecast(by_hour: Mapping[int, int], left: int, now: datetime, *, seed: int = 0) -> Forecast | None:
    """Return how long `left` answers take; None where nobody answered lately, or too short a time ago to tell.

    by_hour: answers by hour, counted from 1970. Hours before `LOOK_BACK` and after `now` are passed over.
    """
    this = int(now.timestamp() // 3600)
    back = {this - hour: count for hour, count in by_hour.items() if count}
    back = {ago: count for ago, count in back.items() if 0 <= ago < LOOK_BACK // HOUR}
    if not back or left < 1:
        return None
    hours = max(back) + 1
    size = DAY // HOUR if hours >= LEAST_STEPS * (DAY // HOUR) else 1
    seen = hours // size  # whole steps that end now: half a day would look like a slow one
    if seen < LEAST_STEPS:
        return None
    counts_N = np.zeros(seen)
    for ago, count in back.items():
        if ago // size < seen:
            counts_N[ago // size] += count
    pace = float(counts_N.mean())
    if not pace:
        return None
    low, high = _range(counts_N, left, seed)
    return Forecast(size * HOUR, seen, pace, left / pace, low, high)


def _range(counts_N: np.ndarray[tuple[int], np.dtype[np.float64]], left: int, seed: int) -> tuple[float, float | None]:
    """Return the 2.5% and 97.5% quantiles of the steps needed, the upper one None where it has no end."""
    draw = np.random.default_rng(seed)
    seen = draw.choice(counts_N, size=(RESAMPLES, len(counts_N))).mean(axis=1)
    ahead = max(1.0, left / counts_N.mean())
    further = counts_N.std(ddof=1) / np.sqrt(ahead) * draw.standard_normal(RESAMPLES)
    pace = seen + further
    steps = np.sort(np.where(pace > 0, left / np.maximum(pace, 1e-9), np.inf))
    low, high = (float(steps[round(share * (RESAMPLES - 1))]) for share in (0.025, 0.975))
    return low, None if np.isinf(high) else high
