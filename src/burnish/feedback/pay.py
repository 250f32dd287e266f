"""What answers cost: an amount for each, or for each hour of work, in whatever currency."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import InputError
from burnish.feedback.answers import Answer
from burnish.maths.intervals import bootstrap_mean
from burnish.records import Interval

RESAMPLES = 2_000
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) (\S{1,12}) per (answer|hour)")


@dataclass(frozen=True, slots=True)
class Rate:
    """What is paid."""

    amount: float
    currency: str
    """As it was written: nothing is converted."""
    is_hourly: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """Amounts in the rate's currency; intervals have a width where the time that answers take was measured."""

    currency: str
    so_far: Interval
    to_come: Interval


def rate_of(text: str) -> Rate:
    """Return what a text such as `0.12 EUR per answer` or `15 USD per hour` says. Raises InputError for another."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise InputError(f"pay: {text!r} is no rate. Write `0.12 EUR per answer`, or `15 USD per hour`.")
    return Rate(float(found[1]), found[2], found[3] == "hour")


def cost(rate: Rate, answered: int, left: int, seconds: Interval | None) -> Cost | None:
    """Return what so many items, answered by a person each, have cost and those that are left will cost.

    seconds: that an item takes; None where it was not measured, then a rate by the hour tells nothing.
    """
    if not rate.is_hourly:
        return Cost(rate.currency, *(_exactly(rate.amount * count) for count in (answered, left)))
    if seconds is None:
        return None
    return Cost(rate.currency, *(_times(count, rate.amount / 3600, seconds) for count in (answered, left)))


def seconds_an_item(answers: Sequence[Answer], *, seed: int = 0) -> Interval | None:
    """Return the mean time a person took for an item, with its interval over people; None where none was measured.

    Every answer to an item carries the time of the whole item, so each counts once.
    """
    told = {}
    for answer in answers:
        said = answer.feedback
        if said.seconds_spent is not None:
            told[said.author.id, said.prompt_id, said.metadata.get("item", said.completion_ids)] = said.seconds_spent
    people = [who for who, _, _ in told]
    clusters = people if len(set(people)) > 1 else None
    return bootstrap_mean(list(told.values()), clusters, n=RESAMPLES, seed=seed) if len(told) > 1 else None


def _times(count: int, a_second: float, seconds: Interval) -> Interval:
    each = count * a_second
    return Interval(each * seconds.mean, each * seconds.low, each * seconds.high, seconds.n)


def _exactly(amount: float) -> Interval:
    return Interval(amount, amount, amount, n=1)
