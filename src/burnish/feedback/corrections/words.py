"""Texts as pieces: words, Chinese characters, marks and spaces, with their places, so that nothing is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # kana and Chinese: no spaces between words
_PIECE = re.compile(
    rf"(?P<space>\s+)|[{_UNSPACED}]|\d+(?:[.,:]\d+)*|[^\W\d{_UNSPACED}]+(?:['\u2019\-][^\W\d{_UNSPACED}]+)*|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, a Chinese character, a mark or a run of space."""

    text: str
    start: int
    end: int
    is_space: bool


def pieces(text: str) -> list[Piece]:
    """All of a text in pieces, in order: joined, they are the text.

    A number is one piece with its points and colons (3.5, 10:30); a word keeps its apostrophes and hyphens (isn't);
    Chinese and kana are one piece a character, because finding words there takes a dictionary, and being wrong about
    them would misplace a change.
    """
    return [Piece(match[0], match.start(), match.end(), match.lastgroup == "space") for match in _PIECE.finditer(text)]


def word_count(text: str) -> int:
    """How many pieces of a text are no space."""
    return sum(not piece.is_space for piece in pieces(text))


def shared_ends(one: list[Piece], other: list[Piece]) -> tuple[int, int]:
    """How many pieces two texts share at their start, and at their end beyond that."""
    limit = min(len(one), len(other))
    start = 0
    while start < limit and one[start].text == other[start].text:
        start += 1
    end = 0
    while end < limit - start and one[-1 - end].text == other[-1 - end].text:
        end += 1
    return start, end
