"""Chinese names: a text is cut into words, where a name is a word that no dictionary has.

The cut is the likeliest by a unigram model (words as often as jieba's dictionary counted them), in which a surname and
one or two characters are a word too: P(name) P(surname) P(each character of the given name), all counted on the names
in the dictionary. So 王明 is a name in 我和王明去了, and 王国 is none. After Sproat and others, "A stochastic
finite-state word-segmentation algorithm for Chinese", Computational Linguistics 22(3), 1996.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from burnish.feedback.masking.findings import Finding
from burnish.feedback.masking.name_lists import Lexicon, word_sets

_HAN = re.compile(r"[\u3400-\u9fff]+")
_WORDS = word_sets("chinese_beside_names.txt")
_SURNAMES = _WORDS["surnames"]
_TITLES = tuple(_WORDS["titles"])
_SHARE = 0.02
"""How many of the words of a text are names of people, for texts about a name more than newspapers."""
_LONGEST = 8


_BEFORE = tuple(_WORDS["before"])
_NEVER_LAST = _WORDS["never last"]
_UNKNOWN, _UNSEEN = -16.0, -11.5
"""Log probabilities of a character that is no word, and of one that no given name has."""
_NAMELIKE = 6.0
_ONLY_SURNAMES = _WORDS["only surnames"]
_THINGS = _WORDS["things"]
_NOBODY = _WORDS["nobody"]


@dataclass(frozen=True, slots=True)
class _Model:
    words: dict[str, float]
    """Word -> log probability."""
    surnames: dict[str, float]
    given: tuple[dict[str, float], ...]
    """Characters of a given name: alone, first of two, second of two."""
    unseen: float

    def name(self, text: str) -> float | None:
        """The log probability of a text as a whole name; None where it cannot be one."""
        for length in (2, 1):
            surname, rest = text[:length], text[length:]
            if surname in self.surnames and 1 <= len(rest) <= 2 and rest[-1] not in _NEVER_LAST:
                parts = (self.given[0],) if len(rest) == 1 else self.given[1:]
                chances = [part.get(each, self.unseen) for part, each in zip(parts, rest, strict=True)]
                often = math.log(0.3 if len(rest) == 1 else 0.7)
                return math.log(_SHARE) + self.surnames[surname] + often + sum(chances)
        return None


def has_chinese(text: str) -> bool:
    """Whether there is anything to read here."""
    return _HAN.search(text) is not None


def chinese_people(text: str, lexicon: Lexicon) -> Iterator[Finding]:
    """Names of people in Chinese characters."""
    model = _learned(lexicon)
    for run in _HAN.finditer(text):
        yield from (Finding(run.start() + start, run.start() + end, "NAME") for start, end in _cut(run[0], model))


def _cut(run: str, model: _Model) -> list[tuple[int, int]]:
    """The places of names in the likeliest cut of a run of characters (Viterbi)."""
    best: list[tuple[float, int, bool]] = [(0.0, 0, False)]
    for end in range(1, len(run) + 1):
        ways = []
        for start in range(max(0, end - _LONGEST), end):
            piece, before = run[start:end], best[start][0]
            chance = model.words.get(piece, _UNKNOWN if len(piece) == 1 else None)
            if chance is not None:
                ways.append((before + chance, start, False))
            named = model.name(piece) if len(piece) <= 4 else None
            if named is not None:
                ways.append((before + named + _beside(run, start, end), start, True))
        best.append(max(ways))
    found, end = [], len(run)
    while end:
        _, start, named = best[end]
        if named:
            found.append((start, end))
        end = start
    return found[::-1]


def _beside(run: str, start: int, end: int) -> float:
    """What stands before and behind a name adds to its log probability."""
    before = not start or run[:start].endswith(_BEFORE)
    return 1.5 * before + (1.0 if end == len(run) else 4.0 * run.startswith(_TITLES, end))


@functools.lru_cache(maxsize=2)
def _learned(lexicon: Lexicon) -> _Model:
    """The model that a dictionary's words and names make."""
    names = [word for word, (_, tag) in lexicon.words.items() if tag == "nr" and _split(word)]
    surnames: Counter[str] = Counter()
    given: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    often = Counter[str]()
    for word, (count, tag) in lexicon.words.items():
        if not tag.startswith("nr"):
            often.update(dict.fromkeys(word, count))
    for name in names:
        surname, rest = _split(name) or ("", "")
        surnames[surname] += 1
        if len(rest) == 2:
            given[0][rest[1]] += 1  # who has one character has mostly one that others have last
            given[1][rest[0]] += 1
            given[2][rest[1]] += 1
    whole = {name for name in names if _is_person(name, given[0], often)}
    total = sum(count for count, _ in lexicon.words.values())
    words = {word: math.log(count / total) for word, (count, _) in lexicon.words.items() if count and word not in whole}
    return _Model(words, _logs(surnames, _SURNAMES), tuple(_logs(part) for part in given), _UNSEEN)


def _is_person(name: str, given: Counter[str], often: Counter[str]) -> bool:
    """Whether what the dictionary tags as a name may be anybody's: it tags 贺卡 and 石家庄 so, too.

    Of two characters, the surname must be little else, and the other commoner in names than elsewhere.
    """
    if len(name) > 2:
        return name[-1] not in _THINGS and name not in _NOBODY
    each = name[-1]
    share = (given[each] + 0.1) / given.total() * often.total() / (often[each] + 1)
    return name[0] in _ONLY_SURNAMES and name not in _NOBODY and share > _NAMELIKE


def _logs(counts: Counter[str], also: frozenset[str] = frozenset()) -> dict[str, float]:
    total = counts.total() + len(also) or 1
    return {each: math.log((counts[each] + (each in also)) / total) for each in counts.keys() | also}


def _split(name: str) -> tuple[str, str] | None:
    """Surname and given name of two to four characters; None where no family is called so."""
    for length in (2, 1):
        if name[:length] in _SURNAMES and 1 <= len(name) - length <= 2:
            return name[:length], name[length:]
    return None
