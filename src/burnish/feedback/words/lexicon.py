"""Words of opinion: how positive each is, in which respect, and whether it names something a reader wants to be there.

Three lists ship with the package. `english.txt` and `chinese.txt` were written for comments, by hand. `vader.tsv` is
the lexicon of VADER (Hutto and Gilbert 2014; MIT licence, `vader.LICENSE`): English words, slang and emoticons, each
rated by ten people who saw it by itself. `own` joins them: what was written for comments comes first, and a word that
VADER alone knows counts `OUT_OF_CONTEXT` of what its raters said.

Entries are phrases of tokens; the longest that fits counts. English endings are taken off by rule where the word as it
stands is not listed. `with_words` adds valences from elsewhere.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from burnish.feedback.words import grammar
from burnish.feedback.words.tokens import Token, Vocabulary, is_sign, tokens

OUT_OF_CONTEXT = 0.5
"""What a word that only VADER lists counts, of its valence there. Its raters saw words without a text: many of those
that our lists do not have name what a text is about ("war", "comedy", "play"), not how good it is. Chosen among 0.3,
0.4, ... 1 on the half of the real rated texts that nothing is measured on (`benchmarks/words.py --choose`)."""

_BY_HAND, _VADER = ("english.txt", "chinese.txt"), "vader.tsv"
_BLANK = re.compile(r"(?<=[^\W_])_(?=[^\W_])")  # `make_sense`, but not the sign `^_^`


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of one word or phrase."""

    valence: float
    """From -4 to 4; 0 marks a phrase that says nothing, although its words would."""
    aspect: str = ""
    """The respect it speaks of by itself: `accurate` speaks of correctness, `good` of none."""
    wanted: bool = False
    """It names what a reader wants (an answer, evidence, sense): saying that it is there says little."""
    by_itself: bool = False
    """Only a list of words without a text has it: where the completion has the word too, that is what is spoken of."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry at its place among the tokens, end exclusive."""

    first: int
    last: int
    entry: Entry


class Lexicon:
    """Entries by phrase, and the vocabulary that texts are cut with."""

    def __init__(self, entries: Mapping[str, Entry], words: Iterable[str] = ()) -> None:
        """`words`: more words that Chinese is cut into."""
        self.vocabulary = Vocabulary([*entries, *grammar.CHINESE_WORDS, *words])
        self._entries = dict(entries)
        self._phrases: dict[tuple[str, ...], Entry] = {}
        for phrase, entry in entries.items():
            self._phrases[tuple(token.text for token in tokens(phrase, self.vocabulary))] = entry
        self._known: dict[str, Entry | None] = {}
        self._longest: dict[str, int] = {}
        for words in self._phrases:
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def __len__(self) -> int:
        return len(self._entries)

    def with_words(self, valences: Mapping[str, float], alone: float = 1.0) -> Lexicon:
        """A lexicon that also has these words' valences (from -4 to 4): averaged where both lists agree on the sign.

        Where they do not agree, or ours has an entry under another form of the word, ours stands. What only the other
        list knows counts `alone` times its valence, and less than 1 says that its raters saw no text (`by_itself`); a
        sign, which is never what a text is about, counts whole.
        """
        merged = dict(self._entries)
        for given, valence in valences.items():
            word = given.lower()
            before = self._entries.get(word)
            if before and before.valence * valence > 0:
                merged[word] = replace(before, valence=(before.valence + valence) / 2)
            elif before is None and word not in grammar.SPOKEN_FOR and self.word(word) is None:
                share = 1.0 if is_sign(word) else alone
                merged[word] = Entry(share * valence, by_itself=share < 1)
        return Lexicon(merged)

    def knowing(self, words: Iterable[str]) -> Lexicon:
        """A lexicon that also cuts Chinese into these words."""
        return Lexicon(self._entries, words)

    def cut(self, text: str) -> list[Token]:
        """The tokens of a text."""
        return tokens(text, self.vocabulary)

    def find(self, words: Sequence[Token]) -> Iterator[Found]:
        """The entries in a text, longest phrase first, none inside another."""
        place = 0
        while place < len(words):
            found = self._at(words, place)
            if found:
                yield found
            place = found.last if found else place + 1

    def word(self, word: str) -> Entry | None:
        """The entry of one word as it stands or without its ending; asked for often, so it is kept."""
        if word not in self._known:
            self._known[word] = self._looked_up(word)
        return self._known[word]

    def _looked_up(self, word: str) -> Entry | None:
        found = self._phrases.get((word,))
        if found or not word.isascii() or word in grammar.CLOSED:
            return found
        forms = [*stems(word), *(re.sub(r"(.)\1{2,}", put, word) for put in (r"\1\1", r"\1"))]  # "soooo good", "yayyy"
        return next((self._phrases[(form,)] for form in forms if (form,) in self._phrases), None)

    def _at(self, words: Sequence[Token], place: int) -> Found | None:
        for length in range(min(self._longest.get(words[place].text, 1), len(words) - place), 1, -1):
            entry = self._phrases.get(tuple(token.text for token in words[place : place + length]))
            if entry:
                return Found(place, place + length, entry)
        entry = self.word(words[place].text)
        return Found(place, place + 1, entry) if entry else None


def stems(word: str) -> Iterator[str]:
    """What an English word may be a form of, likeliest first."""
    for ending, puts in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            body = word[: -len(ending)]
            for put in puts:
                yield body + put
            if len(body) > 3 and body[-1] == body[-2] and ending in ("ed", "ing", "er", "est"):
                yield body[:-1]


_ENDINGS = (
    ("ies", ("y",)), ("es", ("", "e")), ("s", ("",)), ("ied", ("y",)), ("ed", ("", "e")), ("ing", ("", "e")),
    ("iest", ("y",)), ("ier", ("y",)), ("est", ("", "e")), ("er", ("", "e")),
    ("ily", ("y",)), ("bly", ("ble",)), ("ly", ("", "le")),
)  # fmt: skip


@functools.cache
def own() -> Lexicon:
    """The lexicon that ships with burnish: the words written by hand for comments, and VADER's beside them."""
    return by_hand().with_words(vader(), OUT_OF_CONTEXT)


@functools.cache
def by_hand() -> Lexicon:
    """The words written for comments alone: English and Chinese, those with a respect of their own among them."""
    return Lexicon(dict(_written()))


def vader() -> dict[str, float]:
    """Word or sign -> mean grade of ten raters, from -4 to 4 (Hutto and Gilbert 2014).

    Numbers are left out: "143" is no slang for love in "143 pages".
    """
    rows = (line.split("\t") for line in _lines(_VADER))
    return {word: float(valence) for word, valence in rows if not word.isdecimal()}


def _written() -> Iterator[tuple[str, Entry]]:
    for name in _BY_HAND:
        for line in _lines(name):
            valence, aspect, words = line.split("\t")
            wanted = valence == "="
            entry = Entry(0.0 if wanted else float(valence), aspect.strip("."), wanted)
            yield from ((_BLANK.sub(" ", word), entry) for word in words.split())


def _lines(name: str) -> Iterator[str]:
    """The lines of a list that lies beside this file, those that say something of it left out."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").split("\n")
    return (line for line in lines if line and not line.startswith("#"))
