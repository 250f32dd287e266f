"""A comment, read by rule: what each clause says, in which respect, of which part; a value for the whole; how sure.

    strength of a text     s = sum over clauses w_c sum over opinions v / sqrt(n) + 0.5 for each "!" (at most four)
    value                  4 s / (|s| + HALF_WAY), on the scale of people's ratings, -4 .. 4
    variance               by how many opinions were found and whether they agree (`VARIANCES`)

w_c are the clauses' weights, v the opinions' valences, n their number: the root keeps long texts from winning by
length, as a sum would let them, and one word from counting as much as ten, as a mean would. An aspect's score is made
of its own opinions, the weightiest counting one: that the facts are wrong is no less so because "but it is short"
follows.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish.feedback.words import aspects, grammar, polarity, target
from burnish.feedback.words.aspects import Aspects
from burnish.feedback.words.clauses import Clause, clauses
from burnish.feedback.words.lexicon import Lexicon, own
from burnish.feedback.words.polarity import Opinion
from burnish.feedback.words.tokens import Token
from burnish.records import Span

EXCLAIMED, MOST_EXCLAIMED = 0.5, 4
HALF_WAY = 4.0
"""Strength at which a text is halfway to the end of the scale. This and the variances are fitted to the half of the
real rated texts that nothing is measured on: films, products and tweets, each set counting as much as the others
(`benchmarks/words.py --choose` prints the fit; without it, how often the stated ranges hold on the other half)."""
VARIANCES = (1.35, 1.15, 1.0)
"""Variance of a value as an estimate of what people read in the text, with one opinion found, with two, with more."""
MIXED = 2.05
"""The same where some opinions are good and some are bad."""
SARCASTIC = 1.4
"""Factor on the variance where there is a sign of sarcasm."""
SILENT, SARCASM, ASKS, BOTH = "no words of opinion", "perhaps sarcasm", "only asks", "says both good and bad"
"""Doubts about a reading."""
LEAST = 0.05
"""A value nearer to 0 than this has no sign."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one clause says in one respect."""

    text: str
    """The clause."""
    start: int
    """Where it stands in the comment, in characters; `end` is exclusive."""
    end: int
    aspect: str
    """Empty where it speaks of the whole."""
    value: float
    """From -4 to 4."""
    spans: tuple[Span, ...] = ()
    """The parts of the completion that the clause names."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value from -4 to 4 with its variance."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One comment, read."""

    comment: str
    said: tuple[Said, ...]
    whole: Estimate | None
    """None where nothing that the rules can read was said; never turned into 0."""
    aspects: Mapping[str, Estimate] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    """Why the reading may be wrong, for people."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """All parts of the completion that were named, each once."""
        return tuple(dict.fromkeys(span for said in self.said for span in said.spans))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A comment in parts: its tokens, its clauses, and the opinions of each clause."""

    text: str
    words: Sequence[Token]
    clauses: Sequence[Clause]
    opinions: Sequence[Sequence[Opinion]]

    @property
    def weighed(self) -> list[list[float]]:
        """Weight times valence of the opinions of each clause."""
        return [
            [clause.weight * each.valence for each in found]
            for clause, found in zip(self.clauses, self.opinions, strict=True)
        ]

    @property
    def strength(self) -> float:
        """How positive the comment is as a whole, unbounded; 0 where it holds no opinion."""
        return _strength([valence for found in self.weighed for valence in found], self.text)


def read(
    comment: str, completion: str = "", *, lexicon: Lexicon | None = None, own_aspects: Aspects | None = None
) -> Reading:
    """The reading of a comment on a completion; without a completion it names no parts.

    `lexicon`: words of opinion (default: those that ship); `own_aspects`: `Aspects.with_own` of the user's list.
    """
    known = own_aspects or aspects.DEFAULT
    parsed = parse(comment, _knowing(lexicon or own(), own_aspects) if own_aspects else lexicon, completion)
    said = [
        each
        for part, found in zip(parsed.clauses, parsed.opinions, strict=True)
        for each in _said(parsed, completion, part, found, known)
    ]
    doubts = _doubts(parsed)
    weighed = [valence for found in parsed.weighed for valence in found]
    if not weighed:
        return Reading(comment, tuple(said), None, {}, doubts)
    whole = _estimate(weighed, comment, doubts)
    return Reading(comment, tuple(said), whole, _by_aspect(parsed, known, doubts), doubts)


def parse(text: str, lexicon: Lexicon | None = None, completion: str = "") -> Parsed:
    """A text's clauses with their opinions; what the completion is about counts as none (`Entry.by_itself`)."""
    known = lexicon or own()
    words = known.cut(text)
    parts = clauses(text, words)
    about = _words_of(completion)
    opinions = [polarity.opinions(words, part, known, about) for part in parts]
    return Parsed(text, words, parts, _answered(parts, opinions))


def strength(text: str, lexicon: Lexicon | None = None) -> float:
    """How positive a text is as a whole, unbounded; 0 where it holds no opinion. For many texts: faster than `read`."""
    return parse(text, lexicon).strength


def rule_value(found: float) -> float:
    """The value, from -4 to 4, that people give to a text of this strength on average."""
    return 4 * found / (abs(found) + HALF_WAY)


