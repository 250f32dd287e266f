"""A text as the rules read it: full-width letters narrow, digits of all scripts plain, invisible characters gone.

People write personal data so that no machine should find it, and Chinese keyboards write wide signs by themselves.
The rules see one plain form; `Reading` leads from places in it back to places in the text.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

_INVISIBLE = frozenset("\ufe0f\u20e3\u00ad\u200b\u200c\u200d\u2060\ufeff\u180e\u200e\u200f")
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_SPACES = frozenset("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000")
_NUMERALS = str.maketrans("零〇一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖", "0012345678912" + "123456789")
_DIGIT = "[0-9零〇一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖]"  # noqa: RUF001 -- the Chinese zero
_SPELLED = re.compile(rf"{_DIGIT}(?:[ \-,、]?{_DIGIT}){{6,}}")
"""Seven numerals in a row, or numerals among digits, are digits being read out; fewer may be a date or a word."""
_LETTER_BY_LETTER = re.compile(r"(?<!\S)(?:\S ){5,}\S(?!\S)")
_LOOKALIKES = str.maketrans("OolI", "0011")
_DISGUISED = re.compile(r"(?<![A-Za-z0-9_+/=.\-])[0-9OolI](?:[ .\-()]{0,2}[0-9OolI]){6,18}(?![A-Za-z0-9_/=\-])")
"""Seven digits and more, with letters among them that look like digits."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The plain form of a text and the place of each of its characters."""

    text: str
    places: tuple[int, ...] | None
    """Where each character came from; None where nothing was changed in length."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the text that a part of the plain form came from."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def read(text: str) -> Reading:
    """The plain form of a text, character by character, so that every place leads back."""
    if text.isascii():
        return Reading(text, None)
    plain: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for each in character if character < "\x80" else _plain(character):
            plain.append(each)
            places.append(place)
    found = _SPELLED.sub(lambda match: match[0].translate(_NUMERALS), "".join(plain))
    return Reading(found, tuple(places))


def closed_up(reading: Reading) -> Reading:
    """A reading without the blanks in what is written letter by letter: p a s s w o r d, 文 华 路 5 6 号."""
    blanks = {
        place
        for match in _LETTER_BY_LETTER.finditer(reading.text)
        for place in range(match.start() + 1, match.end(), 2)
    }
    if not blanks:
        return reading
    places = reading.places or tuple(range(len(reading.text)))
    kept = [place for place in range(len(reading.text)) if place not in blanks]
    return Reading("".join(reading.text[place] for place in kept), tuple(places[place] for place in kept))


def undisguised(text: str) -> str:
    """A text of the same length with 0 and 1 in the place of letters that look like them among digits: O7700 9OO 238.

    "I" and "l" alone are words. What has letters by right (an IBAN) is read as it was, too.
    """

    def plain(match: re.Match[str]) -> str:
        digits, letters = sum(map(str.isdigit, match[0])), sum(map(str.isalpha, match[0]))
        words = any(each in ("I", "l", "Il", "lI", "lo") for each in re.split(r"[ .\-()]", match[0]))
        return match[0].translate(_LOOKALIKES) if 0 < letters < digits and digits >= 4 and not words else match[0]

    return _DISGUISED.sub(plain, text)


def bare(number: str) -> str:
    """A number without separators, letters in capitals."""
    return "".join(each for each in number if each.isalnum()).upper()


@functools.lru_cache(maxsize=8192)
def _plain(character: str) -> str:
    """The plain form of one character; nothing for an invisible one."""
    if character in _INVISIBLE:
        return ""
    if character in _DASHES:
        return "-"
    if character in _SPACES:
        return " "
    digit = unicodedata.digit(character, None)
    if digit is not None and unicodedata.category(character) == "Nd":
        return str(digit)
    simple = unicodedata.normalize("NFKC", character)
    return simple if simple.isascii() else character
