"""Numbers as a reader wants them: few digits, true minus signs, thousands apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

MINUS = "\u2212"
NONE = "\u2013"
SHARES = frozenset({"distinct_2", "repetition", "on_topic", "truncated", "win_rate"})
"""Measures that are shares of 1 and are shown as percentages."""


_DECIMALS = {"gold": 2, "proxy": 2, "asked_rated_correlation": 2, "length": 1, "perplexity": 1, "kl_nats": 1}


def number(value: float | None, digits: int | None = None, *, signed: bool = False) -> str:
    """Return a number with three significant digits, or with `digits` decimals; a dash for None."""
    if value is None:
        return NONE
    places = _places(value) if digits is None else digits
    text = f"{abs(value):,.{places}f}"
    if not any(digit in "123456789" for digit in text):
        return text  # no sign on what is shown as zero
    return (MINUS if value < 0 else "+" if signed else "") + text


def short(value: float) -> str:
    """Return a signed number with no more decimals than it needs, at most two."""
    text = number(value, 2, signed=True)
    return text.rstrip("0").rstrip(".") or "0"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a share as a percentage; a dash for None."""
    return NONE if value is None else f"{number(100 * value, digits, signed=signed)}%"


def measure(key: str, value: float | None) -> str:
    """Return a measure's value in the form its name calls for."""
    if key in SHARES:
        return percent(value)
    return number(value, _DECIMALS.get(key))


def change(key: str, value: float | None) -> str:
    """Return a difference, signed; differences of shares are in percentage points."""
    if key in SHARES:
        return NONE if value is None else f"{number(100 * value, 1, signed=True)} pts"
    return number(value, _DECIMALS.get(key), signed=True)


def interval(key: str, bounds: Sequence[float] | None, *, signed: bool = True) -> str:
    """Return "low to high"; differences are signed."""
    if bounds is None:
        return NONE
    low, high = (change(key, each) if signed else measure(key, each) for each in bounds)
    return f"{low} to {high}"


def _places(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    return min(4, max(0, 2 - math.floor(math.log10(abs(value)))))