@functools.lru_cache(maxsize=8)
def _knowing(lexicon: Lexicon, known: Aspects) -> Lexicon:
    return lexicon.knowing(known.words())


@functools.lru_cache(maxsize=256)
def _words_of(completion: str) -> frozenset[str]:
    """The words of a completion in lower case; kept, because many comments may speak of one."""
    return frozenset(re.findall(r"[^\W\d_]+", completion.lower()))


# ------------------------------------------------------------------------------------------------------------ the whole


def _answered(parts: Sequence[Clause], opinions: Sequence[Sequence[Opinion]]) -> list[Sequence[Opinion]]:
    """The opinions, those of a question turned that a bare "no" answers: "Useful? Not really." """
    after = [list(found) for found in opinions]
    for place in range(1, len(parts)):
        asked, short = parts[place - 1].asked, parts[place].last - parts[place].first <= 3
        denied = [each.valence for each in after[place]] == [polarity.UNRESOLVED]
        if asked and short and denied and after[place - 1]:
            after[place - 1] = [polarity.turned(each) for each in after[place - 1]]
            after[place] = []
    return list(after)


def _strength(valences: Sequence[float], text: str) -> float:
    total = math.fsum(valences) / math.sqrt(max(1, len(valences)))
    marks = min(MOST_EXCLAIMED, text.count("!") + text.count("！"))
    return total + math.copysign(EXCLAIMED * marks, total) if abs(total) >= LEAST else total


def _estimate(valences: Sequence[float], text: str, doubts: Sequence[str]) -> Estimate:
    value = rule_value(_strength(valences, text))
    mixed = min(valences) < -LEAST and max(valences) > LEAST
    variance = MIXED if mixed else VARIANCES[min(len(valences), len(VARIANCES)) - 1]
    return Estimate(value, variance * (SARCASTIC if SARCASM in doubts else 1))


# ------------------------------------------------------------------------------------------------------------ by aspect


def _by_aspect(parsed: Parsed, known: Aspects, doubts: Sequence[str]) -> dict[str, Estimate]:
    weighed: dict[str, list[tuple[float, float]]] = {}
    for part, found in zip(parsed.clauses, parsed.opinions, strict=True):
        for opinion in found:
            if aspect := _aspect(parsed.words, part, opinion, known):
                weighed.setdefault(aspect, []).append((part.weight, opinion.valence))
    return {
        aspect: _estimate([weight / max(given)[0] * valence for weight, valence in given], parsed.text, doubts)
        for aspect, given in weighed.items()
    }


def _aspect(words: Sequence[Token], part: Clause, opinion: Opinion, known: Aspects) -> str:
    """The aspect an opinion speaks of by itself, or that of what it is said of: the nearest named in its clause."""
    named = {place: name for place in range(part.first, part.last) if (name := known.named(words[place]))}
    inside = [name for place, name in named.items() if opinion.first <= place < opinion.last]
    if inside:
        return inside[0]  # the user's own list may claim a word of opinion: "slow" for speed
    outside = {place: name for place, name in named.items() if not opinion.first <= place < opinion.last}
    if opinion.aspect and not (outside and opinion.aspect in aspects.GIVES_WAY):
        return opinion.aspect
    # of two as near, the one before: "the tone is good, the facts are bad" without a comma
    nearest = min(outside, key=lambda place: (abs(place - opinion.first), place > opinion.first), default=None)
    return opinion.aspect if nearest is None else outside[nearest]


def _said(parsed: Parsed, completion: str, part: Clause, opinions: Sequence[Opinion], known: Aspects) -> list[Said]:
    """What one clause says, one for each aspect in it."""
    words = parsed.words
    by_aspect: dict[str, list[Opinion]] = {}
    for opinion in opinions:
        by_aspect.setdefault(_aspect(words, part, opinion, known), []).append(opinion)
    start, end = words[part.first].start, words[part.last - 1].end
    text = parsed.text[start:end]
    named = {word.text for word in words[part.first : part.last] if known.named(word)}
    voiced = {token.text for opinion in opinions for token in words[opinion.first : opinion.last]}
    made = []
    for aspect, given in by_aspect.items():
        value = _estimate([each.valence for each in given], "", ()).value
        if abs(value) > polarity.WANTED_THERE:
            spans = target.spans_of(text, completion, label=aspect, opinions=[*named, *voiced]) if completion else ()
            made.append(Said(text, start, end, aspect, value, spans))
    return made


# ---------------------------------------------------------------------------------------------------------------- doubt


def _doubts(parsed: Parsed) -> tuple[str, ...]:
    """Why a reading may be wrong."""
    found = [opinion for opinions in parsed.opinions for opinion in opinions]
    lower, why = parsed.text.lower(), []
    if not found:
        why.append(SILENT)
    if any(sign in lower for sign in grammar.SARCASM):
        why.append(SARCASM)
    if parsed.clauses and all(part.asked for part in parsed.clauses):
        why.append(ASKS)
    good = math.fsum(each.valence for each in found if each.valence > 0)
    bad = -math.fsum(each.valence for each in found if each.valence < 0)
    if found and min(good, bad) > 0.6 * max(good, bad):
        why.append(BOTH)
    return tuple(why)
