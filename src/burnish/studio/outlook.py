"""How far a study has yet to go: answers that are missing, until when, what they cost; computed in `feedback`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from burnish.feedback.answers import answers_of, is_opinion
from burnish.feedback.forecast import LOOK_BACK, Forecast, forecast
from burnish.feedback.pay import Cost, cost, rate_of, seconds_an_item
from burnish.store import Entry
from burnish.studio.assign import study_of
from burnish.studio.context import Studio


@dataclass(frozen=True, slots=True)
class Outlook:
    """What lies ahead of a study."""

    left: int
    """Answers that are missing: people times items."""
    is_open: bool
    """Whether answers may come at all now."""
    at: datetime
    forecast: Forecast | None
    pay: str
    """What the study states that is paid; empty where it states nothing."""
    cost: Cost | None
    """None where nothing is paid, or by the hour and no time was measured."""


def outlook(studio: Studio, name: str, entries: Sequence[Entry]) -> Outlook | None:
    """Return what lies ahead, the time an answer takes told from `entries`; None for a study of another store."""
    row = studio.store.studies.get(name)
    if row is None:
        return None
    now, pay = datetime.now(UTC), study_of(studio, row).pay
    by_hour, left = studio.store.assignments.pace(name, int((now - LOOK_BACK).timestamp() * 1000))
    said = (answer for entry in entries for answer in answers_of(entry) if is_opinion(answer)) if pay else ()
    paid = cost(rate_of(pay), row.answers, left, seconds_an_item(list(said))) if pay else None
    return Outlook(left, row.state == "open", now, forecast(by_hour, left, now), pay, paid)
