"""The kinds of feedback: one file each, and this folder is their registry (a file's name is the kind's name).

A kind is a module with these parts; a package may bring more kinds under the entry-point group `burnish.kinds`.

    FIELDS: tuple[str, ...]              row fields that are the kind's own, completions included
    recognise(row) -> bool               whether a row without `kind` holds this kind
    parse(row) -> dict                   the value, as plain JSON; InputError with field, value, expectation, remedy
    texts(row) -> tuple[str, ...]        the completions it speaks of, in the order shown
    to_row(value, texts) -> dict         the inverse of both, for export
    summary(value) -> str                what was said, for people

and, as far as it can, what it becomes: `to_scores`, `to_preferences`, `to_demonstrations(answers, config) -> list` of
all answers of the kind, and `also(answer) -> list[Answer]`, the answers of other kinds that an answer implies,
and `gathered(current) -> list[Answer]`, the kind's answers once those of all kinds are known. Where
agreement can be measured, `opinions(answer) -> list[(unit, number)]` and `METRIC` (`burnish.maths.agreement`), or
`wording(answer) -> str`, what the author wrote, where agreement is how alike several people's texts are.
A text that the author of an answer wrote stands in its value under `correction`: there it is found when it is erased.
Rows come here with their conversations read (`burnish.feedback.conversations`): completions are plain texts.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from burnish.errors import InputError, nearest

GROUP = "burnish.kinds"


class Kind(Protocol):
    """What every module of a kind has; the conversions are looked up by name where they are used."""

    FIELDS: tuple[str, ...]

    def recognise(self, row: Mapping[str, Any]) -> bool: ...
    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]: ...
    def texts(self, row: Mapping[str, Any]) -> tuple[str, ...]: ...
    def to_row(self, value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]: ...
    def summary(self, value: Mapping[str, Any]) -> str: ...


@functools.cache
def names() -> tuple[str, ...]:
    """Names of all kinds, in alphabetical order."""
    own = {module.name for module in pkgutil.iter_modules(__path__)}
    return tuple(sorted(own | set(_outside())))


@functools.cache
def load(name: str) -> Kind:
    """The module of a kind. Raises InputError for an unknown name, with the nearest known one."""
    if name not in names():
        raise InputError(f"kind: {name!r} is unknown.{nearest(name, names())}")
    outside = _outside().get(name)
    module = outside.load() if outside else importlib.import_module(f"{__name__}.{name}")
    return cast(Kind, module)


@functools.cache
def _outside() -> dict[str, EntryPoint]:
    """Kinds that other packages bring; raises InputError where one takes a name of ours."""
    own = {module.name for module in pkgutil.iter_modules(__path__)}
    found = {point.name: point for point in entry_points(group=GROUP)}
    if taken := sorted(own & set(found)):
        raise InputError(
            f"kind: {found[taken[0]].value} brings {taken[0]!r}, which burnish has. Rename that entry point."
        )
    return found
