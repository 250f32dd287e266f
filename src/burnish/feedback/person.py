"""One person in figures: what is known of how somebody answers, and the words for it.

A judge is a person here too. Nothing in these figures is a verdict to show to that person: a small slope may be a hard
question, a liking for the left a screen that never turns the sides.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from burnish.records import Author, Interval


class Manner(enum.Enum):
    """How a person answers, as far as the answers show it."""

    CAREFUL = "careful"
    CARELESS = "careless"
    """Guesses: what they say hardly follows what others see."""
    ADVERSARIAL = "adversarial"
    """Says the opposite of what others see: turned scale, misread question, or malice."""
    ONE_SIDED = "one-sided"
    """Picks a side of the screen, whatever stands there."""
    ONE_ANSWER = "one answer"
    """Gives the same answer nearly always, where others differ."""
    UNCLEAR = "unclear"
    """The answers fit more than one of these."""
    FEW = "too few answers"
    ALONE = "alone"
    """Nobody else answered the same questions."""


LEAST_ANSWERS = 10
HURRIED = 0.2
"""Share of hurried answers that is told; a few clicks come fast to everybody."""
SURE = 0.85
"""Posterior probability at which a manner is named."""
BEYOND_CHANCE = 1.645
"""Standard errors that one in twenty who guess would reach."""
ONE_ANSWER_SHARE = 0.8
SLIGHT = 0.3
"""Slopes between minus this and this are a guesser's; 1 is a careful person's."""
LEANING = 0.85
"""A liking for a side of this size (logit) is 70 to 30 between equal texts."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the 95% interval of a Beta(1, 1) posterior."""

    hits: int
    of: int

    @property
    def interval(self) -> Interval:
        from scipy.stats import beta  # slow to import, and only here

        a, b = 1 + self.hits, 1 + self.of - self.hits
        low, high = beta.ppf((0.025, 0.975), a, b)
        return Interval(mean=a / (a + b), low=float(low), high=float(high), n=self.of)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the standard deviation of its posterior."""

    mean: float
    spread: float

    @property
    def interval(self) -> Interval:
        half = float(ndtri(0.975)) * self.spread
        return Interval(mean=self.mean, low=self.mean - half, high=self.mean + half, n=1)

    def between(self, low: float, high: float) -> float:
        """Posterior probability that it lies there."""
        spread = max(self.spread, 1e-9)
        return float(ndtr((high - self.mean) / spread) - ndtr((low - self.mean) / spread))


@dataclass(frozen=True, slots=True)
class Person:
    """Figures of one author; None where there is nothing to tell them from."""

    author: Author
    by_kind: Mapping[str, int]
    votes: int = 0
    """Comparisons, and neighbours in rankings."""
    slope: Estimate | None = None
    """How closely votes follow what others see: 1 careful, 0 guesses, negative the opposite."""
    side: Estimate | None = None
    """Logit of choosing the one shown first among equals."""
    sees: Mapping[str, Estimate] = field(default_factory=dict)
    """The same slope in ratings and thumbs, by kind."""
    strict: Mapping[str, Estimate] = field(default_factory=dict)
    """How much stricter than the group, in logits, by kind."""
    follows: Mapping[str, float] = field(default_factory=dict)
    """By "vote" or kind: how far answers go with the others', in standard errors of somebody who guesses. Slopes are
    relative to each other, so where all guess some look careful; this tells."""
    right: Mapping[str, Estimate] = field(default_factory=dict)
    """How often thumbs ("thumb") and words marked or left alone ("span") are right: the skill of Dawid and Skene."""
    with_others: Share | None = None
    """Votes for what others say, where others lean."""
    gold: Share | None = None
    """Right answers to questions whose answer is known."""
    same_again: Share | None = None
    """Same answer to a question that came again."""
    drift: float | None = None
    """Chance level of a change over time: small means that the person answers otherwise than before."""
    run: str = ""
    """Kind and answer of a run too long for chance."""
    run_chance: float | None = None
    run_share: float = 0.0
    """Share of that kind's answers that the run is."""
    hurried: float | None = None
    """Share of answers faster than anybody reads."""
    seconds: float | None = None
    """Median time of an answer."""
    copied: Share | None = None
    """Texts of their own (comments, suggestions, what they put into a text) that repeat another's or the completion."""
    has_company: bool = True
    """Whether anybody else answered some of the same questions."""

    @property
    def answers(self) -> int:
        return sum(self.by_kind.values())

    @property
    def chances(self) -> dict[Manner, float]:
        """Posterior probability of each manner by the slope; being one-sided goes beside it, for both may hold."""
        slope = self.slope or next(iter(self.sees.values()), None)
        if slope is None:
            return {}
        told = {
            Manner.ADVERSARIAL: slope.between(-np.inf, -SLIGHT),
            Manner.CARELESS: slope.between(-SLIGHT, SLIGHT),
            Manner.CAREFUL: slope.between(SLIGHT, np.inf),
        }
        if self.side is not None:
            told[Manner.ONE_SIDED] = 1 - self.side.between(-LEANING, LEANING)
        return told

    @property
    def manner(self) -> Manner:
        """The manner that the figures name; being one-sided is told first, because it explains a small slope."""
        chances = self.chances
        if not self.has_company:
            return Manner.ALONE
        if not chances or self._told_from < LEAST_ANSWERS:
            return Manner.FEW
        if self.run_share >= ONE_ANSWER_SHARE:
            return Manner.ONE_ANSWER
        for manner in (Manner.ONE_SIDED, Manner.ADVERSARIAL, Manner.CARELESS, Manner.CAREFUL):
            if chances.get(manner, 0.0) >= SURE and self._bears_out(manner):
                return manner
        return Manner.UNCLEAR

    @property
    def _told_from(self) -> int:
        """Answers that the manner is told from: votes, or else those of the first kind that was graded."""
        return self.votes if self.slope else self.by_kind.get(next(iter(self.sees), ""), 0)

    def _bears_out(self, manner: Manner) -> bool:
        """Whether answers that had no part in the fit agree with the manner."""
        sign = {Manner.CAREFUL: 1.0, Manner.ADVERSARIAL: -1.0}.get(manner, 0.0)
        kind = "vote" if self.slope else next(iter(self.sees), "")
        return not sign or sign * self.follows.get(kind, 0.0) >= BEYOND_CHANCE

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "author": {"id": self.author.id, "kind": self.author.kind},
            "answers": self.answers,
            "by_kind": dict(self.by_kind),
            "manner": self.manner.value,
            "chances": {manner.value: round(chance, 4) for manner, chance in self.chances.items()},
            "votes": self.votes,
            "slope": _told(self.slope),
            "side": _told(self.side),
            "sees": {kind: _told(found) for kind, found in self.sees.items()},
            "strict": {kind: _told(found) for kind, found in self.strict.items()},
            "right": {kind: _told(found) for kind, found in self.right.items()},
            "follows_z": dict(self.follows),
            **{name: _told(getattr(self, name)) for name in ("with_others", "gold", "same_again", "copied")},
            "drift_p": self.drift,
            "longest_run": {"what": self.run, "p": self.run_chance} if self.run else None,
            "hurried": self.hurried,
            "median_seconds": self.seconds,
        }


def _told(found: Estimate | Share | None) -> dict[str, Any] | None:
    if found is None:
        return None
    interval = found.interval
    told: dict[str, Any] = {"mean": interval.mean, "ci95": [interval.low, interval.high]}
    return {**told, "hits": found.hits, "of": found.of} if isinstance(found, Share) else told
