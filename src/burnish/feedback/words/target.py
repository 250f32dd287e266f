"""The part of a completion that words speak of: quoted text, a numbered part, or a word that stands in it.

Quotes are looked for first as they are, then with case and blanks made equal. "The second sentence", "paragraph 2",
"the last two lines", "the ending", 第二句, 最后一段 are counted in the completion. Only where neither is there do rare
words count: numbers, names and other words of content that stand in the completion at most `OFTEN` times. Of a part and
a part of it the narrower counts.
Spans are characters (code points), end exclusive; what cannot be found gives no span.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from burnish.feedback.words import grammar
from burnish.feedback.words.tokens import HAN
from burnish.records import Span

OFTEN = 3
Place = tuple[int, int]

_QUOTES = re.compile(
    r"“([^”]+)”|‘([^’]{2,})’|\"([^\"]+)\"|「([^」]+)」|『([^』]+)』|`([^`]+)`|(?<!\w)'([^']{2,})'(?!\w)|《([^》]+)》"
)
_NUMBERS = (
    "first 1st one 1 一", "second 2nd two 2 二 两", "third 3rd three 3 三", "fourth 4th four 4 四",
    "fifth 5th five 5 五", "sixth 6th six 6 六", "seventh 7th seven 7 七", "eighth 8th eight 8 八",
    "ninth 9th nine 9 九", "tenth 10th ten 10 十",
)  # fmt: skip
_NUMBER = {word: value for value, words in enumerate(_NUMBERS, start=1) for word in words.split()}
_ORDINAL = "|".join(word for words in _NUMBERS for word in words.split()[:2])
_CARDINAL = r"one|two|three|four|five|six|seven|eight|nine|ten|\d{1,3}"
_UNIT = "sentence|paragraph|line|stanza|bullet|item|word"
_CHINESE_UNIT = {"句": "sentence", "段": "paragraph", "行": "line", "条": "item", "点": "item", "词": "word"}
_HAN_NUMBER = r"[一二两三四五六七八九十]|\d{1,3}"

_ENGLISH_PLACES = re.compile(
    rf"\b(?:(?P<first>{_ORDINAL}|last|final|penultimate|opening|closing)"
    rf"\s+(?:(?P<many>{_CARDINAL})\s+)?(?P<unit>{_UNIT})s?"
    rf"(?:\s+point)?|(?P<named>{_UNIT})\s+(?:no\.?\s*)?(?P<index>{_CARDINAL})"
    r"|the\s+(?:very\s+)?"
    r"(?P<edge>beginning|opening|start|intro|introduction|ending|end|conclusion|closing|title|heading))\b",
    re.IGNORECASE,
)
_CHINESE_PLACES = re.compile(
    rf"第(?P<index>{_HAN_NUMBER})(?P<unit>[句段行条点])"
    rf"|(?P<side>最后|末|首|前|后)(?P<many>{_HAN_NUMBER})?个?(?P<part>[句段行条点])"
    r"|(?P<edge>开头|开篇|结尾|末尾|结论|标题)"
)
_SENTENCE = re.compile(
    r"(?:[^.!?。！？\n]|[.!?](?=[^\s\"'”’)\]])|(?<=\b(?:Mr|Dr|St|vs))\.|(?<=\b(?:Mrs|e\.g|i\.e))\.)+[.!?。！？]*[\"'”’)\]」』]*"
)
_ITEM = re.compile(r"^[ \t]*(?:[-*•·]|\d+[.)、]|[（(]?[一二三四五六七八九十][)）、])[ \t]*\S.*$", re.MULTILINE)
_WORD = re.compile(rf"[^\W_{HAN}]+(?:['’.,:-][^\W_{HAN}]+)*")
_HAN = re.compile(f"[{HAN}]")
_FRONT, _BACK = ("beginning", "opening", "start", "intro", "introduction", "开头", "开篇"), ("title", "heading", "标题")


def spans_of(words: str, completion: str, *, label: str = "", opinions: Sequence[str] = ()) -> tuple[Span, ...]:
    """The parts of a completion that words speak of, in its order, none twice.

    `label`: what the spans are marked with; `opinions`: words that say what is thought and so name no part.
    """
    places = [*_quoted(words, completion), *_numbered(_without_quotes(words), completion)]
    if not places:
        places = list(_named(words, completion, {each.lower() for each in opinions}))
    return tuple(Span(start, end, label) for start, end in _narrowest(places))


def _narrowest(places: Sequence[Place]) -> list[Place]:
    """The places in order, without those that hold another one: a quote says more than the sentence it is from."""
    found = sorted({place for place in places if place[1] > place[0]})
    return [p for p in found if not any(q != p and p[0] <= q[0] and q[1] <= p[1] for q in found)]


def sentences(text: str) -> list[Place]:
    """Where each sentence of a text stands, blanks round it left out."""
    return [_stripped(text, *match.span()) for match in _SENTENCE.finditer(text) if match[0].strip()]


def quotes(words: str) -> list[str]:
    """The quoted texts in a comment."""
    return [next(part for part in match.groups() if part) for match in _QUOTES.finditer(words)]


def find(quote: str, text: str) -> list[Place]:
    """Where a quote stands in a text: as it is, or else with case, blanks and quotation marks made equal."""
    wanted = quote.strip().strip(".,;:!?。，；：！？…")
    if not wanted:
        return []
    exact = [place for place in _exactly(wanted, text) if _is_whole(place, text)]
    if exact:
        return exact
    loose = re.sub("['’‘]", "['’‘]", r"\s+".join(re.escape(part) for part in wanted.split()))
    places = [match.span() for match in re.finditer(loose, text, re.IGNORECASE)]
    return [place for place in places if _is_whole(place, text)]


# -------------------------------------------------------------------------------------------------------------- quoted


def _quoted(words: str, completion: str) -> Iterator[Place]:
    for quote in quotes(words):
        yield from find(quote, completion)


def _exactly(wanted: str, text: str) -> Iterator[Place]:
    start = text.find(wanted)
    while start >= 0:
        yield start, start + len(wanted)
        start = text.find(wanted, start + len(wanted))


def _is_whole(place: Place, text: str) -> bool:
    """Whether a place begins and ends where words do, so that "art" is not found in "start"."""
    start, end = place
    return not (
        (start > 0 and _joins(text[start - 1]) and _joins(text[start]))
        or (end < len(text) and _joins(text[end - 1]) and _joins(text[end]))
    )


def _joins(letter: str) -> bool:
    """Whether a letter is one that words are made of; Chinese characters are words by themselves."""
    return letter.isalnum() and not _HAN.match(letter)


def _without_quotes(words: str) -> str:
    return _QUOTES.sub(" ", words)


# ------------------------------------------------------------------------------------------------------------ numbered


def _numbered(words: str, completion: str) -> Iterator[Place]:
    for match in _ENGLISH_PLACES.finditer(words):
        if match["edge"]:
            yield from _edge(match["edge"].lower(), completion)
        else:
            units = _units((match["unit"] or match["named"]).lower(), completion)
            yield from _counted(units, (match["first"] or match["index"]).lower(), match["many"])
    for match in _CHINESE_PLACES.finditer(words):
        if match["edge"]:
            yield from _edge(match["edge"], completion)
        else:
            side = match["index"] or {"最后": "last", "末": "last", "后": "last"}.get(match["side"], "first")
            yield from _counted(_units(_CHINESE_UNIT[match["unit"] or match["part"]], completion), side, match["many"])


def _counted(units: Sequence[Place], which: str, many: str | None) -> Sequence[Place]:
    """The unit of that number, or so many from that end; none where the text has fewer."""
    count = _value(many) if many else 1
    if which in ("last", "final", "closing"):
        return units[-count:] if count <= len(units) else []
    first = {"opening": 1, "penultimate": len(units) - 1}.get(which) or _value(which)
    return units[first - 1 : first - 1 + count] if 1 <= first <= len(units) else []


def _value(number: str) -> int:
    return _NUMBER.get(number.lower()) or int(number)


def _units(unit: str, text: str) -> list[Place]:
    if unit == "sentence":
        return sentences(text)
    if unit in ("paragraph", "stanza"):
        return [
            _stripped(text, *each.span())
            for each in re.finditer(r"(?:(?!\n[ \t]*\n).)+", text, re.DOTALL)
            if each[0].strip()
        ]
    if unit in ("bullet", "item"):
        return [_stripped(text, *each.span()) for each in _ITEM.finditer(text)]
    pattern = r"[^\n]*\S[^\n]*" if unit == "line" else rf"[{HAN}]|[^\W_]+(?:['’-][^\W_]+)*"
    return [_stripped(text, *each.span()) for each in re.finditer(pattern, text)]


def _edge(name: str, text: str) -> list[Place]:
    """The beginning or the ending: a paragraph where there are several, else a sentence; a title is the first line."""
    if name in _BACK:
        lines = _units("line", text)
        return lines[:1] if len(lines) > 1 else []
    paragraphs = _units("paragraph", text)
    parts = paragraphs if len(paragraphs) > 1 else sentences(text)
    return parts[:1] if name in _FRONT else parts[-1:]


def _stripped(text: str, start: int, end: int) -> Place:
    whole = text[start:end]
    return start + len(whole) - len(whole.lstrip()), end - len(whole) + len(whole.rstrip())


# --------------------------------------------------------------------------------------------------------------- named


def _named(words: str, completion: str, opinions: set[str]) -> Iterator[Place]:
    """Rare words of the comment that stand in the completion."""
    index = _index(completion)
    for match in _WORD.finditer(words):
        word = match[0]
        counts = word[0].isdigit() or len(word) > 3 or (word[:1].isupper() and match.start() > 0 and len(word) > 1)
        if counts and word.lower() not in grammar.PLAIN and word.lower() not in opinions:
            places = index.get(word.lower(), ())
            yield from places if len(places) <= OFTEN else ()
    yield from _shared_chinese(words, completion, opinions)


@functools.lru_cache(maxsize=64)
def _index(text: str) -> Mapping[str, tuple[Place, ...]]:
    """Where each word of a text stands; kept, because every clause of every comment on a text asks for it."""
    places: dict[str, list[Place]] = {}
    for match in _WORD.finditer(text):
        places.setdefault(match[0].lower(), []).append(match.span())
    return {word: tuple(found) for word, found in places.items()}


def _shared_chinese(words: str, completion: str, opinions: set[str]) -> Iterator[Place]:
    """The longest runs of two or more Chinese characters that comment and completion share."""
    for match in re.finditer(f"[{HAN}]{{2,}}", words):
        run, start = match[0], 0
        while start < len(run) - 1:
            length = next((n for n in range(len(run) - start, 1, -1) if run[start : start + n] in completion), 0)
            shared = run[start : start + length]
            if length and shared not in opinions and shared not in grammar.PLAIN:
                places = [each.span() for each in re.finditer(shared, completion)]
                yield from places if len(places) <= OFTEN else ()
            start += length or 1
