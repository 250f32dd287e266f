"""Whether a quote stands in a text, and where: evidence that nobody checks is decoration."""

from __future__ import annotations

import re
import unicodedata

from burnish.records import Span

SHORTEST = 2
"""Letters or digits a quote must hold: "a" or "..." stands in every text and shows nothing."""
MOST_PARTS = 5
"""Of a quote with "..." in it: more is a collage, and slow to look for."""
_QUOTES = "\"'\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"
_SAME = str.maketrans("\u201c\u201d\u201e\u2018\u2019\u2013\u2014\u2026", '"""\'\'--.')


def find(quote: str, text: str) -> Span | None:
    """Return where a quote stands in a text; None when it does not.

    Capital letters, kinds of quotation marks, dashes and blanks make no difference, and a quote may leave parts out
    with "...": then its parts must follow each other. Words must be whole: "art" does not stand in "party".
    """
    parts = [_pattern(part) for part in re.split(r"\.{3,}|…", quote.strip().strip(_QUOTES)) if part.strip()]
    if not 0 < len(parts) <= MOST_PARTS or sum(map(str.isalnum, quote)) < SHORTEST:
        return None
    found = re.search(r"(?:(?:.|\n){0,400}?)".join(parts), _folded(text))
    return None if found is None else Span(found.start(), found.end())


def _pattern(part: str) -> str:
    words = [re.escape(word) for word in _folded(part.strip().strip(_QUOTES)).split()]
    body = r"\s+".join(words)
    left = r"(?<!\w)" if part.strip() and _joins(part.strip()[0]) else ""
    right = r"(?!\w)" if part.strip() and _joins(part.strip()[-1]) else ""
    return left + body + right


def _joins(letter: str) -> bool:
    """Return whether letters beside this one make one word with it: not so in scripts without blanks."""
    return letter.isalnum() and unicodedata.east_asian_width(letter) not in "WF"


def _folded(text: str) -> str:
    """Return the text with one character for each of the original's, so that places stay."""
    return "".join(low if len(low := each.lower()) == 1 else each for each in text.translate(_SAME))
