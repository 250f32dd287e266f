"""Typed reading of one field of a row: the value, or an error that names field, value, expectation and remedy.

A row is one JSON object a person brought. JSON's types are taken at their word: `true` is no number, `"4"` is no
number, and nothing that is not finite gets through. Fields that are null count as absent, because tables written out
as JSON fill every empty cell with null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from burnish.errors import InputError

Row: TypeAlias = Mapping[str, Any]

LONGEST_NAME = 256
"""Characters in an id, an author, an aspect or a run: what the store takes."""
CLOCK_SKEW = timedelta(seconds=120)  # two machines' clocks differ; a time further ahead is a mistake
_LARGEST = 2**53  # beyond it a float no longer tells neighbouring integers apart
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def wrong(field: str, value: object, expected: str, remedy: str = "") -> InputError:
    """Return the error for a value that is not what was expected; long values are shortened."""
    return InputError(f"{field}: {shown(value)} is not {expected}.{' ' + remedy if remedy else ''}")


def shown(value: object) -> str:
    """Return a value as JSON writes it, short enough for one line of output."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer too long to print, a value nested too deep
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def present(row: Row, field: str) -> bool:
    return row.get(field) is not None


def needed(row: Row, field: str, kind: str) -> Any:
    """Return the field's value; raises InputError where it is absent or null."""
    if not present(row, field):
        raise InputError(f"{field}: missing, but a {kind} needs it. Add {field!r} to the object.")
    return row[field]


def text(value: object, field: str) -> str:
    """Return a text that says something. Which characters may stand in it, the reader and the store decide."""
    given = characters(value, field)
    if not given or given.isspace():
        raise InputError(f"{field}: empty. Leave the object out, or give the text.")
    return given


def characters(value: object, field: str) -> str:
    """Return a text; it may be empty."""
    if not isinstance(value, str):
        raise wrong(field, value, "text", "Put it in quotes.")
    return value


def name(value: object, field: str) -> str:
    """Return a short identifying text: an id, an author, a model, an aspect."""
    given = text(value, field)
    if len(given) > LONGEST_NAME:
        raise InputError(f"{field}: {len(given):,} characters, at most {LONGEST_NAME} are allowed. Shorten it.")
    return given


def number(value: object, field: str) -> int | float:
    """Return a finite number, whole ones as int, so that 4 and 4.0 are one content."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "Remove the quotes." if isinstance(value, str) else "Write a number such as 4 or 3.5."
        raise wrong(field, value, "a number", hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(field, value, "a finite number", "Leave the object out when it was not answered.")
    if abs(value) > _LARGEST:
        raise InputError(f"{field}: beyond 2^53, where numbers are no longer exact. Use a smaller scale.")
    return int(value) if value == int(value) else value


def whole(value: object, field: str, low: int, high: int) -> int:
    """Return a whole number from low to high."""
    given = number(value, field)
    if isinstance(given, float) or not low <= given <= high:
        raise wrong(field, value, f"a whole number from {low} to {high}")
    return given


def claim(value: object, field: str) -> bool:
    """Return true or false; 0, 1 and "true" are not taken for them."""
    if not isinstance(value, bool):
        raise wrong(field, value, "true or false", "Write it without quotes, not as 0 or 1.")
    return value


def one_of(value: object, field: str, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise wrong(field, value, f"one of {', '.join(choices)}")
    return value


def items(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong(field, value, "a list", "Put it in [ ].")
    return value


def mapping(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(field, value, "an object", 'Write {"name": value}.')
    return value


def moment(value: object, field: str) -> str:
    """Return an RFC 3339 time in UTC; raises InputError when it lies in the future.

    A time that is UTC already stays as it is written, so that a record keeps its content on its way out and in.
    """
    expected = "an RFC 3339 time such as 2026-01-31T12:00:00Z"
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise wrong(field, value, expected, "Leave it out when unknown.")
    try:
        given = datetime.fromisoformat(value.upper())
        when = given.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(field, value, expected, "Leave it out when unknown.") from None
    if when > datetime.now(UTC) + CLOCK_SKEW:
        raise InputError(f"{field}: {value} is in the future. Mend the clock that wrote it, or leave it out.")
    return when.isoformat().replace("+00:00", "Z") if given.utcoffset() else value
