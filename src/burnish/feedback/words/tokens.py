"""A comment as tokens with their places: English words, Chinese words by longest match, signs and marks.

Contractions come apart, so that "can't", "cannot" and "cant" are one thing to every rule: `can` + `not`. Every token
knows the characters it stands on (code points, end exclusive); normalising changes the token's text, never its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

_APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")
_PARTS = re.compile(
    r"(?P<skip>https?://\S+|www\.\S+|@\w+)"  # addresses and names say nothing, and ":/" in one is no sign
    rf"|(?P<han>[{HAN}]+)"
    r"|(?P<word>[^\W\d_" + HAN + r"]+(?:'[^\W\d_" + HAN + r"]+)*)"
    r"|(?P<number>\d+(?:[.,:/]\d+)*)"
    r"|(?P<mark>([.!?…。！？])[.!?…。！？]*|--+|[^\w\s]|_+)"
)
_GLUED = {
    **dict.fromkeys(("cannot", "cant"), ("can", "not")),
    **{f"{verb}nt": (verb, "not") for verb in (
        "do", "does", "did", "is", "are", "was", "were", "has", "have", "had", "would", "should", "could",
    )},
    "wont": ("will", "not"), "won't": ("will", "not"), "can't": ("can", "not"), "shan't": ("shall", "not"),
    "aint": ("is", "not"), "ain't": ("is", "not"), "gonna": ("going", "to"), "wanna": ("want", "to"),
}  # fmt: skip
_ENDINGS = ("n't", "'s", "'re", "'ve", "'ll", "'d", "'m")


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, sign or mark."""

    text: str
    """Lower case, straight apostrophes."""
    start: int
    end: int
    shouted: bool = False
    """Written in capitals, where the rest of the comment is not."""


def tokens(text: str, vocabulary: Vocabulary) -> list[Token]:
    """The tokens of a text in their order; Chinese is cut by the longest words of the vocabulary."""
    plain = text.translate(_APOSTROPHES)
    loud = _shouts(plain)
    found: list[Token] = []
    place = 0
    while match := _next(plain, place, vocabulary):
        start, end, kind = match
        place = end
        if kind == "han":
            found.extend(_chinese(plain, start, end, vocabulary))
        elif kind == "word":
            found.extend(_english(plain, start, end, loud))
        elif kind != "skip":
            found.append(Token(plain[start:end].lower(), start, end))
    return found


class Vocabulary:
    """The words that Chinese is cut into, and the signs (emoticons, emoji) that stand as one token."""

    def __init__(self, words: Iterable[str]) -> None:
        given = set(words)
        self.chinese = {word for word in given if re.fullmatch(f"[{HAN}]+", word)}
        self.longest = max(map(len, self.chinese), default=1)
        by_first: dict[str, list[str]] = {}
        for sign in sorted(filter(is_sign, given), key=len, reverse=True):
            by_first.setdefault(sign[0].lower(), []).append(_sign_pattern(sign))
        # asked for at every token of a text, so only the few signs are tried that begin as the text does there
        self._signs = {first: re.compile("|".join(each), re.IGNORECASE) for first, each in by_first.items()}

    def sign_at(self, text: str, place: int) -> re.Match[str] | None:
        """The longest sign that begins at a place; one with a letter in it (":D", "xD") not inside a word."""
        signs = self._signs.get(text[place].lower())
        return signs.match(text, place) if signs else None


def is_sign(word: str) -> bool:
    """Whether it is an emoticon or the like: no letter or digit, or some with a mark that no word has (`:d`, `<3`)."""
    if not re.search(r"[^\W_]", word):
        return True
    return bool(re.search(r"[^\w\s'.\-]", word)) and " " not in word and len(word) <= 4


def _sign_pattern(sign: str) -> str:
    before, after = (r"(?<!\w)" if sign[0].isalnum() else ""), (r"(?!\w)" if sign[-1].isalnum() else "")
    return before + re.escape(sign) + after


def _next(text: str, place: int, vocabulary: Vocabulary) -> tuple[int, int, str] | None:
    part = _PARTS.search(text, place)
    if part is None:
        return None
    # signs contain a mark, so one can only begin where no word or number was found before it
    sign = vocabulary.sign_at(text, part.start()) if part.group("skip") is None else None
    if sign:
        return sign.start(), sign.end(), "sign"
    return part.start(), part.end(), str(next(name for name in _KINDS if part.group(name)))


_KINDS = ("skip", "han", "word", "number", "mark")


def _english(text: str, start: int, end: int, loud: bool) -> Iterator[Token]:
    raw = text[start:end]
    word = raw.lower()
    shouted = loud and len(raw) > 1 and raw.isupper()
    if pair := _GLUED.get(word):
        cut = start + (len(pair[0]) if word.startswith(pair[0]) else 2)
        yield Token(pair[0], start, cut, shouted)
        yield Token(pair[1], cut, end, shouted)
        return
    ending = next((each for each in _ENDINGS if word.endswith(each) and len(word) > len(each)), "")
    cut = end - len(ending)
    yield Token(word[: len(word) - len(ending)], start, cut, shouted)
    if ending:
        yield Token("not" if ending == "n't" else ending, cut, end, shouted)


def _chinese(text: str, start: int, end: int, vocabulary: Vocabulary) -> Iterator[Token]:
    """Forward maximum matching: simple, needs no model, and long idioms win over their parts."""
    while start < end:
        for length in range(min(vocabulary.longest, end - start), 0, -1):
            if length == 1 or text[start : start + length] in vocabulary.chinese:
                yield Token(text[start : start + length], start, start + length)
                start += length
                break


def _shouts(text: str) -> bool:
    """Whether capitals mean something here: some words are written in them and some are not."""
    words: list[str] = re.findall(r"[A-Za-z]{2,}", text)
    capitals = sum(word.isupper() for word in words)
    return 0 < capitals < len(words)
