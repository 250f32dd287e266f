"""In which respect something is said: six aspects with seed words, and the user's own.

A word of opinion that speaks of an aspect by itself (`accurate`) carries it in the lexicon. The seeds here are what
plain words of opinion are said *of*: "the grammar is good", "语气很差".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Aspects:
    """Which token names which aspect."""

    seeds: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        empty = [name for name, words in self.seeds.items() if not name or not words]
        if empty:
            raise InputError(f"aspects: {empty[0]!r} has no seed words. Give the words that name it in comments.")
        object.__setattr__(self, "_named", {word.lower(): name for name, words in self.seeds.items() for word in words})

    @classmethod
    def with_own(cls, own: Mapping[str, Sequence[str]]) -> Aspects:
        """The six aspects and the user's own list; a seed word of the user's counts for the user's aspect."""
        merged = {name: tuple(words) for name, words in SEEDS.items()}
        for name, words in own.items():
            merged[name] = (*merged.pop(name, ()), *words)
        return cls(merged)

    def named(self, token: Token) -> str:
        """The aspect that a token names; empty for none."""
        known: Mapping[str, str] = self._named  # type: ignore[attr-defined]
        found = known.get(token.text)
        if found is None and token.text.isascii():
            found = next((known[stem] for stem in stems(token.text) if stem in known), None)
        return found or ""

    def words(self) -> frozenset[str]:
        """All seed words, so that Chinese is cut into them."""
        return frozenset(word for words in self.seeds.values() for word in words)


DEFAULT = Aspects(SEEDS)
