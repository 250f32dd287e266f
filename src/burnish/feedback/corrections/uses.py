"""What can be learned from an alignment: spans, weights of tokens, a graded reward, and chains of versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from burnish.feedback.corrections.alignment import Alignment, Edit, Operation, align
from burnish.models.spans import Offsets, spread
from burnish.records import Span

Embed: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Texts to vectors, such as a sentence encoder's."""
Side: TypeAlias = Literal["original", "corrected"]


@dataclass(frozen=True, slots=True)
class Grade:
    """How near a text was to what its corrector wanted."""

    value: float
    """0 to 1: the mean of the parts that are known."""
    by_words: float
    """1 - the share of words that had to be changed."""
    by_meaning: float | None
    """Cosine of the two texts' vectors, not below 0; None without an encoder."""


def marks(alignment: Alignment, side: Side = "original") -> tuple[Span, ...]:
    """The changed parts of one of the two texts: what was wrong in the original, what is better in the corrected.

    The label is the operation, the note what stands there in the other text, the severity -1 in the original and 1 in
    the corrected. What was inserted has no place in the original and what was deleted none in the corrected text.
    """
    made = []
    for edit in alignment.changes:
        start, end = _place(edit, side)
        other = alignment.corrected[edit.new_start : edit.new_end]
        if side == "corrected":
            other = alignment.original[edit.start : edit.end]
        if start < end:
            severity = -1.0 if side == "original" else 1.0
            made.append(Span(start, end, edit.operation.value, severity, "" if _is_move(edit) else other))
    return tuple(sorted(made, key=lambda span: (span.start, span.end)))


def token_weights(
    alignment: Alignment, offsets: Offsets, side: Side, *, changed: float = 1.0, kept: float = 0.1
) -> list[float]:
    """The weight of each token of one of the two texts: `changed` for a token of a changed word, `kept` for others.

    `offsets`: characters of each token (`burnish.models.spans`). A token that holds both counts as changed. The kept
    words do not weigh nothing: a model that may say anything there would drift. On the original's side the weights say
    which tokens to blame, on the corrected side which to imitate.
    """
    touched = spread([Span(*_place(edit, side)) for edit in alignment.changes], offsets, how="touch")
    return [changed if each else kept for each in touched]


def graded(original: str, corrected: str, *, embed: Embed | None = None) -> Grade:
    """How near the original was to the corrected text: by the words that stayed, and with an encoder by meaning too.

    A corrected text that says the same in other words is far by words and near by meaning; a "not" that was missing is
    near by both, which no distance mends: spans and preferences carry it.
    """
    by_words = 1 - align(original, corrected).share
    if embed is None:
        return Grade(by_words, by_words, None)
    one, other = embed([original, corrected])
    by_meaning = max(0.0, _cosine(one, other))
    return Grade((by_words + by_meaning) / 2, by_words, by_meaning)


def steps(alignment: Alignment) -> list[str]:
    """The correction as a chain of texts from the original to the corrected one, one change at a time, left to right.

    Each neighbouring pair differs in one place, which tells a model what mattered where a whole rewrite does not
    (span-level chains: CH-Wang et al. 2025, arXiv 2512.23693). A moved block leaves and arrives in one.
    The texts between are nobody's own words: use them to train, never as what a person wrote.
    """
    parts = sorted(_parts(alignment), key=lambda part: (part.start, part.end, part.new_start))
    chain = [alignment.original]
    for done in range(1, len(alignment.changes) + 1):
        text, at = [], 0
        for part in parts:
            old = alignment.original[part.start : part.end]
            text += [alignment.original[at : part.start], part.new if part.change < done else old]
            at = part.end
        chain.append("".join(text) + alignment.original[at:])
    return [text for number, text in enumerate(chain) if number == 0 or text != chain[number - 1]]


def adjacent(texts: Sequence[str]) -> list[tuple[str, str]]:
    """(better, worse) of each neighbouring pair of a chain of versions, later ones better; equal neighbours give none.

    Only neighbours: that the third version beats the first follows, and would count one decision twice.
    """
    return [(later, earlier) for earlier, later in pairwise(texts) if later != earlier]


@dataclass(frozen=True, slots=True)
class _Part:
    """A place of the original that a change touches; a move touches two, where it leaves and where it arrives."""

    change: int
    start: int
    end: int
    new_start: int
    """Its place in the corrected text, which orders what arrives at one place."""
    new: str
    """What stands there afterwards."""


def _parts(alignment: Alignment) -> Iterator[_Part]:
    changes = alignment.changes
    of_words = [number for number, edit in enumerate(changes) if edit.cost]
    for place, edit in enumerate(changes):
        # a space that came or went belongs to the word beside it: without it two words would be one for a step
        number = place if edit.cost or not of_words else min(of_words, key=lambda other: _apart(edit, changes[other]))
        new = alignment.corrected[edit.new_start : edit.new_end]
        if _is_move(edit):
            at = _arrival(alignment, edit)
            yield _Part(number, edit.start, edit.end, edit.new_start, "")
            yield _Part(number, at, at, edit.new_start, new)
        else:
            yield _Part(number, edit.start, edit.end, edit.new_start, new)


def _apart(one: Edit, other: Edit) -> int:
    """Characters between two edits, in the text in which they are nearer."""
    old = max(one.start - other.end, other.start - one.end)
    new = max(one.new_start - other.new_end, other.new_start - one.new_end)
    return max(0, min(old, new))


def _arrival(alignment: Alignment, move: Edit) -> int:
    """The place in the original before which a moved block arrives: the end of what stands before it now."""
    before = [edit for edit in alignment.edits if not _is_move(edit) and edit.new_end <= move.new_start]
    return max((edit.end for edit in before), default=0)


def _place(edit: Edit, side: Side) -> tuple[int, int]:
    return (edit.start, edit.end) if side == "original" else (edit.new_start, edit.new_end)


def _is_move(edit: Edit) -> bool:
    return edit.operation is Operation.MOVE


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    size = math.hypot(*one) * math.hypot(*other)
    return dot / size if size else 0.0
