"""What a rule finds, and one answer out of many: where findings overlap, whatever any of them covers is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

TYPES = (
    "KEY", "EMAIL", "IBAN", "CARD", "NATIONAL_ID", "WALLET", "IP", "MAC", "PASSPORT", "ACCOUNT", "BIRTH_DATE", "HANDLE",
    "PHONE", "PLATE", "LOCATION", "ADDRESS", "NAME",
)  # fmt: skip
"""Kinds of personal data, the surest first: of two findings in one place, the first names it."""

_RANK = {name: rank for rank, name in enumerate(TYPES)}


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data in a text: characters `start` to `end`."""

    start: int
    end: int
    type: str
    """One of `TYPES`, or an engine's own in capitals."""


Finder: TypeAlias = Callable[[str], Iterable[Finding]]
"""A rule, or an engine of another package: a text in, findings out."""


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order, none overlapping: those that did are one, as wide as all of them, named by the surest."""
    made: list[Finding] = []
    for each in sorted(findings, key=lambda one: (one.start, one.end)):
        if made and each.start < made[-1].end:
            last = made[-1]
            surest = min(last, each, key=lambda one: _RANK.get(one.type, len(TYPES)))
            made[-1] = Finding(last.start, max(last.end, each.end), surest.type)
        else:
            made.append(each)
    return made


def outside(findings: Iterable[Finding], kept: Iterable[tuple[int, int]]) -> Iterator[Finding]:
    """Findings that touch none of the kept parts."""
    parts = list(kept)
    for each in findings:
        if all(each.end <= start or end <= each.start for start, end in parts):
            yield each
