"""Clicks, purchases, copies, dwell and asking again as scores, corrected for where the completion was shown.

People act on what they look at, and they look at the top. The examination model says

    P(acted) = e r,     e = P(looked at, shown like this),     r = P(acts | looked at)

and r is what speaks of the text. Each showing n is weighted by w_n = min(1 / e_n, `MOST_WEIGHT`), which makes

    r^ = (1/N) sum of w_n c_n

unbiased but for the clipping (Joachims, Swaminathan & Schnabel 2017, arXiv 1608.04468). e comes from the showing
(`exposure.propensity`), else from its `position` as (1 / position)^`eta` (the same paper, section 6), else it is 1;
`position_propensities` estimates it from data where completions were shown at several positions.

A few showings say little, so r^ is drawn towards the rate of all other completions (Buehlmann's credibility formula):

    value = m + B (r^ - m),   variance = t v / (t + v),   B = t / (t + v)

m that rate, t = m (1 - m) / (2a + 1) how far texts differ (Beta(2a m, 2a (1 - m)), a = `SignalConfig.prior_votes`), and
v what r^ may be off by: its sampling variance under the model plus the squared bias that clipping leaves. Without
position bias the value is the mean of the Beta posterior (`burnish.feedback.votes`), and the variance what that
posterior's is expected to be before the data are seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Score

MOST_WEIGHT = 10.0
"""Weights are clipped here: one action at a place that nobody looks at must not outvote a hundred at the top."""
SATISFIED_SECONDS = 30.0
"""Looking at a text for at least this long counts as being satisfied by it (Fox et al. 2005)."""
AGAINST = frozenset({"regenerate"})
"""Actions that speak against a text."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How looks fall off with position."""

    eta: float = 1.0
    """e = (1 / position)^eta where neither the showing nor `by_position` says; 0 for no position bias. At least 0."""
    by_position: Mapping[int, float] = field(default_factory=dict)
    """P(looked at) by position, from 1, as `position_propensities` estimates it; beats eta."""
    most_weight: float = MOST_WEIGHT
    """At least 1."""

    def __post_init__(self) -> None:
        if self.eta < 0 or self.most_weight < 1:
            raise InputError(
                f"exposure: eta {self.eta} and most_weight {self.most_weight} are not at least 0 and 1. Use 1 and 10."
            )

    def propensity(self, shown: Mapping[str, float]) -> float:
        """P(looked at) of a showing."""
        if (stated := shown.get("propensity")) is not None:
            return float(stated)
        position = shown.get("position")
        if position is None:
            return 1.0
        return self.by_position.get(int(position), (1 / position) ** self.eta)


