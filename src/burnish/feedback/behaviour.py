"""Clicks, purchases, copies, dwell and asking again as scores, corrected for where the completion was shown.

People act on what they look at, and they look at the top. The examination model says

    P(acted) = e r,     e = P(looked at, shown like this),     r = P(acts | looked at)

and r is what speaks of the text. e comes from the showing (`exposure.propensity`); else it is estimated where texts
changed places, and else 1 / position (`burnish.feedback.exposure`; which of the two is told). Each showing is weighted
by 1 / e, clipped, and what the weighted rates say of each text beside the others, with a variance that counts both
sides' few looks, is in `burnish.maths.propensity`. A text without others is held against a rate of one half: without
position bias its value is then the mean of the Beta posterior (`burnish.feedback.votes`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish import progress
from burnish.errors import InputError
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.exposure import Exposure, estimated
from burnish.maths.propensity import Shown, above_others
from burnish.progress import counted
from burnish.records import Score

SATISFIED_SECONDS = 30.0
"""Looking at a text for at least this long counts as being satisfied by it (Fox et al. 2005)."""
AGAINST = frozenset({"regenerate"})
"""Actions that speak against a text."""


def scores(answers: Sequence[Answer], config: SignalConfig, exposure: Exposure | None = None) -> list[Score]:
    """One score for each (completion, aspect, action): how much likelier people act on this text than on the others.

    value = middle of `config.scale` + half its width x (r - m), the sign turned for actions that speak against it: the
    difference in how often a showing of this text and one of the others would win (a tie being half), m being the mean
    of the other texts. It is no level: a click rate of 5% may be excellent. `variance` is that of r - m, in the scale's
    units, others' few looks counted in: one rarely seen text is little to be held against. Each showing counts: one
    person may look again and buy only then. The aspect is the action's name, after the record's own.
    """
    settings = exposure or Exposure()
    tallies: dict[tuple[str, str], dict[str, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for answer in answers:
        completion, aspect = answer.feedback.completion_ids[0], answer.feedback.aspect
        for action, acted in actions(answer.feedback.value).items():
            tallies[aspect, action][completion].add(answer, acted, settings)
    return [
        score
        for (aspect, action), of_texts in tallies.items()
        for score in _scores(list(of_texts.values()), aspect, action, config)
    ]


def exposure_of(answers: Sequence[Answer]) -> Exposure:
    """Looks by position, estimated from these showings where they tell it, else 1 / position; which of them is said."""
    rows = [
        (answer.feedback.completion_ids[0], int(position), any(actions(answer.feedback.value).values()))
        for answer in answers
        if (position := answer.feedback.exposure.get("position")) is not None
        and answer.feedback.exposure.get("propensity") is None
    ]
    if not any(position > 1 for _, position, _ in rows):
        return Exposure()
    texts, positions, acted = zip(*rows, strict=True)
    try:
        found = estimated(texts, positions, acted)
    except InputError as error:
        progress.say(f"signals: how often people look is taken to be 1 / position. {error}")
        return Exposure()
    told = ", ".join(
        f"{place}: {look:.2f} ± {1.96 * look * found.doubt.get(place, 0.0):.2f}"
        for place, look in found.by_position.items()
    )
    rest = "" if set(positions) <= found.by_position.keys() else "; other positions: 1 / position"
    progress.say(f"signals: how often people look, by position, from {counted(len(rows), 'showing')}: {told}{rest}.")
    return found


def actions(value: Mapping[str, Any]) -> dict[str, bool]:
    """What was done and what was not, dwell as being satisfied by what was looked at."""
    done = {action: bool(acted) for action, acted in value.items() if action != "dwell_seconds"}
    if "dwell_seconds" in value:
        done["dwell"] = value["dwell_seconds"] >= SATISFIED_SECONDS
    return done


@dataclass(slots=True)
class _Tally:
    """The showings of one text: the sums of `burnish.maths.propensity.Shown`."""

    answers: list[Answer] = field(default_factory=list)
    acted: float = 0.0
    reached: float = 0.0
    linear: float = 0.0
    square: float = 0.0
    doubt: float = 0.0

    def add(self, answer: Answer, acted: bool, exposure: Exposure) -> None:
        propensity = exposure.propensity(answer.feedback.exposure)
        weight = min(1 / propensity, exposure.most_weight)
        self.answers.append(answer)
        self.acted += weight * acted
        self.reached += weight * propensity
        self.linear += weight**2 * propensity
        self.square += (weight * propensity) ** 2
        self.doubt += weight * propensity * exposure.error(answer.feedback.exposure)


def _scores(tallies: Sequence[_Tally], aspect: str, action: str, config: SignalConfig) -> list[Score]:
    """One score for each text that this action was possible on."""
    sums = ([getattr(tally, name) for tally in tallies] for name in ("acted", "reached", "linear", "square", "doubt"))
    found = above_others(Shown(*(np.array(each) for each in sums)), config.prior_votes)
    told = zip(tallies, found.mean_I.tolist(), found.variance_I.tolist(), found.others_I.tolist(), strict=True)
    return [
        _score(tally, above, variance, others, f"{aspect}/{action}" if aspect else action, action, config)
        for tally, above, variance, others in told
    ]


def _score(
    tally: _Tally, above: float, variance: float, others: float, aspect: str, action: str, config: SignalConfig
) -> Score:
    low, high = config.scale
    better = -above if action in AGAINST else above
    return Score(
        prompt=tally.answers[0].prompt,
        completion=tally.answers[0].completions[0],
        value=(low + high) / 2 + config.width / 2 * better,
        variance=(config.width / 2) ** 2 * variance,
        aspect=aspect,
        source="implicit",
        reason=f"{action}: {min(max(others + above, 0.0), 1.0):.3f} of those who look, others {others:.3f}",
        feedback_ids=tuple(answer.feedback.id for answer in tally.answers),
    )
