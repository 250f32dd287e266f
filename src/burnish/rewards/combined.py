"""Several rewards as one: weights that are fixed, fitted to people's grades, or change with the step; or a vector.

The order matters (trap T17). *Sum, then normalise* lets the reward with the widest spread decide: a metric in [0, 1]
beside a reward model in [-4, 4] is noise. *Normalise, then sum* gives each reward its weight whatever its spread:
`scale` brings each part to mean 0 and spread 1 first, by numbers fitted once ("fixed") or within each prompt's group of
the call ("group": GDPO, arXiv 2601.05242, equation 4).

What parts pay by token is divided and weighed as they are, and stays where it was paid.

A part that abstains (None) is not 0. `missing="abstain"` passes the whole over; "reweigh" takes the others' weighted
mean, as long as they hold `enough` of the weight, and says so in the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

import numpy as np

from burnish.errors import InputError
from burnish.maths.linear import Fitted, fit_linear
from burnish.records import Completion, Prompt, Reward, Score
from burnish.rewards.parts.token_rewards import scaled_by
from burnish.rewards.parts.units import unit_of


@dataclass(frozen=True)
class Part:
    """One reward among several."""

    name: str
    reward: Reward
    weight: float | tuple[tuple[int, float], ...] = 1.0
    """A number, or (step, weight) points in ascending order: straight lines between them, level outside."""
    mean: float = 0.0
    std: float = 1.0
    """For scale="fixed": (value - mean) / std is what is weighed."""
    aspect: str = ""
    """Which respect it speaks of; the name when empty."""

    def weight_at(self, step: int) -> float:
        """Return the weight at a step of training."""
        if isinstance(self.weight, int | float):
            return float(self.weight)
        steps, weights = zip(*self.weight, strict=True)
        return float(np.interp(step, steps, weights))


@dataclass(frozen=True)
class Combined:
    """`Reward` out of several."""

    parts: tuple[Part, ...]
    scale: Literal["none", "fixed", "group"] = "fixed"
    missing: Literal["abstain", "reweigh"] = "abstain"
    enough: float = 0.5
    """For "reweigh": the share of the weight that must have been scored."""
    step: int = 0
    """Step of training for scheduled weights; the loop asks `at(step)`."""

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if not names or len(set(names)) != len(names):
            raise InputError(f"reward combined: parts need names of their own, not {names}.")
        for part in self.parts:
            if not (np.isfinite(part.std) and part.std > 0):
                raise InputError(f"reward combined: part {part.name!r} has std {part.std}. It must be above 0.")
            if isinstance(part.weight, tuple) and [s for s, _ in part.weight] != sorted({s for s, _ in part.weight}):
                raise InputError(f"reward combined: part {part.name!r}: steps {part.weight} do not ascend.")

    def at(self, step: int, *, alone: bool = False) -> Combined:
        """Return the same reward at a step of training; alone: for completions that stand in no group, unscaled.

        A mean of what was brought to mean 0 within each group would be 0, however good the completions are.
        """
        return replace(self, step=step, scale="none" if alone and self.scale == "group" else self.scale)

    def vector(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[tuple[Score, ...]]:
        """Return each completion's scores, one a part and in their order, each with its part's aspect: unweighed."""
        by_part = [
            [replace(score, aspect=part.aspect or part.name) for score in part.reward.score(prompts, completions)]
            for part in self.parts
        ]
        return list(zip(*by_part, strict=True)) if prompts else []

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the weighted sum for each completion; the reason names what each part gave and weighed."""
        rows = self.vector(prompts, completions)
        columns = [self._scaled(part, [row[k] for row in rows]) for k, part in enumerate(self.parts)]
        weights = [part.weight_at(self.step) for part in self.parts]
        return [
            self._one(prompt, completion, weights, [column[place] for column in columns])
            for place, (prompt, completion) in enumerate(zip(prompts, completions, strict=True))
        ]

    def _scaled(self, part: Part, scores: Sequence[Score]) -> list[_Value]:
        """Return a part's values and variances as they are weighed; None where it abstained."""
        if self.scale == "none":
            places: Mapping[str, tuple[float, float]] = {}
            usual = (0.0, 1.0)
        elif self.scale == "fixed":
            places, usual = {}, (part.mean, part.std)
        else:
            places, usual = _by_group(scores), (0.0, 1.0)
        found = []
        for score in scores:
            mean, std = places.get(score.prompt.id, usual)
            value = None if score.value is None else (score.value - mean) / std
            found.append(_Value(value, (score.variance or 0.0) / std**2, score, std))
        return found

    def _one(self, prompt: Prompt, completion: Completion, weights: Sequence[float], values: Sequence[_Value]) -> Score:
        known = [(w, each) for w, each in zip(weights, values, strict=True) if each.value is not None]
        unknown = [
            f"{part.name} not scored ({each.score.reason})"
            for part, each in zip(self.parts, values, strict=True)
            if each.value is None
        ]
        whole, held = sum(map(abs, weights)), sum(abs(weight) for weight, _ in known)
        if unknown and (self.missing == "abstain" or held < self.enough * whole or not held):
            return Score(prompt, completion, None, source="combined", reason="; ".join(unknown))
        factor = whole / held if unknown else 1.0  # as if the others' weighted mean stood for what is missing
        value = factor * sum(weight * each.value for weight, each in known if each.value is not None)
        variance = factor**2 * sum(weight**2 * each.variance for weight, each in known)
        said = [
            f"{part.name} {each.value:+.3f} x {weight:.3g}"
            for part, weight, each in zip(self.parts, weights, values, strict=True)
            if each.value is not None
        ]
        return Score(
            prompt,
            completion,
            value,
            variance=variance if all(each.score.variance is not None for _, each in known) else None,
            source="combined",
            reason="; ".join(said + unknown),
            spans=tuple(span for _, each in known for span in each.score.spans),
            token_rewards=tuple(
                scaled for weight, each in known for scaled in scaled_by(factor * weight / each.std, each.score)
            ),
            parts=tuple(
                (part.name, factor * weight * each.value)
                for part, weight, each in zip(self.parts, weights, values, strict=True)
                if each.value is not None
            ),
        )


