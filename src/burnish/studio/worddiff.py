"""What differs between two texts, word by word, ready to be shown: parts of a text, each kept, taken out or put in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from burnish.feedback.corrections import Operation, align

MOST_CHARACTERS = 20_000
"""Texts that are longer together are not compared: the comparison's time grows with the square of their length."""

Change = Literal["keep", "out", "in", "moved"]


@dataclass(frozen=True, slots=True)
class Part:
    """A run of text and what became of it."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One text turned into another: both sides, both in one, and how much had to be changed."""

    old: tuple[Part, ...]
    """The original: what is kept, what was taken out, what was moved elsewhere."""
    new: tuple[Part, ...]
    """The corrected text: what was kept, what was put in, what was moved here."""
    both: tuple[Part, ...]
    """What was taken out and what was put in, each at its place in the original."""
    words: int
    """Words, Chinese characters and marks that were changed; a moved block counts 1."""
    share: float
    """The same as a share of the longer text."""


def difference(old: str, new: str) -> Difference | None:
    """Return what differs between two texts; None where they are too long to compare while somebody waits."""
    if len(old) + len(new) > MOST_CHARACTERS:
        return None
    aligned = align(old, new)
    before, after, both = [], [], []
    for edit in sorted(aligned.edits, key=lambda edit: edit.start):
        was, now = old[edit.start : edit.end], new[edit.new_start : edit.new_end]
        kept = edit.operation is Operation.KEEP
        before.append(Part("keep" if kept else _moved(edit.operation, "out"), was))
        both += [Part("keep", was)] if kept else [Part("out", was), Part("in", now)]
    for edit in sorted(aligned.edits, key=lambda edit: edit.new_start):
        kept = edit.operation is Operation.KEEP
        after.append(Part("keep" if kept else _moved(edit.operation, "in"), new[edit.new_start : edit.new_end]))
    return Difference(_said(before), _said(after), _said(both), aligned.distance, aligned.share)


def _moved(operation: Operation, otherwise: Change) -> Change:
    return "moved" if operation is Operation.MOVE else otherwise


def _said(parts: list[Part]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.text)
