"""Corrections as rows of a file: what was changed, how near the original was, how much each token counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from burnish.feedback.answers import Answer
from burnish.feedback.corrections.alignment import Alignment, align
from burnish.feedback.corrections.uses import Embed, Side, graded, token_weights
from burnish.feedback.corrections.words import pieces
from burnish.feedback.worded import last_version
from burnish.models.spans import Offsets

OffsetsOf: TypeAlias = Callable[[str], Offsets]
"""The characters of each token of a text."""
KEPT = 0.1


def words(text: str) -> list[tuple[int, int]]:
    """The characters of each word, Chinese character and mark: tokens where there is no tokenizer."""
    return [(piece.start, piece.end) for piece in pieces(text) if not piece.is_space]


def rows_of(
    corrections: Iterable[Answer], *, offsets: OffsetsOf = words, embed: Embed | None = None, kept: float = KEPT
) -> Iterator[dict[str, Any]]:
    """One row for each correction; of several versions the last is held against the completion.

    `tokens`: of both texts, as [start, end, weight], 1 for what changed and `kept` for the rest. `embed`: an encoder,
    by which the grade knows of meaning too.
    """
    for answer in corrections:
        original, corrected = answer.completions[0].text, last_version(answer.feedback.value)
        alignment = align(original, corrected)
        grade = graded(original, corrected, embed=embed)
        yield {
            "feedback_id": answer.feedback.id,
            "author": answer.feedback.author.id,
            "prompt": answer.prompt.text,
            "original": original,
            "corrected": corrected,
            "changed": alignment.distance,
            "grade": grade.value,
            "by_words": grade.by_words,
            **({} if grade.by_meaning is None else {"by_meaning": grade.by_meaning}),
            "edits": [_edit(alignment, number) for number in range(len(alignment.changes))],
            "tokens": {
                "original": _tokens(alignment, offsets(original), "original", kept),
                "corrected": _tokens(alignment, offsets(corrected), "corrected", kept),
            },
        }


def _tokens(alignment: Alignment, offsets: Offsets, side: Side, kept: float) -> list[list[float]]:
    weights = token_weights(alignment, offsets, side, kept=kept)
    return [[start, end, weight] for (start, end), weight in zip(offsets, weights, strict=True)]


def _edit(alignment: Alignment, number: int) -> dict[str, Any]:
    edit = alignment.changes[number]
    return {
        "operation": edit.operation.value,
        "start": edit.start,
        "end": edit.end,
        "old": alignment.original[edit.start : edit.end],
        "new_start": edit.new_start,
        "new_end": edit.new_end,
        "new": alignment.corrected[edit.new_start : edit.new_end],
    }