def scores(answers: Sequence[Answer], config: SignalConfig, exposure: Exposure | None = None) -> list[Score]:
    """One score for each (completion, aspect, action): how much likelier people act on this text than on the others.

    value = middle of `config.scale` + half its width x (r - m), the sign turned for actions that speak against it: the
    difference in how often a showing of this text and one of the others would win (a tie being half). It is no level:
    a click rate of 5% may be excellent. `variance` is that of r, in the scale's units. Each showing counts: one
    person may look again and buy only then. The aspect is the action's name, after the record's own.
    """
    settings = exposure or Exposure()
    tallies: dict[tuple[str, str], dict[str, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for answer in answers:
        completion, aspect = answer.feedback.completion_ids[0], answer.feedback.aspect
        propensity = settings.propensity(answer.feedback.exposure)
        for action, acted in actions(answer.feedback.value).items():
            tallies[aspect, action][completion].add(answer, acted, propensity, settings.most_weight)
    made = []
    for (aspect, action), of_action in tallies.items():
        all_acted, shown = sum(each.acted for each in of_action.values()), sum(each.n for each in of_action.values())
        for tally in of_action.values():
            found = _posterior(tally, all_acted - tally.acted, shown - tally.n, config)
            made.append(_score(tally, *found, aspect, action, config))
    return made


def actions(value: Mapping[str, Any]) -> dict[str, bool]:
    """What was done and what was not, dwell as being satisfied by what was looked at."""
    done = {action: bool(acted) for action, acted in value.items() if action != "dwell_seconds"}
    if "dwell_seconds" in value:
        done["dwell"] = value["dwell_seconds"] >= SATISFIED_SECONDS
    return done


@dataclass(slots=True)
class _Tally:
    """The showings of one text: sums that the estimate and its variance need."""

    answers: list[Answer] = field(default_factory=list)
    acted: float = 0.0
    """Sum of w c."""
    linear: float = 0.0
    """Sum of w^2 e: the part of the sampling variance that grows with r."""
    square: float = 0.0
    """Sum of w^2 e^2: the part that falls with r^2."""
    reached: float = 0.0
    """Sum of w e: 1 each but where the weight was clipped."""

    def add(self, answer: Answer, acted: bool, propensity: float, most_weight: float) -> None:
        weight = min(1 / propensity, most_weight)
        self.answers.append(answer)
        self.acted += weight * acted
        self.linear += weight**2 * propensity
        self.square += (weight * propensity) ** 2
        self.reached += weight * propensity

    @property
    def n(self) -> int:
        return len(self.answers)


def _posterior(
    tally: _Tally, others_acted: float, others_shown: int, config: SignalConfig
) -> tuple[float, float, float]:
    """Mean and variance of r, and the rate m of the other texts it is drawn towards."""
    prior = config.prior_votes
    rate = (prior + others_acted) / (2 * prior + others_shown)
    rate = min(max(rate, 1e-3), 1 - 1e-3)  # sums of weights may exceed the number of showings
    spread = rate * (1 - rate) / (2 * prior + 1)
    second = rate**2 + spread  # E r^2
    sampling = (tally.linear * rate - tally.square * second) / tally.n**2
    clipped = 1 - tally.reached / tally.n
    unsure = sampling + clipped**2 * second
    belief = spread / (spread + unsure)
    mean = rate + belief * (tally.acted / tally.n - rate)
    return min(max(mean, 0.0), 1.0), belief * unsure, rate


def _score(
    tally: _Tally, mean: float, variance: float, rate: float, aspect: str, action: str, config: SignalConfig
) -> Score:
    low, high = config.scale
    better = (rate - mean) if action in AGAINST else (mean - rate)
    return Score(
        prompt=tally.answers[0].prompt,
        completion=tally.answers[0].completions[0],
        value=(low + high) / 2 + config.width / 2 * better,
        variance=(config.width / 2) ** 2 * variance,
        aspect=f"{aspect}/{action}" if aspect else action,
        source="implicit",
        reason=f"{action}: {mean:.3f} of those who look, others {rate:.3f}",
        feedback_ids=tuple(answer.feedback.id for answer in tally.answers),
    )


def position_propensities(
    texts: Sequence[object], positions: ArrayLike, acted: ArrayLike, *, prior: float = 1.0, iterations: int = 200
) -> dict[int, float]:
    """P(looked at) by position, the top being 1, from showings of the same texts at several positions.

    EM of the examination model (position-based model; Chuklin, Markov & de Rijke 2015, chapter 4; Wang et al. 2018):
    a showing that was acted on was looked at; one that was not may have gone unseen, e (1 - r) / (1 - e r) being the
    probability that it was seen all the same. `prior` counts of each kind keep rates off 0 and 1.
    Raises InputError where no text was shown at two positions: nothing then tells a good text from a good place.
    """
    code_of = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    text_N: NDArray[np.int64] = np.array([code_of[text] for text in texts], dtype=np.int64)
    places, place_N = np.unique(np.asarray(positions, dtype=np.int64), return_inverse=True)
    acted_N = np.asarray(acted, dtype=np.float64)
    seen = {text: set[int]() for text in range(len(code_of))}
    for text, place in zip(text_N.tolist(), place_N.tolist(), strict=True):
        seen[text].add(place)
    if len(places) > 1 and not any(len(at) > 1 for at in seen.values()):
        raise InputError(
            "position_propensities: every text was always shown at one position, so nothing tells a good text from a "
            "good place. Show some texts at several positions, at random."
        )
    look_P, act_T = np.full(len(places), 0.5), np.full(len(code_of), 0.5)
    shown_P, shown_T = np.bincount(place_N), np.bincount(text_N)
    for _ in range(iterations):
        look_N, act_N = look_P[place_N], act_T[text_N]
        unacted_N = (1 - acted_N) / (1 - look_N * act_N)
        looked_N = acted_N + unacted_N * look_N * (1 - act_N)
        liked_N = acted_N + unacted_N * act_N * (1 - look_N)
        look_P = (np.bincount(place_N, looked_N) + prior) / (shown_P + 2 * prior)
        act_T = (np.bincount(text_N, liked_N) + prior) / (shown_T + 2 * prior)
    look_P = look_P / look_P[0]  # e and r are known up to a factor: the top is the unit
    return {int(place): float(min(look, 1.0)) for place, look in zip(places, look_P, strict=True)}
