"""How long an item takes and how much is left: what a person wants to know before they begin, and in between."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from burnish.studio.assign import Work
from burnish.studio.context import Studio
from burnish.studio.session import Person

FEWEST = 3
"""Answers from which a median is told: below that, one long pause would be the figure."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is left of a study for one person."""

    left: int
    """Items of work; practice is not counted."""
    seconds: float | None
    """Median of an item: the person's own, else everybody's; None while too few were answered."""
    is_own: bool

    @property
    def seconds_left(self) -> float | None:
        return None if self.seconds is None else self.seconds * self.left


def pace(studio: Studio, who: Person, work: Work) -> Pace:
    """Return how a person's work in a study will go on, judging by their latest answers, else by everybody's."""
    left = max(0, work.total - work.done)
    own = studio.store.assignments.recent_seconds(work.study_id, who.name) if work.done else []
    if len(own) >= FEWEST:
        return Pace(left, median(own), is_own=True)
    of_all = studio.store.assignments.recent_seconds(work.study_id) if left else []
    return Pace(left, median(of_all) if len(of_all) >= FEWEST else None, is_own=False)


def rough(seconds: float) -> tuple[str, int]:
    """Return a duration as one says it: the unit (seconds, minutes, hours) and how many, rounded as one would."""
    if seconds < 90:
        return "seconds", max(5, 5 * round(seconds / 5)) if seconds > 10 else max(1, round(seconds))
    if seconds < 90 * 60:
        return "minutes", round(seconds / 60)
    return "hours", round(seconds / 3600)
