"""The closed classes of words that turn, strengthen, weaken or join what is said: English and Chinese (`classes.txt`).

Phrases are tuples of tokens (`burnish.feedback.words.tokens`), so that "can't" is ("can", "not"). The classes follow
the literature: negators with a scope (Taboada et al. 2011, "Lexicon-based methods for sentiment analysis", §2.4;
Councill et al. 2010), implicit negators (Karttunen 1971 for `fail to`), intensifiers and diminishers as factors
(Taboada, §2.3; Hutto and Gilbert 2014), connectives of contrast (Polanyi and Zaenen 2006).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from burnish.feedback.words.tokens import Token

Phrase: TypeAlias = tuple[str, ...]


def _classes() -> Mapping[str, tuple[Phrase, ...]]:
    found: dict[str, list[Phrase]] = {}
    for line in Path(__file__).with_name("classes.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, words = line.split("\t")
            found.setdefault(name, []).extend(tuple(word.split("_")) for word in words.split())
    return {name: tuple(phrases) for name, phrases in found.items()}


CLASSES = _classes()


class Phrases:
    """A class of phrases that can be asked which of them stands at a place."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self.all = frozenset(phrases)
        self._longest: dict[str, int] = {}
        for first, *more in self.all:
            self._longest[first] = max(1 + len(more), self._longest.get(first, 0))

    def at(self, words: Sequence[Token], place: int) -> int:
        """How many tokens the longest of the phrases takes up at a place; 0 where none stands there."""
        for length in range(min(self._longest.get(words[place].text, 0), len(words) - place), 0, -1):
            if tuple(token.text for token in words[place : place + length]) in self.all:
                return length
        return 0

    def within(self, words: Sequence[Token], end: int) -> bool:
        """Whether one of the phrases begins before a place."""
        return any(self.at(words, place) for place in range(end))


def _phrases(name: str) -> Phrases:
    return Phrases(CLASSES[name])


def _words(name: str) -> frozenset[str]:
    return frozenset(word for (word,) in CLASSES[name])


NEGATORS, NOT_NEGATORS = _phrases("negators"), _phrases("not_negators")
SELF_NEGATIVE, RIDS = _phrases("self_negative"), _phrases("rids")
TURNS, ONLY_FIRST, NOT_TURNS = _phrases("turns"), _phrases("only_first"), _phrases("not_turns")
YIELDS, WISHES, CONDITIONS = _phrases("yields"), _phrases("wishes"), _phrases("conditions")
REQUESTS = _phrases("requests")
FACTORS = {
    phrase: float(name.removeprefix("factor_"))
    for name, phrases in CLASSES.items()
    if name.startswith("factor_")
    for phrase in phrases
}
SCOPE_ENDS, EXPECTED, REACHING = _words("scope_ends"), _words("expected"), _words("reaching")
ARTICLES, LIKERS, JOINTS = _words("articles"), _words("likers"), _words("joints")
SUBJECTS, LENDS, TOO, PLAIN = _words("subjects"), _words("lends"), _words("too"), _words("plain")
STOP = _words("stop") | frozenset(word for group in (TURNS.all, YIELDS.all) for word, *more in group if not more)

SCOPE_WORDS = 9
"""Tokens after a negator that it can reach: "I do not believe the second figure on that page is correct"."""

BEFORE, AFTER = 0.5, 1.5
"""Weights of what is outweighed and of what outweighs: those of Hutto and Gilbert 2014, who took them from raters."""

SARCASM = ("/s", "yeah right", "yeah, right", "thanks a lot", "thanks for nothing", "oh great", "as if", "how nice",
           "🙄", "呵呵", "真行", "真是太好了", "可真")  # fmt: skip
"""Signs of sarcasm: they make a reading unsure and turn nothing, because people disagree on them too."""

CHINESE_WORDS = frozenset(word for group in CLASSES.values() for (word, *_) in group if not word.isascii())
"""Words that Chinese is cut into, beside those of the lexicon."""


def _single(*groups: Iterable[Phrase]) -> frozenset[str]:
    return frozenset(word for group in groups for word, *more in group if not more)


_STRONG = _words("also_opinions")
CLOSED = _single(NEGATORS.all, TURNS.all, YIELDS.all, FACTORS) - _STRONG
"""Words of grammar: no form of one is an opinion; `_STRONG` ones are opinions as well."""
_ASPECTS = [phrases for name, phrases in CLASSES.items() if name.startswith("aspect_")]
SPOKEN_FOR = CLOSED | _single(WISHES.all, REQUESTS.all, CLASSES["courtesies"], CLASSES["plain"], *_ASPECTS)
"""Words with a part to play in these rules, which no list from elsewhere may give a valence: "wish" and "please" tell
what is missing, "safety" and "number" what is spoken of, and "sentence" where."""
