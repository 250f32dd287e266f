"""Texts that are the same but for a few letters: copies among what people wrote, and one text in two splits.

Two texts are compared by their sets of five-letter pieces (Jaccard: shared pieces / all pieces) after case, width and
blanks are made equal. Candidates come from min-wise hashes in bands (Broder 1997; Leskovec, Rajaraman & Ullman 2014,
ch. 3), so that 100,000 texts need no pair of all with all; every candidate is then measured.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]

PIECE = 5
BANDS, ROWS = (
    16,
    4,
)  # texts that share 0.85 of their pieces meet in a band with probability 1 - (1 - 0.52)^16, 0.3: 0.12
ALIKE = 0.85
_MOST_IN_A_BUCKET = 50  # boilerplate that thousands share is compared with its neighbours only
_PRIME = np.uint64(1_099_511_628_211)  # of the FNV hash


def normal(text: str) -> str:
    """The text with case, width and blanks made equal."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def alike(texts: Sequence[str], *, at_least: float = ALIKE) -> list[tuple[int, int, float]]:
    """Pairs of numbers of near-equal texts, the smaller first, with their Jaccard similarity; equal ones have 1.

    Equal texts are chained to the first of them, so a text that occurs a thousand times gives 999 pairs.
    """
    first: dict[str, int] = {}
    found: list[tuple[int, int, float]] = []
    for number, text in enumerate(map(normal, texts)):
        if (before := first.setdefault(text, number)) != number:
            found.append((before, number, 1.0))
    pieces = {number: _pieces(text) for text, number in first.items() if len(text) >= PIECE}
    for one, two in _candidates(pieces):
        shorter, longer = sorted((len(pieces[one]), len(pieces[two])))
        if shorter < at_least * longer:
            continue
        similarity = _jaccard(pieces[one], pieces[two])
        if similarity >= at_least:
            found.append((one, two, similarity))
    return sorted(found)


def distance(one: str, two: str) -> float:
    """How different two texts read, in [0, 1]: one less the share of their letters in threes that they share (Dice).

    2 |shared| / (|one| + |two|) is the F-score of one by the other, as chrF is, but of sets and so the same both ways.
    """
    first, second = _threes(normal(one)), _threes(normal(two))
    return 1 - 2 * len(first & second) / (len(first) + len(second))


@functools.lru_cache(maxsize=50_000)
def _threes(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[place : place + 3] for place in range(max(1, len(padded) - 2)))


def _pieces(text: str) -> Hashes:
    """Distinct hashes of all runs of `PIECE` letters."""
    letters = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    hashed = np.zeros(len(letters) - PIECE + 1, dtype=np.uint64)
    for place in range(PIECE):
        hashed = (hashed ^ letters[place : len(letters) - PIECE + 1 + place]) * _PRIME
    return np.unique(hashed)


def _candidates(pieces: dict[int, Hashes]) -> Iterator[tuple[int, int]]:
    """Pairs that meet in a bucket of any band, each once."""
    factors = np.random.default_rng(0).integers(1, 2**63, size=BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, hashes in pieces.items():
        least = (factors[:, None] * hashes).min(axis=1)
        for band in range(BANDS):
            buckets[band, least[band * ROWS : (band + 1) * ROWS].tobytes()].append(number)
    seen: set[tuple[int, int]] = set()
    for members in buckets.values():
        for place, one in enumerate(members):
            for two in members[place + 1 : place + 1 + _MOST_IN_A_BUCKET]:
                if (one, two) not in seen:
                    seen.add((one, two))
                    yield one, two


def _jaccard(one: Hashes, two: Hashes) -> float:
    shared = len(np.intersect1d(one, two, assume_unique=True))
    return shared / (len(one) + len(two) - shared)
