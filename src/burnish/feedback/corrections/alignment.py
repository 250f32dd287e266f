"""Two texts aligned word by word: the cheapest way to turn one into the other, exactly (Wagner & Fischer 1974).

Deleting, inserting or replacing a word, a Chinese character or a mark costs 1; spaces cost next to nothing and are
aligned with spaces only. Of the cheapest ways the one that keeps most pieces is taken, so that words which changed
places stay whole and are found again as moves. A block that was moved costs 1, however long it is: the edits of the
translation edit rate (Snover et al. 2006), whose moves we look for after the alignment and not before it, which is
never cheaper than theirs and never slow.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.feedback.corrections.moves import Block, cost, moved
from burnish.feedback.corrections.words import Piece, pieces, shared_ends, word_count

Ints: TypeAlias = NDArray[np.int64]

MOST_CELLS = 8_000_000
"""Largest table, in cells of 8 bytes: 2,800 by 2,800 pieces. Larger differences are cut at words that both texts hold
once, and not always aligned in the cheapest way; where there is no such word nothing is kept."""
MOST_DEPTH = 20
"""How often what lies between such words is cut again."""

_KEEP = 1  # what keeping a piece is worth among equally cheap ways
_SPACE = 1 << 13  # more than all that a table of that size can keep
_WORD = 1 << 25  # more than all the spaces between them: words decide first, then spaces, then what is kept


class Operation(enum.Enum):
    """What became of a part of the text."""

    KEEP = "keep"
    DELETE = "delete"
    INSERT = "insert"
    REPLACE = "replace"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Edit:
    """One operation: characters `start` to `end` of the original became `new_start` to `new_end` of the corrected."""

    operation: Operation
    start: int
    end: int
    new_start: int
    new_end: int
    cost: int
    """Words, Chinese characters and marks that were changed; 1 for a move, 0 for what is kept and for spaces."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Both texts and the operations between them, in the order of the original (an insertion where it stands)."""

    original: str
    corrected: str
    edits: tuple[Edit, ...]

    @property
    def changes(self) -> tuple[Edit, ...]:
        """All but what is kept."""
        return tuple(edit for edit in self.edits if edit.operation is not Operation.KEEP)

    @property
    def distance(self) -> int:
        """Words, Chinese characters and marks that had to be changed, a moved block counting 1."""
        return sum(edit.cost for edit in self.edits)

    @property
    def share(self) -> float:
        """The distance as a share of the longer text, 0 (only spaces differ) to 1 (nothing was left)."""
        longest = max(word_count(self.original), word_count(self.corrected))
        return min(1.0, self.distance / longest) if longest else 0.0


def align(original: str, corrected: str) -> Alignment:
    """The operations that turn one text into the other; every character of both is in exactly one of them."""
    old, new = pieces(original), pieces(corrected)
    start, end = shared_ends(old, new)
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    hunks = _hunks(_kept_pairs(middle_old, middle_new), len(middle_old), len(middle_new))
    blocks = [
        Block(a + start, b + start, c + start, d + start) for a, b, c, d in _joined(hunks, middle_old, middle_new)
    ]
    return Alignment(original, corrected, tuple(_edits(blocks, old, new)))


# ----------------------------------------------------------------------------------------------------- the cheapest way


def _kept_pairs(old: Sequence[Piece], new: Sequence[Piece], depth: int = 0) -> list[tuple[int, int]]:
    """Numbers of the pieces that are kept, as pairs in ascending order."""
    if not old or not new:
        return []
    if (len(old) + 1) * (len(new) + 1) <= MOST_CELLS:
        return _traced(_table(old, new), old, new)
    anchors = _anchors(old, new) if depth < MOST_DEPTH else []
    kept: list[tuple[int, int]] = []
    done_old = done_new = 0
    for at_old, at_new in [*anchors, (len(old), len(new))] if anchors else []:
        between = _kept_pairs(old[done_old:at_old], new[done_new:at_new], depth + 1)
        kept += [(done_old + one, done_new + other) for one, other in between]
        kept.append((at_old, at_new))
        done_old, done_new = at_old + 1, at_new + 1
    return kept[:-1]  # the last is the end of both


def _anchors(old: Sequence[Piece], new: Sequence[Piece]) -> list[tuple[int, int]]:
    """Words that either text holds once, as pairs in ascending order, as many as stand in the same order in both.

    The patience diff of Cohen (2003): the longest ascending run of their places in the new text.
    """
    counts = [Counter(piece.text for piece in each) for each in (old, new)]
    place = {piece.text: number for number, piece in enumerate(new)}
    pairs = [
        (number, place[piece.text])
        for number, piece in enumerate(old)
        if counts[0][piece.text] == 1 == counts[1][piece.text]
    ]
    tails: list[int] = []  # smallest place that a run of each length ends at, by number of the pair
    before = [-1] * len(pairs)
    for number, (_, at) in enumerate(pairs):
        length = bisect_left(tails, at, key=lambda each: pairs[each][1])
        before[number] = tails[length - 1] if length else -1
        tails[length : length + 1] = [number]
    run: list[tuple[int, int]] = []
    last = tails[-1] if tails else -1
    while last >= 0:
        run.append(pairs[last])
        last = before[last]
    return run[::-1]


