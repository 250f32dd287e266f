"""How much two texts share, by words in scripts that put blanks between them and by characters in those that do not.

The usual tokenizers know the Latin letters only: with them two equal Chinese sentences score 0.0 in ROUGE, because no
token is left of either. Here a token is a run of letters and digits, or a single character of Chinese, Japanese kana,
Thai, Lao, Khmer or Burmese. For English the numbers are those of `rouge-score` without stemming (tests).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts without blanks between words: each character stands for itself."""
_TOKEN = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")
_BLANKLESS = re.compile(f"[{_ALONE}]")
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\u2010-\u2027]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Precision, recall and their harmonic mean, each in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token in lower case and where it stands in its text."""

    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text in their order."""
    return [Token(each[0].lower(), each.start(), each.end()) for each in _TOKEN.finditer(text)]


def is_blankless(text: str) -> bool:
    """Return whether most letters of a text belong to scripts without blanks between words."""
    letters = sum(map(str.isalpha, text))
    return letters > 0 and len(_BLANKLESS.findall(text)) > letters / 2


def rouge_n(text: str, reference: str, n: int) -> Overlap:
    """Return the overlap of n-grams: shared (each as often as in both) / the text's, / the reference's.

    Source: ROUGE-N, Lin 2004, section 2. Two texts too short for an n-gram share nothing.
    """
    mine, theirs = (_ngrams([token.text for token in tokens(each)], n) for each in (text, reference))
    shared = (mine & theirs).total()
    return _overlap(shared, mine.total(), theirs.total())


def rouge_l(text: str, reference: str) -> Overlap:
    """Return the overlap of the longest common subsequence: its length / the text's, / the reference's.

    Source: ROUGE-L, Lin 2004, section 3, of whole texts, with F1 as `rouge-score` has it.
    """
    mine, theirs = tokens(text), tokens(reference)
    return _overlap(len(common(mine, theirs)), len(mine), len(theirs))


def common(mine: Sequence[Token], theirs: Sequence[Token]) -> list[Token]:
    """Return my tokens of one longest common subsequence. Time and memory |mine| x |theirs| bytes' order."""
    rows = [[0] * (len(theirs) + 1)]
    for one in mine:
        row, above = [0], rows[-1]
        for place, other in enumerate(theirs):
            row.append(above[place] + 1 if one.text == other.text else max(above[place + 1], row[-1]))
        rows.append(row)
    found: list[Token] = []
    i, j = len(mine), len(theirs)
    while i and j:
        if mine[i - 1].text == theirs[j - 1].text:
            found.append(mine[i - 1])
            i, j = i - 1, j - 1
        elif rows[i - 1][j] >= rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def token_f1(text: str, reference: str) -> Overlap:
    """Return the overlap of two answers as bags of tokens, in the normal form of `normal`.

    Two empty answers are equal; an empty one shares nothing with any other. Source: SQuAD, Rajpurkar et al. 2016.
    """
    mine, theirs = ([token.text for token in tokens(normal(each))] for each in (text, reference))
    if not mine or not theirs:
        return Overlap(float(mine == theirs), float(mine == theirs))
    return _overlap((Counter(mine) & Counter(theirs)).total(), len(mine), len(theirs))


def normal(text: str) -> str:
    """Return an answer without what does not change it: capitals, punctuation, English articles, extra blanks.

    Source: SQuAD's official script (there ASCII punctuation only; here Chinese and typographic marks too).
    """
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub("", text.lower())).split())


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _overlap(shared: int, mine: int, theirs: int) -> Overlap:
    return Overlap(shared / mine if mine else 0.0, shared / theirs if theirs else 0.0)
