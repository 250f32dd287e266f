"""An engine for people's names wherever they stand: lists of names, and rules of what stands beside them.

    burnish feedback mask rows.jsonl --engine names          needs pip install 'burnish[names]'
    Masker(key, engines=[people])

A word in capitals is no name yet. A known first name that is no ordinary word is one, with the capitals behind it; a
name that is a word too (Grace, Will) needs a last name; two unknown words in capitals need a known last name, a
surname's ending, or a word that people's names follow. Chinese is segmented (`people_chinese`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import available_timezones

from burnish.feedback.masking.findings import Finder, Finding
from burnish.feedback.masking.name_lists import Names, chinese_words, english_names, folded, word_sets
from burnish.feedback.masking.people_chinese import chinese_people, has_chinese

_LETTER = r"[^\W\d_]"
_WORD = re.compile(rf"{_LETTER}+(?:['\u2019\-]{_LETTER}+)*")
_WORDS = word_sets("english_beside_names.txt")
_PARTICLES = _WORDS["particles"]
_TITLES = _WORDS["titles"]
_SUFFIXES = _WORDS["suffixes"]
_CUES = _WORDS["cues"]
_SPEAKS = _WORDS["speaks"]
_ENDINGS = re.compile(
    r"(?:sk[iy]|ska|ck[iy]|cka|wicz|czyk|czak|owa|ova|enko|chuk|sson|ssen|sen|escu|opoulos|ides|yan|shvili|dze|mann|"
    r"berg|stein|meier|bauer|ez|inho|eau|elli|etti|ini|ucci|acci|azzi|wala|kar|swamy|nathan|wal|jee|ssy)$"
)
_LONGEST = 12
"""Words of a name at most: what repeats one for ever is not read to its end from each of them."""
_NOBODY = _WORDS["nobody"]
_HOUSES = _WORDS["houses"]
_BEGINNERS = _WORDS["beginners"]
_NAMES_AND_WORDS = _WORDS["both"]


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str
    key: str
    """Folded, to be looked up."""


def engine() -> Finder:
    """The engine, its lists read; raises InputError where a package of the extra `names` is missing."""
    english_names()
    chinese_words()
    return people


def people(text: str) -> Iterator[Finding]:
    """Names of people in a text, English or Chinese; raises InputError where the lists are not installed."""
    yield from english_people(text, english_names())
    if has_chinese(text):
        yield from chinese_people(text, chinese_words())


def english_people(text: str, names: Names) -> Iterator[Finding]:
    """Names of people in Latin letters."""
    tokens = _tokens(text)
    at = 0
    while at < len(tokens):
        end = _name_at(text, tokens, at, names) or _small_name_at(text, tokens, at, names)
        if end:
            yield Finding(tokens[at].start, tokens[end - 1].end, "NAME")
        at = end or at + 1


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _WORD.finditer(text):
        word = re.sub(r"['\u2019][sS]$", "", match[0])
        found.append(_Token(match.start(), match.start() + len(word), word, folded(word)))
    return found


def _name_at(text: str, tokens: list[_Token], at: int, names: Names) -> int | None:
    """The end of a name that begins at a token; None where none does."""
    first = tokens[at]
    if not _is_capital(first):
        return None
    if first.key in _TITLES:
        end = _extended(text, tokens, at, names)
        return end if end > at + 1 and tokens[end - 1].key not in _TITLES else None
    if not _may_begin(first, names):
        return None
    end = _extended(text, tokens, at, names)
    parts = [each for each in tokens[at:end] if _is_capital(each) and len(each.key) > 1]
    if " ".join(each.key for each in parts) in _places():
        return None
    said = _is_announced(text, tokens, at, end)
    if len(parts) == 1:
        return end if _alone(first, names, said, _begins_sentence(text, first)) else None
    return end if _together(parts, names, said, _begins_sentence(text, first)) else None


def _extended(text: str, tokens: list[_Token], at: int, names: Names) -> int:
    """The end of what a name that begins at a token can reach: capitals, initials, and particles between them."""
    end = at + 1
    sure = _is_first(tokens[at], names) and not _is_word(tokens[at], names)
    while end < min(len(tokens), at + _LONGEST) and _are_joined(text, tokens[end - 1], tokens[end]):
        each = tokens[end]
        leads_on = each.key in _PARTICLES and _ends_in_capital(text, tokens, end)
        belongs = tokens[end - 1].key in _PARTICLES or each.key in _SUFFIXES | _TITLES
        if not leads_on and not (_is_capital(each) and (belongs or _may_follow(each, names, sure))):
            break
        end += 1
    return end


def _ends_in_capital(text: str, tokens: list[_Token], at: int) -> bool:
    """Whether particles from here on lead to a capital: "de la Cruz"."""
    for before, after in zip(tokens[at:], tokens[at + 1 : at + 4], strict=False):
        if not _are_joined(text, before, after):
            return False
        if after.key not in _PARTICLES:
            return _is_capital(after)
    return False


def _are_joined(text: str, before: _Token, after: _Token) -> bool:
    between = text[before.end : after.start]
    if between in (" ", "\u00a0"):
        return True
    short = len(before.key) == 1 or before.key in _TITLES or before.key in _SUFFIXES
    return (short and between in (". ", ".")) or (after.key in _SUFFIXES and between == ", ")


def _is_capital(token: _Token) -> bool:
    return token.text[0].isupper() and (
        len(token.text) == 1 or not token.text.isupper() or token.key in _SUFFIXES | _TITLES
    )


def _is_word(token: _Token, names: Names) -> bool:
    return token.key in names.words or token.key in _NOBODY


def _is_first(token: _Token, names: Names) -> bool:
    return (
        token.key in names.first
        or token.key in _NAMES_AND_WORDS
        or ("-" in token.key and all(part in names.first for part in token.key.split("-")))
    )


def _is_last(token: _Token, names: Names) -> bool:
    return any(part in names.last or _ENDINGS.search(part) for part in (token.key, *token.key.split("-")))


def _may_begin(token: _Token, names: Names) -> bool:
    return len(token.key) > 1 and (not _is_word(token, names) or token.key in _NAMES_AND_WORDS)


def _may_follow(token: _Token, names: Names, sure: bool) -> bool:
    """Whether a capital goes on with a name; behind a sure first name any that begins no sentence does."""
    if len(token.key) == 1:
        return token.key != "i"
    if not _is_word(token, names) or _is_last(token, names):
        return token.key not in _BEGINNERS
    return sure and token.key not in _BEGINNERS | _NOBODY


def _alone(token: _Token, names: Names, said: bool, begins: bool) -> bool:
    """Whether one capital is somebody: a first name that is no word."""
    if _is_word(token, names) or token.key in _places() or len(token.key) < 3:
        return False
    return _is_first(token, names) and (said or not begins)


def _together(parts: list[_Token], names: Names, said: bool, begins: bool) -> bool:
    """Whether capitals behind one another are somebody."""
    first, others = parts[0], parts[1:]
    if _is_first(first, names):
        if not _is_word(first, names):
            return True
        return any(not _is_word(each, names) for each in others) or (said and not begins)
    if others[-1].key in _HOUSES or any(_is_word(each, names) for each in parts):
        return False
    return said or _is_last(others[-1], names) or any(_is_first(each, names) for each in others)


def _is_announced(text: str, tokens: list[_Token], at: int, end: int) -> bool:
    """Whether what stands before or behind is what stands beside people."""
    if at and tokens[at - 1].key in _CUES and "\n" not in text[tokens[at - 1].end : tokens[at].start]:
        return True
    before, after = text[: tokens[at].start], text[tokens[end - 1].end :]
    if re.search(r"(?:^|\n|, |: |[-\u2013\u2014] )$", before) and re.match(r"\s*(?:$|[\n,.(])", after):
        return True
    return after[:2] in ("'s", "\u2019s") or (end < len(tokens) and tokens[end].key in _SPEAKS)


def _begins_sentence(text: str, token: _Token) -> bool:
    before = text[: token.start].rstrip(" \"'\u201c(")
    return not before or before[-1] in ".!?:\n-\u2013\u2014\u2022*"


def _small_name_at(text: str, tokens: list[_Token], at: int, names: Names) -> int | None:
    """The end of a first and a last name in small letters, neither of them a word."""
    for token in tokens[at : at + 2]:
        if not token.text.islower() or _is_word(token, names) or len(token.key) < 3:
            return None
    if at + 1 >= len(tokens) or not _are_joined(text, *tokens[at : at + 2]):
        return None
    known = _is_first(tokens[at], names) and _is_last(tokens[at + 1], names)
    return at + 2 if known else None


@functools.cache
def _places() -> frozenset[str]:
    """Cities and countries that give a zone of time its name; the standard library has them."""
    return frozenset(part.replace("_", " ").lower() for zone in available_timezones() for part in zone.split("/"))
