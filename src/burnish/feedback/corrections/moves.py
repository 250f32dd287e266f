"""Blocks of words that changed places: deleted here, inserted there, word for word the same."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from burnish.feedback.corrections.words import Piece

LEAST_WORDS = 2
"""A block of fewer words is no move: a "the" deleted here and inserted there tells nothing of each other. (A word
that is the whole of what was deleted and of what was inserted is one.)"""
# texts that changed more than this were written anew; looking for moves would be slow and idle
_MOST_BLOCKS = 100
_MOST_CELLS = 400_000
"""Pieces gone times pieces come."""


@dataclass(frozen=True, slots=True)
class Block:
    """Pieces `start` to `end` of the original that became `new_start` to `new_end` of the corrected text."""

    start: int
    end: int
    new_start: int
    new_end: int


def moved(blocks: Sequence[Block], old: Sequence[Piece], new: Sequence[Piece]) -> tuple[list[Block], list[Block]]:
    """What changed without the moves, and the moves; together they cover what the blocks covered.

    The longest block that was deleted in one place and inserted in another is taken out first, then the next longest,
    as long as calling it a move makes fewer changes than calling it none.
    """
    left, moves = list(blocks), list[Block]()
    gone, come = sum(each.end - each.start for each in left), sum(each.new_end - each.new_start for each in left)
    if gone * come > _MOST_CELLS:
        return left, moves
    while 2 <= len(left) <= _MOST_BLOCKS and (found := _longest(left, old, new)):
        source, target, move = found
        moves.append(move)
        left = [block for block in left if block not in (source, target)] + _without(source, target, move)
    return left, moves


def cost(block: Block, old: Sequence[Piece], new: Sequence[Piece]) -> int:
    """How many words, Chinese characters and marks a change touches: the larger of what it takes and what it gives."""
    return max(_words(old, block.start, block.end), _words(new, block.new_start, block.new_end))


def _without(source: Block, target: Block, move: Block) -> list[Block]:
    """What is left of the block that a move leaves and of the block that it comes to."""
    rest = [
        Block(source.start, move.start, source.new_start, source.new_end),
        Block(move.end, source.end, source.new_end, source.new_end),
        Block(target.start, target.end, target.new_start, move.new_start),
        Block(target.end, target.end, move.new_end, target.new_end),
    ]
    return [block for block in rest if block.start < block.end or block.new_start < block.new_end]


def _longest(blocks: Sequence[Block], old: Sequence[Piece], new: Sequence[Piece]) -> tuple[Block, Block, Block] | None:
    """The longest move: the block it leaves, the block it comes to, and itself."""
    best: tuple[Block, Block, Block] | None = None
    most = 0
    gone = {block: [piece.text for piece in old[block.start : block.end]] for block in blocks}
    come = {block: [piece.text for piece in new[block.new_start : block.new_end]] for block in blocks}
    for source, target in permutations(blocks, 2):
        if min(len(gone[source]), len(come[target])) <= most:  # pieces: at least as many as words
            continue
        match = difflib.SequenceMatcher(None, gone[source], come[target], autojunk=False).find_longest_match()
        start, new_start = source.start + match.a, target.new_start + match.b
        move = Block(start, start + match.size, new_start, new_start + match.size)
        words = _words(old, move.start, move.end)
        alone = words == _words(old, source.start, source.end) == _words(new, target.new_start, target.new_end)
        alone = alone and any(piece.text[0].isalnum() for piece in old[move.start : move.end])
        if words > most and (words >= LEAST_WORDS or alone):
            before = cost(source, old, new) + cost(target, old, new)
            after = 1 + sum(cost(block, old, new) for block in _without(source, target, move))
            if after < before:
                best, most = (source, target, move), words
    return best


def _words(some: Sequence[Piece], start: int, end: int) -> int:
    return sum(not piece.is_space for piece in some[start:end])
