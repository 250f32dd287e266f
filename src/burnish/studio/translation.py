"""A message in the reader's language: rooms below say in English what is wrong, to commands, programs and logs alike.

What a person of the studio may be shown of it stands in `wording/told.toml` and `wording/mistakes.toml`: the English
sentence with placeholders beside the others. A message is told in the language of the reader where it fits one; else it
stays as it is, which is better than to be told something else. Names of places before it stay too (`overall: `).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from string import Formatter

from burnish.studio.wording import sentences

AREAS = ("told", "mistake")
"""Of the wording: those whose English is what an error says."""
HINT = "hint"
"""A placeholder of this name holds a sentence that is told in the reader's language in its turn."""
LONGEST = 1_000
"""Characters of a message that is looked up: what quotes a whole text is not, for looking takes time at every colon."""


def translated(message: str, language: str) -> str:
    """Return an English message in a language; as it is where nobody has written it in that language."""
    if language == "en" or len(message) > LONGEST:
        return message
    for places, rest in _from_each_place(message):
        if (found := _fitting(rest, language)) is not None:
            return places + found
    return message


def _from_each_place(message: str) -> Iterator[tuple[str, str]]:
    """Yield (places, rest): the whole message, then what stands behind its first colon, its second, ..."""
    yield "", message
    for colon in re.finditer(": ", message):
        yield message[: colon.end()], message[colon.end() :]


def _fitting(message: str, language: str) -> str | None:
    """Return a whole sentence in a language, None where none fits; of several the one with most words of its own."""
    for key, pattern in _patterns():
        if found := pattern.fullmatch(message):
            values = found.groupdict()
            if values.get(HINT):
                values[HINT] = translated(values[HINT], language)
            sentence = sentences()[key][language]
            return sentence.format_map({name: _AsItIs(value) for name, value in values.items()}) if values else sentence
    return None


class _AsItIs(str):
    """A value taken out of a message, where it was formatted already."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return (key, pattern) of every English sentence, those with most words of their own first."""
    found = []
    for key, said in sentences().items():
        if key.partition(".")[0] in AREAS:
            pattern, own = _pattern(said["en"])
            found.append((own, key, re.compile(pattern, re.DOTALL)))
    return tuple((key, pattern) for _, key, pattern in sorted(found, key=lambda each: -each[0]))


_VALUE = ".+?"
_FIRST_VALUE = "(?:(?!: ).)+?"
"""With which a sentence begins: what ends in a colon is a place, and no part of it."""


def _pattern(sentence: str) -> tuple[str, int]:
    """Return the pattern of what a sentence can become, and how many of its characters stand whatever it tells."""
    parts = list(Formatter().parse(sentence))
    if any(name is not None and not name.isidentifier() for _, name, _, _ in parts):
        return re.escape(sentence), len(sentence)  # its braces are no placeholders: nothing is ever filled in
    pattern = ""
    for literal, name, _, _ in parts:
        pattern += re.escape(literal)
        if name is not None:
            value = _VALUE if pattern else _FIRST_VALUE
            pattern += f"(?P<{name}>{'.*?' if name == HINT else value})"
    return pattern, sum(len(literal) for literal, *_ in parts)
