"""In which respect something is said: six aspects with seed words, and the user's own.

A word of opinion that speaks of an aspect by itself (`accurate`) carries it in the lexicon. The seeds here are what
plain words of opinion are said *of*: "the grammar is good", "语气很差".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.errors import InputError
from burnish.feedback.words import grammar
from burnish.feedback.words.lexicon import stems
from burnish.feedback.words.tokens import Token

SEEDS: Mapping[str, tuple[str, ...]] = {
    name.removeprefix("aspect_"): tuple(word for (word,) in phrases)
    for name, phrases in grammar.CLASSES.items()
    if name.startswith("aspect_")
}
"""Aspect -> what is said to be good or bad in that respect."""

GIVES_WAY = frozenset({"correctness"})
"""`right` and `wrong` speak of correctness unless something else is named: "the tone is right"."""


class Aspects:
    """Which token names which aspect."""

    def __init__(self, seeds: Mapping[str, Sequence[str]]) -> None:
        """`seeds`: aspect -> words that name it; of two aspects that claim a word the later has it."""
        empty = [name for name, words in seeds.items() if not name or not words]
        if empty:
            raise InputError(f"aspects: {empty[0]!r} has no seed words. Give the words that name it in comments.")
        self.seeds = {name: tuple(words) for name, words in seeds.items()}
        self._seeded = {word.lower(): name for name, words in seeds.items() for word in words}
        self._named: dict[str, str] = {}

    @classmethod
    def with_own(cls, own: Mapping[str, Sequence[str]]) -> Aspects:
        """The six aspects and the user's own list; a seed word of the user's counts for the user's aspect."""
        merged = {name: tuple(words) for name, words in SEEDS.items()}
        for name, words in own.items():
            merged[name] = (*merged.pop(name, ()), *words)
        return cls(merged)

    def named(self, token: Token) -> str:
        """The aspect that a token names, as it stands or without its ending; empty for none. Answers are kept."""
        if token.text not in self._named:
            forms = [token.text, *(stems(token.text) if token.text.isascii() else ())]
            self._named[token.text] = next((self._seeded[form] for form in forms if form in self._seeded), "")
        return self._named[token.text]

    def words(self) -> frozenset[str]:
        """All seed words, so that Chinese is cut into them."""
        return frozenset(word for words in self.seeds.values() for word in words)


DEFAULT = Aspects(SEEDS)
