"""How feedback came in over time, and whether people agree more or less than they did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from burnish.feedback.answers import Answer
from burnish.feedback.overview import agreement_on
from burnish.maths.agreement import Agreement

LEAST_UNITS = 20
"""Items that several people answered, in each period: alpha of fewer is hardly known."""
MOST_PERIODS = 8
MOST_STEPS = 40
"""Bars of a picture of the pace."""
_STEPS = tuple(timedelta(minutes=each) for each in (1, 10, 60, 6 * 60, 24 * 60, 7 * 24 * 60, 28 * 24 * 60))


@dataclass(frozen=True, slots=True)
class Pace:
    """How many answers came in each step of time, quiet steps included."""

    step: timedelta
    starts: tuple[datetime, ...]
    answers: tuple[int, ...]
    undated: int
    """Answers without a time."""

    @property
    def total(self) -> int:
        return sum(self.answers)


@dataclass(frozen=True, slots=True)
class Period:
    """Agreement on the items whose last answer came between two moments."""

    start: datetime
    end: datetime
    agreement: Agreement


def pace(answers: Sequence[Answer]) -> Pace | None:
    """Return the counts in the finest steps that need at most `MOST_STEPS` bars; None where no answer has a time."""
    times = sorted(when for answer in answers if (when := moment(answer)))
    if not times:
        return None
    span = times[-1] - times[0]
    step = next((each for each in _STEPS if span / each < MOST_STEPS - 1), _STEPS[-1])
    first = _floor(times[0], step)
    counts = Counter((when - first) // step for when in times)
    numbers = range(max(counts) + 1)[-MOST_STEPS:]
    starts = tuple(first + number * step for number in numbers)
    return Pace(step, starts, tuple(counts[number] for number in numbers), len(answers) - len(times))


def agreement_over_time(kind: str, answers: Sequence[Answer], *, resamples: int = 400) -> list[Period]:
    """Return alpha of one kind in periods of equally many items, the oldest first; empty below two periods.

    An item belongs to the period in which its last answer came, so that all its answers are compared at once.
    """
    by_item: dict[Hashable, list[tuple[datetime, Answer]]] = defaultdict(list)
    for answer in answers:
        if when := moment(answer):
            said = answer.feedback
            by_item[said.prompt_id, tuple(sorted(said.completion_ids)), said.aspect].append((when, answer))
    several = [given for given in by_item.values() if len({each.feedback.author.id for _, each in given}) > 1]
    several.sort(key=lambda given: max(when for when, _ in given))
    periods = min(MOST_PERIODS, len(several) // LEAST_UNITS)
    if periods < 2:
        return []
    bounds = [round(number * len(several) / periods) for number in range(periods + 1)]
    return [_period(kind, several[low:high], resamples) for low, high in pairwise(bounds)]


def _period(kind: str, items: Sequence[Sequence[tuple[datetime, Answer]]], resamples: int) -> Period:
    ends = [max(when for when, _ in given) for given in items]
    found = agreement_on(kind, [answer for given in items for _, answer in given], resamples=resamples)
    return Period(ends[0], ends[-1], found)


def moment(answer: Answer) -> datetime | None:
    """Return when an answer was given, None where that is unknown."""
    time = answer.feedback.time
    return datetime.fromisoformat(time).astimezone(UTC) if time else None


def _floor(when: datetime, step: timedelta) -> datetime:
    start = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return start + (when - start) // step * step if step < timedelta(days=1) else start
