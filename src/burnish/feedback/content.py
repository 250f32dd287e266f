"""What the words of the texts themselves say of a label: an ensemble of small models, each label judged by models
that never saw it.

Words and neighbours of words are hashed into a sparse row (tf-idf, length 1); K ridge regressions on bootstrap
samples of the texts are fitted with a fifth of the texts left out, five times over, so that every label has K opinions
from outside. Small on purpose: it must run without torch and in seconds on 100,000 labels, and it has only to see what
is plainly at odds with all the rest.
Sources: Weinberger et al. 2009 (hashing); Northcutt et al. 2021 (labels judged out of sample).
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import lsmr

from burnish.records import share_of

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

WIDTH = 2**14
MEMBERS = 5
FOLDS = 5
RIDGE = 1.0
_MOST_ROWS = 30_000  # a member learns from so many labels at most: more take time and change little
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")  # a Chinese character is a word


def rows(texts: Sequence[str]) -> csr_array:
    """One sparse row a text: tf-idf of its words and pairs of neighbours, of length 1 (0 for a text without words)."""
    starts: list[int] = [0]
    columns: list[int] = []
    values: list[float] = []
    for text in texts:
        words = _WORD.findall(text.casefold())
        pieces = Counter(words + [f"{one} {two}" for one, two in itertools.pairwise(words)])
        columns.extend(zlib.crc32(piece.encode()) % WIDTH for piece in pieces)
        values.extend(1 + math.log(n) for n in pieces.values())
        starts.append(len(columns))
    table = csr_array((np.array(values), np.array(columns, dtype=np.int64), starts), shape=(len(texts), WIDTH))
    table.sum_duplicates()
    seen = np.bincount(table.indices, minlength=WIDTH)
    table = csr_array(table @ diags_array(np.log((1 + len(texts)) / (1 + seen)) + 1))
    length = np.sqrt(np.asarray(table.power(2).sum(axis=1)))
    return csr_array(diags_array(1 / np.where(length > 0, length, 1.0)) @ table)


def outside_opinions(table: csr_array, target_N: Floats, groups: Sequence[str], *, seed: int = 0) -> Floats:
    """What each of the members predicts for each row, learned without the row's group: shape (N, members).

    `groups`: what must not be on both sides (a prompt, a text); which fifth a group is in follows from its hash.
    """
    fold_N = np.array([int(share_of(group, "content") * FOLDS) for group in groups])
    names, code_N = np.unique(np.asarray(groups), return_inverse=True)
    found_NM = np.zeros((len(target_N), MEMBERS))
    generator = np.random.default_rng(seed)
    for member in range(MEMBERS):
        weight_N = generator.poisson(1.0, size=len(names))[code_N].astype(np.float64)
        for fold in range(FOLDS):
            learn = np.flatnonzero((fold_N != fold) & (weight_N > 0))
            judge = np.flatnonzero(fold_N == fold)
            if len(learn) > _MOST_ROWS:
                learn = generator.choice(learn, _MOST_ROWS, replace=False)
            if len(learn) and len(judge):
                slopes, middle = _ridge(csr_array(table[learn]), target_N[learn], weight_N[learn])
                found_NM[judge, member] = table[judge] @ slopes + middle
    return found_NM


def _ridge(table: csr_array, target_N: Floats, weight_N: Floats) -> tuple[Floats, float]:
    """Weighted ridge regression; the mean is taken out and not shrunk."""
    middle = float(weight_N @ target_N / weight_N.sum())
    root_N = np.sqrt(weight_N)
    scaled = diags_array(root_N) @ table
    slopes = lsmr(scaled, (target_N - middle) * root_N, damp=math.sqrt(RIDGE), maxiter=60)[0]
    return np.asarray(slopes, dtype=np.float64), middle


def as_logits(margin_N: Floats, share_N: Floats) -> Floats:
    """The margins stretched to logits that fit the shares (of votes) best: slope only, by Newton's method."""
    slope = 1.0
    for _ in range(50):
        chance_N = 1 / (1 + np.exp(-slope * margin_N))
        gradient = float(((share_N - chance_N) * margin_N).sum()) - 1e-3 * slope
        curve = float((chance_N * (1 - chance_N) * margin_N**2).sum()) + 1e-3
        step = float(np.clip(gradient / curve, -2, 2))
        slope += step
        if abs(step) < 1e-8:
            break
    return np.asarray(np.clip(slope, 0.0, None) * margin_N)