def _table(old: Sequence[Piece], new: Sequence[Piece]) -> Ints:
    """Cost of turning each beginning of the one into each beginning of the other, shape (old + 1, new + 1).

    A row is one numpy expression: within it insertions run on, cost[j] = min over i <= j of best[i] + inserted(i..j),
    which is a running minimum of best - inserted(0..j).
    """
    code = {text: number for number, text in enumerate({piece.text for piece in (*old, *new)})}
    new_code = np.array([code[piece.text] for piece in new])
    new_space = np.array([piece.is_space for piece in new])
    added = np.concatenate([[0], np.cumsum(np.where(new_space, _SPACE, _WORD))])
    table = np.empty((len(old) + 1, len(new) + 1), dtype=np.int64)
    table[0] = added
    for row, piece in enumerate(old, 1):
        price = _SPACE if piece.is_space else _WORD
        replaced = np.where(new_space == piece.is_space, price, price + np.where(new_space, _SPACE, _WORD))
        stepped = np.where(new_code == code[piece.text], -_KEEP, replaced)
        best = table[row - 1] + price
        np.minimum(best[1:], table[row - 1, :-1] + stepped, out=best[1:])
        table[row] = np.minimum.accumulate(best - added) + added
    return table


def _traced(table: Ints, old: Sequence[Piece], new: Sequence[Piece]) -> list[tuple[int, int]]:
    """The kept pairs on one cheapest way, found from its end."""
    kept = []
    row, column = len(old), len(new)
    while row and column:
        here, one, other = int(table[row, column]), old[row - 1], new[column - 1]
        price = _SPACE if one.is_space else _WORD
        if one.text == other.text and here == table[row - 1, column - 1] - _KEEP:
            kept.append((row - 1, column - 1))
            row, column = row - 1, column - 1
        elif one.is_space == other.is_space and one.text != other.text and here == table[row - 1, column - 1] + price:
            row, column = row - 1, column - 1
        elif here == table[row - 1, column] + price:
            row -= 1
        else:
            column -= 1
    return kept[::-1]


# ------------------------------------------------------------------------------------------------ from pieces to edits


def _hunks(kept: Sequence[tuple[int, int]], old: int, new: int) -> list[tuple[int, int, int, int]]:
    """The parts between what is kept: (start, end) in the old pieces and in the new ones."""
    found, done_old, done_new = [], 0, 0
    for at_old, at_new in [*kept, (old, new)]:
        if at_old > done_old or at_new > done_new:
            found.append((done_old, at_old, done_new, at_new))
        done_old, done_new = at_old + 1, at_new + 1
    return found


def _joined(
    hunks: Sequence[tuple[int, int, int, int]], old: Sequence[Piece], new: Sequence[Piece]
) -> list[tuple[int, int, int, int]]:
    """Neighbouring hunks with nothing but a space kept between them as one: people change phrases, not every word."""
    made: list[tuple[int, int, int, int]] = []
    for hunk in hunks:
        near = bool(made) and all(piece.is_space for piece in old[made[-1][1] : hunk[0]])
        if near and _changes_words(made[-1], old, new) and _changes_words(hunk, old, new):
            made[-1] = (made[-1][0], hunk[1], made[-1][2], hunk[3])
        else:
            made.append(hunk)
    return [_trimmed(hunk, old, new) for hunk in made]


def _trimmed(hunk: tuple[int, int, int, int], old: Sequence[Piece], new: Sequence[Piece]) -> tuple[int, int, int, int]:
    """A hunk without the spaces that both its sides begin or end with: which of several was kept is chance."""
    start, end, new_start, new_end = hunk
    before, after = shared_ends(list(old[start:end]), list(new[new_start:new_end]))
    return start + before, end - after, new_start + before, new_end - after


def _changes_words(hunk: tuple[int, int, int, int], old: Sequence[Piece], new: Sequence[Piece]) -> bool:
    return any(not piece.is_space for piece in (*old[hunk[0] : hunk[1]], *new[hunk[2] : hunk[3]]))


def _edits(blocks: Sequence[Block], old: Sequence[Piece], new: Sequence[Piece]) -> Iterator[Edit]:
    """What is kept, changed and moved, in the order of the original."""
    changed, moves = moved(blocks, old, new)
    parts = [(Operation.MOVE, block) for block in moves]
    parts += [(_operation(block), block) for block in changed]
    parts += [(Operation.KEEP, block) for block in _between(blocks, len(old), len(new))]
    for operation, block in sorted(parts, key=lambda part: (part[1].start, part[1].end, part[1].new_start)):
        start, end = _place(old, block.start, block.end)
        new_start, new_end = _place(new, block.new_start, block.new_end)
        fixed = {Operation.KEEP: 0, Operation.MOVE: 1}
        changed_words = fixed[operation] if operation in fixed else cost(block, old, new)
        yield Edit(operation, start, end, new_start, new_end, changed_words)


def _between(blocks: Sequence[Block], old: int, new: int) -> Iterator[Block]:
    done_old = done_new = 0
    for block in [*blocks, Block(old, old, new, new)]:
        if block.start > done_old:
            yield Block(done_old, block.start, done_new, block.new_start)
        done_old, done_new = block.end, block.new_end


def _operation(block: Block) -> Operation:
    if block.start == block.end:
        return Operation.INSERT
    return Operation.DELETE if block.new_start == block.new_end else Operation.REPLACE


def _place(all_pieces: Sequence[Piece], start: int, end: int) -> tuple[int, int]:
    """Characters of some pieces; of none, the place between their neighbours."""
    if start < end:
        return all_pieces[start].start, all_pieces[end - 1].end
    at = all_pieces[start].start if start < len(all_pieces) else (all_pieces[-1].end if all_pieces else 0)
    return at, at
