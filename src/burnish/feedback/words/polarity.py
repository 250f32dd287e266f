"""How positive each opinion of a clause is, after the words round it have turned, strengthened or weakened it.

For a word of valence v, with the factors f of what stands before it (`very`, `a bit`):

    said plainly          f * v
    turned (not, never)   -0.8 f * v   where v > 0,   -0.4 f * v  where v < 0:   "not bad" is less than "good"
    turned twice          as said plainly
    something wanted      0.2 where it is there, -1.6 where it is not
    asked for             -0.5 f v, at least -1:   "make it clearer", "it should be polite"

A negator that turns nothing ("that is no answer", "it never gets to the point") is a complaint by itself. That negating
a bad word gives a weak good one is from Taboada et al. (2011, §2.4); Hutto and Gilbert (2014) turn all by -0.74. The
numbers are ours, chosen among a few round ones on the half of the real rated texts that `benchmarks/words.py` never
measures on; no figure hangs on their digits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from burnish.feedback.words import grammar, negation
from burnish.feedback.words.clauses import Clause
from burnish.feedback.words.lexicon import Entry, Found, Lexicon, stems
from burnish.feedback.words.negation import Negator
from burnish.feedback.words.tokens import Token

TURNED_GOOD, TURNED_BAD = -0.8, -0.4
WANTED_THERE, WANTED_MISSING = 0.2, -1.6
UNRESOLVED = -1.0
"""A negator that turns no opinion."""
RID = 0.8
CONDITIONAL, LENT = 0.3, 1.3
REQUESTED = -1.0
"""What is asked for in so many words: somebody misses it."""
TOO_GOOD = 2.1
"""From here on "too" praises: "too funny", but "too nice"."""
_FRACTION = re.compile(r"(\d+(?:\.\d)?)/(5|10|100)")
_STARS = {
    word: stars
    for stars, words in enumerate(("1 one 一", "2 two 两 二", "3 three 三", "4 four 四", "5 five 五"), 1)
    for word in words.split()
}
SHOUTED = 0.733
"""What capitals add (Hutto and Gilbert 2014)."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One thing said: how positive it is as said, and what words say it (tokens, end exclusive)."""

    first: int
    last: int
    valence: float
    aspect: str = ""
    """The respect that the words speak of by themselves; empty where they do not."""
    turned: bool = False


def opinions(
    words: Sequence[Token], clause: Clause, lexicon: Lexicon, about: Collection[str] = frozenset()
) -> list[Opinion]:
    """The opinions of one clause in their order; `about`: the words of what the clause speaks of."""
    part = words[clause.first : clause.last]
    found = [each for each in lexicon.find(part) if _is_opinion(part, each) and not _is_named(part, each, about)]
    negators = negation.negators(part, found)
    said, lent = _lent(part, _outside(found, negators))
    said = sorted([*said, *_too_much(part, found), *_grades(part)], key=lambda each: each.first)
    turns = negation.turned_by(part, said, negators)
    read: list[Opinion] = []
    wanted = [place for place, each in enumerate(said) if each.entry.wanted]
    counted = next((place for place in wanted if turns[place]), wanted[0] if wanted else -1)
    for place, each in enumerate(said):
        if each.entry.wanted and place != counted:
            continue  # "it does not answer the question" misses one thing, not two
        read.append(_read(part, each, len(turns[place]), LENT if each.first in lent else 1.0))
    used = {negator for by in turns for negator in by}
    read.extend(_unresolved(part, [negator for negator in negators if negator not in used], read))
    return [Opinion(o.first + clause.first, o.last + clause.first, o.valence, o.aspect, o.turned) for o in read]


def turned(opinion: Opinion) -> Opinion:
    """The opinion said the other way round."""
    valence = opinion.valence * (TURNED_GOOD if opinion.valence > 0 else TURNED_BAD)
    return replace(opinion, valence=valence, turned=not opinion.turned)


# ------------------------------------------------------------------------------------------------- what is an opinion


def _is_opinion(part: Sequence[Token], found: Found) -> bool:
    """All entries but "like" where it compares: "it sounds like a poem"."""
    word = part[found.first].text
    after = part[found.last].text if found.last < len(part) else ""
    if word == "well" and found.last == 1 and after:
        return False  # "Well, ..."
    if word == "clearly" and after and not after.endswith(("ed", "en", "ing")):
        return False  # "it clearly did not"
    if word != "like" or found.last > found.first + 1:
        return True
    return found.first > 0 and part[found.first - 1].text in grammar.LIKERS


def _is_named(part: Sequence[Token], found: Found, about: Collection[str]) -> bool:
    """Whether a word rather names what is spoken of: "the war is over too soon" of a text with a war in it."""
    word = part[found.first].text
    return found.entry.by_itself and any(form in about for form in (word, *stems(word)))


def _outside(found: Sequence[Found], negators: Sequence[Negator]) -> list[Found]:
    """What says something and is no part of a negator: `longer` is one of "no longer"."""
    inside = {place for n in negators for place in range(n.first, n.last) if n.last > n.first + 1}
    says = [each for each in found if each.entry.valence or each.entry.wanted]
    return [each for each in says if each.first not in inside or each.last > each.first + 1]


