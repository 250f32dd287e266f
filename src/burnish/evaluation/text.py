"""Surface measures of texts: words, diversity, repetition.

A word is a run of letters and digits, apostrophes inside it kept, case folded; each Chinese or Japanese character is a
word of its own, so that the measures mean the same without spaces. Punctuation is not counted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_EAST_ASIAN}]|[^\W_{_EAST_ASIAN}]+(?:['\u2019][^\W_{_EAST_ASIAN}]+)*")


def words(text: str) -> list[str]:
    """Return the words of a text, case folded."""
    return _WORD.findall(text.casefold())


def bigrams(text: str, limit: int | None = None) -> list[tuple[str, str]]:
    """Return the pairs of neighbouring words among the first `limit` words (all of them when None)."""
    found = words(text)[:limit]
    return list(itertools.pairwise(found))


def distinct_2(texts: Sequence[str], limits: Sequence[int] | None = None) -> float | None:
    """Share of distinct bigrams among all bigrams of all texts; None when there is no bigram.

    The more text, the lower the share: new bigrams get rarer. Two sides are comparable only when they hold equally
    much, so `limits` cuts text i to its first limits[i] words (see `compare.common_lengths`).
    Bigrams never cross from one text to the next. Source: Li et al. 2016, arXiv 1510.03055 (distinct-2).
    """
    cuts: Sequence[int | None] = [None] * len(texts) if limits is None else limits
    found = [pair for text, cut in zip(texts, cuts, strict=True) for pair in bigrams(text, cut)]
    return len(set(found)) / len(found) if found else None


def repetition(text: str, n: int = 4) -> float:
    """Share of the text's n-grams of words that repeat an earlier one; 0 when it is too short to hold any."""
    found = words(text)
    grams = [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
