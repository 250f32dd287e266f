"""A comment as clauses, each with its weight: what stands after "but" outweighs what stood before it.

A clause ends at a mark, before a connective, and before "and" with a subject of its own. In "A, but B" A counts half
and B one and a half times; in "although A, B" the same; in "A. However, B" the turn reaches back over the sentence
before. The weights are Hutto and Gilbert's (2014); that a connective outweighs without silencing is Polanyi and
Zaenen's (2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from burnish.feedback.words import grammar
from burnish.feedback.words.tokens import Token

SENTENCE_MARKS = frozenset(".!?…。！？")
CLAUSE_MARKS = frozenset(",;()[]，；（）、—–")
MOST_WORDS = 60
"""Tokens after which a clause is cut: nobody writes longer ones, and the cost of a clause grows with its square."""
_LONGEST = 4  # tokens in a phrase that turns nothing


class Role(Enum):
    """How a clause stands to the others of its sentence."""

    PLAIN = "plain"
    TURN = "turn"
    """It begins with "but" or its like."""
    YIELD = "yield"
    """It begins with "although" or its like."""


@dataclass(frozen=True, slots=True)
class Clause:
    """Tokens from `first` to `last` (exclusive), marks left out at both ends."""

    first: int
    last: int
    sentence: int
    role: Role = Role.PLAIN
    weight: float = 1.0
    asked: bool = False
    """It ends with a question mark."""


def clauses(text: str, words: Sequence[Token]) -> list[Clause]:
    """The clauses of a text in their order, weighed."""
    return _weighed(list(_split(text, words)))


def _split(text: str, words: Sequence[Token]) -> Iterator[Clause]:
    first, sentence, role, place = 0, 0, Role.PLAIN, 0
    while place < len(words):
        broken = place > first and "\n" in text[words[place - 1].end : words[place].start]
        if broken or place - first == MOST_WORDS:
            yield Clause(first, place, sentence, role)
            first, sentence, role = place, sentence + broken, Role.PLAIN if broken else role
        mark = _mark(text, words[place])
        if mark:
            if place > first:
                yield Clause(first, place, sentence, role, asked=mark in "?？")
                role = Role.PLAIN  # "but, in the end, it works": a mark right after a connective takes nothing from it
            sentence += mark in SENTENCE_MARKS
            place, first = place + 1, place + 1
            continue
        found, taken = _connective(words, place, begins=place == first)
        if found is not Role.PLAIN:
            if place > first:
                yield Clause(first, place, sentence, role)
            place, first, role = place + taken, place + taken, found
            continue
        if words[place].text == "and" and place > first and _is_subject(words, place + 1):
            yield Clause(first, place, sentence, role)  # what is joined to a clause shares its role
            first = place + 1
        place += 1
    if first < len(words):
        yield Clause(first, len(words), sentence, role)


def _mark(text: str, token: Token) -> str:
    """The mark that a token is, where it ends a clause; a sign such as ";-)" is none, a hyphen only between blanks."""
    mark = token.text[0]
    if mark in SENTENCE_MARKS or (mark in CLAUSE_MARKS and len(token.text) == 1) or token.text.startswith("--"):
        return mark
    apart = text[token.start - 1 : token.start].isspace() and text[token.end : token.end + 1].isspace()
    return mark if token.text == "-" and apart else ""


def _is_subject(words: Sequence[Token], place: int) -> bool:
    return place < len(words) and words[place].text in grammar.SUBJECTS


def _connective(words: Sequence[Token], place: int, *, begins: bool) -> tuple[Role, int]:
    """The role that a connective at this place gives to what follows, and its length in tokens."""
    taken, yields = grammar.TURNS.at(words, place), grammar.YIELDS.at(words, place)
    if not (taken or yields) or any(
        grammar.NOT_TURNS.at(words, place - back) > back for back in range(min(_LONGEST, place + 1))
    ):
        return Role.PLAIN, 0
    if yields > taken:
        return (Role.YIELD, yields) if begins or words[place].text != "while" else (Role.PLAIN, 0)
    last = place + taken >= len(words) or words[place + taken].text[0] in SENTENCE_MARKS
    if not taken or last or (not begins and grammar.ONLY_FIRST.at(words, place) == taken):
        return Role.PLAIN, 0
    return Role.TURN, taken


def _weighed(parts: Sequence[Clause]) -> list[Clause]:
    weights = [1.0] * len(parts)
    sentences: dict[int, list[int]] = {}
    for place, part in enumerate(parts):
        sentences.setdefault(part.sentence, []).append(place)
    for sentence, inside in sentences.items():
        turns = [place for place in inside if parts[place].role is Role.TURN]
        if turns:
            before = [place for place in inside if place < turns[-1]] or sentences.get(sentence - 1, [])
            for place in before:
                weights[place] *= grammar.BEFORE
            for place in inside if before else []:
                weights[place] *= grammar.AFTER if place >= turns[-1] else 1
        yields = [place for place in inside if parts[place].role is Role.YIELD]
        if yields and len(yields) < len(inside):
            for place in inside:
                weights[place] *= grammar.BEFORE if place in yields else grammar.AFTER
    return [replace(part, weight=weight) for part, weight in zip(parts, weights, strict=True)]