def _lent(part: Sequence[Token], said: Sequence[Found]) -> tuple[list[Found], set[int]]:
    """What is left when opinions that only strengthen the next one are gone, and where those next ones stand."""
    following = {each.first: each for each in said}
    lending = [each for each in said if _lends(part, each, following.get(each.last))]
    return [each for each in said if each not in lending], {each.last for each in lending}


def _lends(part: Sequence[Token], each: Found, after: Found | None) -> bool:
    """Whether an opinion only strengthens the next one: "spectacularly stupid", "a complete mess", "damn good"."""
    if after is None or each.last > each.first + 1 or not after.entry.valence:
        return False
    word = part[each.first].text
    strengthens = (word.endswith("ly") and len(word) > 4) or (word,) in grammar.FACTORS
    return strengthens or (word in grammar.LENDS and after.entry.valence < 0)


def _too_much(part: Sequence[Token], found: Sequence[Found]) -> list[Found]:
    """Complaints made by "too" of a word that no list knows: "too technical"."""
    known = {place for each in found for place in range(each.first, each.last)}
    return [
        Found(place + 1, place + 2, Entry(-1.0))
        for place, token in enumerate(part[:-1])
        if token.text == "too" and place + 1 not in known and part[place + 1].text.isalpha()
        and part[place + 1].text not in grammar.CLOSED and len(part[place + 1].text) > 3
    ]  # fmt: skip


def _grades(part: Sequence[Token]) -> Iterator[Found]:
    """Grades given in words: "8/10", "two stars", 五星."""
    for place, token in enumerate(part):
        after = part[place + 1].text if place + 1 < len(part) else ""
        share = _FRACTION.fullmatch(token.text)
        if share and float(share[1]) <= float(share[2]):
            yield Found(place, place + 1, Entry(6 * float(share[1]) / float(share[2]) - 3))
        elif after in ("star", "stars", "星") and token.text in _STARS:
            yield Found(place, place + 2, Entry(1.5 * _STARS[token.text] - 4.5))


# ----------------------------------------------------------------------------------------------------------- strength


def _read(part: Sequence[Token], found: Found, turned: int, lent: float) -> Opinion:
    entry, flips = found.entry, turned % 2 == 1
    if entry.wanted:
        if flips:
            return Opinion(found.first, found.last, WANTED_MISSING, entry.aspect, flips)
        if _is_request(part, found.first) or part[0].text in ("more", "fewer", "less"):
            return Opinion(found.first, found.last, REQUESTED, entry.aspect)
        return Opinion(found.first, found.last, WANTED_THERE)  # to name a thing says nothing of how good it is
    factor, complaint = _factor(part, found.first)
    valence = entry.valence + (SHOUTED if entry.valence > 0 else -SHOUTED) * part[found.first].shouted
    if complaint and abs(valence) <= 1:
        valence = -1.5
    elif complaint and 0 < valence <= TOO_GOOD:
        valence *= -0.6
    valence *= lent * factor * (CONDITIONAL if grammar.CONDITIONS.within(part, found.first) else 1)
    if grammar.WISHES.within(part, found.first):
        valence, flips = -0.5 * abs(valence), False
    elif valence > 0 and not flips and _is_request(part, found.first):
        valence = min(REQUESTED, -0.5 * valence)
    elif flips:
        valence *= TURNED_GOOD if valence > 0 else TURNED_BAD
    return Opinion(found.first, found.last, valence, entry.aspect, flips)


def _is_request(part: Sequence[Token], place: int) -> bool:
    """Whether what stands at a place is asked for: after "make it", "should", 请, or before a closing "please"."""
    return grammar.REQUESTS.within(part, place) or part[-1].text == "please"


def _factor(part: Sequence[Token], place: int) -> tuple[float, bool]:
    """The product of the factors that stand right before a place, articles passed over; and whether "too" is one."""
    factor, complaint, articles = 1.0, False, 0
    while place > 0:
        length = next(
            (n for n in (3, 2, 1) if n <= place and tuple(t.text for t in part[place - n : place]) in grammar.FACTORS),
            0,
        )
        if not length:
            if part[place - 1].text not in grammar.ARTICLES or articles == 2:
                break
            articles += 1
            place -= 1
            continue
        phrase = tuple(token.text for token in part[place - length : place])
        factor *= grammar.FACTORS[phrase]
        complaint = complaint or phrase[0] in grammar.TOO
        place -= length
    return factor, complaint


def _unresolved(part: Sequence[Token], left: Sequence[Negator], read: Sequence[Opinion]) -> list[Opinion]:
    """What negators say that turn no opinion; two of them make a good thing: "it lacks nothing"."""
    if not left or (read and all(part[n.first].text in ("no", "nor", "neither") and n.first == 0 for n in left)):
        return []
    lacking = [n for n in left if tuple(t.text for t in part[n.first : n.last]) in grammar.SELF_NEGATIVE.all]
    if len(left) == 2 and (lacking or any(part[n.first].text in ("nothing", "none") for n in left)):
        return [Opinion(left[0].first, left[-1].last, -UNRESOLVED, "", True)]
    if all(tuple(t.text for t in part[n.first : n.last]) in grammar.RIDS.all for n in left):
        return [Opinion(left[0].first, left[0].last, RID, "", True)]
    if read and not lacking:
        return []  # "I don't know, I love it": a clause with an opinion of its own says what it says
    return [Opinion(left[0].first, left[0].last, UNRESOLVED, "", True)]
