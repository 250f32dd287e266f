"""What many comments are about: topics with their words, how many comments each holds, and how they feel about it.

    X = TF-IDF of the comments (rows scaled to length 1)       X ~ W H,   W, H >= 0

by non-negative matrix factorisation with multiplicative updates (Lee and Seung 1999), started from the singular vectors
(NNDSVD, Boutsidis and Gallopoulos 2008), so that the same comments give the same topics. A comment belongs to the topic
with the largest entry of its row of W. A topic's words are those with the largest class-based TF-IDF (Grootendorst
2022, arXiv 2203.05794, eq. 3): frequency in the topic times log(1 + words a topic / frequency in all topics), which
names a topic by what sets it apart. Words of opinion are left in: "too long" is what a topic is about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from burnish.errors import InputError
from burnish.feedback.words import grammar
from burnish.feedback.words.lexicon import Lexicon, own
from burnish.feedback.words.reading import read

Floats: TypeAlias = NDArray[np.float64]

UPDATES = 100
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that many comments speak of."""

    words: tuple[str, ...]
    """Those that set it apart, first the most telling."""
    comments: tuple[int, ...]
    """Places of its comments in the list, the most typical first."""
    share: float
    """Of all comments that belong to any topic."""
    value: float | None
    """Mean value of its comments, from -4 to 4; None where none could be read."""


def topics(comments: Sequence[str], n: int, *, words: int = 6, lexicon: Lexicon | None = None) -> list[Topic]:
    """The n topics of the comments, the largest first; fewer where the comments do not hold so many.

    A comment with no word in common with another one belongs to none. Raises InputError for n below 1.
    """
    if n < 1:
        raise InputError(f"topics: {n} topics were asked for. Ask for at least one.")
    bags = [_bag(comment, lexicon or own()) for comment in comments]
    spread = Counter(word for bag in bags for word in bag)
    vocabulary = sorted(word for word, count in spread.items() if count > 1)
    counts = _counts(bags, vocabulary)
    kept = np.flatnonzero(np.diff(counts.indptr))
    rank = min(n, len(vocabulary), len(kept))
    if not rank:
        return []
    weight = factorised(_tf_idf(counts[kept]), rank)[0]
    # a topic that is nobody's strongest falls away
    best = weight.argmax(axis=1)
    used = [topic for topic in range(rank) if (best == topic).any()]
    named = _class_tf_idf(np.stack([np.asarray(counts[kept[best == topic]].sum(axis=0))[0] for topic in used]))
    found = []
    for row, topic in zip(named, used, strict=True):
        inside = np.flatnonzero(best == topic)
        typical = kept[inside[np.argsort(-weight[inside, topic], kind="stable")]]
        telling = [vocabulary[place] for place in np.argsort(-row, kind="stable")[:words] if row[place] > 0]
        values = [r.whole.value for place in typical if (r := read(comments[place], lexicon=lexicon)).whole]
        mean = math.fsum(values) / len(values) if values else None
        found.append(Topic(tuple(telling), tuple(int(p) for p in typical), len(inside) / len(kept), mean))
    return sorted(found, key=lambda each: -each.share)


def factorised(x: csr_matrix, rank: int) -> tuple[Floats, Floats]:
    """W (N, rank) and H (rank, V), non-negative, that make W H close to x in squares; both deterministic."""
    w, h = _started(x, rank)
    for _ in range(UPDATES):
        h *= np.asarray((x.T @ w).T) / (w.T @ w @ h + _TINY)
        w *= np.asarray(x @ h.T) / (w @ (h @ h.T) + _TINY)
    return w, h


def _started(x: csr_matrix, rank: int) -> tuple[Floats, Floats]:
    """Each pair of singular vectors' heavier half, above or below 0; zeros become small."""
    left, values, right = _singular(x, rank)
    w, h = np.empty((x.shape[0], rank)), np.empty((rank, x.shape[1]))
    for k in range(rank):
        halves = [(np.maximum(sign * left[:, k], 0), np.maximum(sign * right[k], 0)) for sign in (1, -1)]
        u, v = max(halves, key=lambda pair: float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1])))
        size = np.linalg.norm(u) * np.linalg.norm(v)
        scale = math.sqrt(float(values[k] * size))
        w[:, k], h[k] = scale * u / (np.linalg.norm(u) + _TINY), scale * v / (np.linalg.norm(v) + _TINY)
    small = float(x.mean()) / 100 + _TINY
    return np.maximum(w, small), np.maximum(h, small)


def _singular(x: csr_matrix, rank: int) -> tuple[Floats, Floats, Floats]:
    """The largest singular values first, with their vectors; a fixed start makes the sparse solver deterministic."""
    if rank < min(x.shape):
        left, values, right = svds(x, k=rank, v0=np.ones(min(x.shape)))
        return left[:, ::-1], values[::-1], right[::-1]
    left, values, right = np.linalg.svd(x.toarray(), full_matrices=False)
    return left, values, right


def _bag(comment: str, lexicon: Lexicon) -> Counter[str]:
    """The words of a comment that say something: no words of grammar, no marks, no single letters."""
    return Counter(
        token.text
        for token in lexicon.cut(comment)
        if token.text not in grammar.STOP
        and (len(token.text) > 2 or not token.text.isascii())
        and token.text[0].isalpha()
    )


def _counts(bags: Sequence[Counter[str]], vocabulary: Sequence[str]) -> csr_matrix:
    place = {word: index for index, word in enumerate(vocabulary)}
    rows = [(row, place[word], count) for row, bag in enumerate(bags) for word, count in bag.items() if word in place]
    at, of, how_often = zip(*rows, strict=True) if rows else ((), (), ())
    return csr_matrix((how_often, (at, of)), shape=(len(bags), len(vocabulary)), dtype=np.float64)


def _tf_idf(counts: csr_matrix) -> csr_matrix:
    holding = np.asarray((counts > 0).sum(axis=0))[0]
    weighed = csr_matrix(counts.multiply(np.log((1 + counts.shape[0]) / (1 + holding)) + 1))
    norms = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)))
    return csr_matrix(weighed.multiply(1 / np.maximum(norms, _TINY)))


def _class_tf_idf(counts: Floats) -> Floats:
    """One row a topic."""
    found: Floats = counts * np.log(1 + counts.sum() / len(counts) / np.maximum(counts.sum(axis=0), 1))
    return found