@dataclass(frozen=True, slots=True)
class _Value:
    value: float | None
    variance: float
    score: Score
    std: float
    """What the value, and each part of it that is paid by token, was divided by."""


def _by_group(scores: Sequence[Score]) -> dict[str, tuple[float, float]]:
    """Return mean and spread of each prompt's scored values; spread 1 where they do not differ: all become 0."""
    groups: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if score.value is not None:
            groups[score.prompt.id].append(score.value)
    spread = {name: stdev(values) if len(values) > 1 else 0.0 for name, values in groups.items()}
    return {name: (fmean(values), spread[name] or 1.0) for name, values in groups.items()}


def fit_weights(
    combined: Combined,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    people: Sequence[float],
    *,
    at_least_zero: bool = True,
    seed: int = 0,
) -> tuple[Combined, Fitted]:
    """Return the reward with weights that fit people's grades of some texts, and the fit with its intervals.

    Least squares of the grades on the parts' values; weights may not be negative unless `at_least_zero` is False (a
    negative weight on a reward means that it is a bad one, not that its opposite is good). Each part's mean and spread
    become those of these texts, so that its weight is grade units for one standard deviation. Texts that any part did
    not score are passed over. Raises InputError where too few are left.
    """
    rows = combined.vector(prompts, completions)
    kept = [i for i, row in enumerate(rows) if all(score.value is not None for score in row)]
    values_NK = np.array([[score.value for score in rows[i]] for i in kept], dtype=np.float64)
    names = [part.name for part in combined.parts]
    found = fit_linear(
        values_NK.reshape(-1, len(names)),
        np.asarray(people, dtype=np.float64)[kept],
        names,
        clusters=[unit_of(prompts[i], completions[i]) for i in kept],
        at_least_zero=at_least_zero,
        seed=seed,
    )
    parts = tuple(
        replace(part, weight=slope.mean * spread, mean=mean, std=spread or 1.0)
        for part, slope, mean, spread in zip(combined.parts, found.slopes, found.means, found.spreads, strict=True)
    )
    return replace(combined, parts=parts, scale="fixed"), found
