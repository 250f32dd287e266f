"""Which opinions a negator turns: its scope, and the sayings in which it turns nothing.

A negator reaches forward to the end of its clause, over at most `SCOPE_WORDS` tokens, not beyond words such as
"because"; of several opinions it turns the first and those joined to it by "or" or "and" (Councill et al. 2010 find
that a scope by syntax beats a fixed window). It turns nothing that is said to be so in spite of it: "I could not have
said it better", "never so disappointed". A few reach backwards: "helpful it is not", "it wastes no words".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.feedback.words import grammar
from burnish.feedback.words.lexicon import Found
from burnish.feedback.words.tokens import Token


@dataclass(frozen=True, slots=True)
class Negator:
    """Tokens from `first` to `last` (exclusive) that turn what follows."""

    first: int
    last: int


def negators(part: Sequence[Token], found: Sequence[Found]) -> list[Negator]:
    """The negators of a clause that turn something; those inside phrases of the lexicon belong to the phrase."""
    taken = {place for each in found if each.last > each.first + 1 or not part[each.first].text.isascii()
             for place in range(each.first, each.last)}  # fmt: skip
    read, place = [], 0
    while place < len(part):
        passed = grammar.NOT_NEGATORS.at(part, place)
        length = 0 if passed or place in taken else grammar.NEGATORS.at(part, place)
        if length:
            read.append(Negator(place, place + length))
        place += passed or length or 1
    return read


def turned_by(part: Sequence[Token], said: Sequence[Found], given: Sequence[Negator]) -> list[list[Negator]]:
    """For each opinion, the negators that turn it."""
    turns: list[list[Negator]] = [[] for _ in said]
    for negator in given:
        first = -1
        for place, each in enumerate(said):
            if each.first < negator.last or not _reaches(part, negator, each):
                continue
            if first >= 0 and not _joined(part, said[place - 1], each) and not said[first].entry.wanted:
                break
            first = place if first < 0 else first
            if not _presupposed(part, negator, each):
                turns[place].append(negator)
    for place, each in enumerate(said):
        _add_around(part, each, given, turns, place)
        if len({part[n.first].text for n in turns[place]} & {"neither", "nor"}) == 2:
            turns[place].pop()  # "neither ... nor" is one negation
    return turns


def _reaches(part: Sequence[Token], negator: Negator, each: Found) -> bool:
    if not part[each.first].text[0].isalnum():
        return False  # a sign stands for the writer's mood, not for a word of the sentence
    between = [token.text for token in part[negator.last : each.first]]
    return len(between) <= grammar.SCOPE_WORDS and not grammar.SCOPE_ENDS.intersection(between)


def _joined(part: Sequence[Token], before: Found, after: Found) -> bool:
    return all(token.text in grammar.JOINTS for token in part[before.last : after.first])


def _presupposed(part: Sequence[Token], negator: Negator, each: Found) -> bool:
    """Whether what is said holds in spite of the negator.

    "I could not have said it better", "never seen a clearer one", "never so disappointed", "did not expect it to be
    this good", "cannot recommend it enough", "do not be so rude".
    """
    between = {token.text for token in part[negator.last : each.first]}
    near = between | {token.text for token in part[max(0, negator.first - 2) : negator.first]}
    never = part[negator.first].text == "never"
    can = part[negator.first - 1].text in ("can", "could") if negator.first else False
    degree = between & {"so", "such", "this", "that"}
    if _compares(part, each) and near & grammar.REACHING:
        return True
    if degree and (never or between & grammar.EXPECTED or "be" in between):
        return True
    return can and any(token.text == "enough" for token in part[each.last :]) and each.entry.valence > 0


def _compares(part: Sequence[Token], each: Found) -> bool:
    word = part[each.first].text
    return (
        word in ("better", "worse")
        or (each.first > 0 and part[each.first - 1].text == "more")
        or (word.endswith("er") and len(word) > 4 and each.last == each.first + 1)
    )


def _add_around(
    part: Sequence[Token], each: Found, given: Sequence[Negator], turns: list[list[Negator]], place: int
) -> None:
    """Turns that do not come from before: "it wastes no words", "helpful it is not", "too vague to be useful"."""
    after = part[each.last].text if each.last < len(part) else ""
    if after in ("no", "nothing", "nobody", "none"):
        turns[place].extend(negator for negator in given if negator.first == each.last)
    ends = [negator for negator in given if negator.last == len(part) and part[negator.first].text == "not"]
    if ends and each.first == 0:
        turns[place].extend(ends)
    before = [token.text for token in part[: each.first]]
    if "too" in before and "to" in before[before.index("too") :] and each.entry.valence > 0:
        turns[place].append(Negator(before.index("too"), before.index("too") + 1))
    if each.first and part[each.first - 1].text == "less":
        turns[place].append(Negator(each.first - 1, each.first))
