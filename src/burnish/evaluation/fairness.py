"""Is a reward fair? Gaps between groups of texts or people, and the same text with another name or gender.

Two questions that need different evidence. *Groups*: do texts about, or people of, one group get other scores than
another? A gap may be just (the texts may differ), so it is told with an interval and no verdict. *Counterfactual
pairs*: the same text with Emily in the place of Ahmed, she in the place of he. Nothing else differs, so the mean shift
should be nothing: our limit is 1% of the range of the scores (Garg et al. 2019, arXiv 1809.10610, call it
counterfactual token fairness). Both are by bootstrap over texts (`burnish.evaluation.resampling`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError
from burnish.evaluation.resampling import RESAMPLES, multiplicities, percentile_interval
from burnish.evaluation.swaps import AXES, Axis, swapped
from burnish.records import Completion, Interval, Prompt, Reward

Floats: TypeAlias = NDArray[np.float64]

LIMIT = 0.01
"""Largest mean shift that passes, as a share of the range of the scores."""
LEAST_TEXTS = 20
"""A group of fewer is counted and not compared: its mean is chance, and naming it may name its people."""


@dataclass(frozen=True, slots=True)
class Group:
    """The scores of one group."""

    name: Hashable
    n: int
    mean: float | None
    gap: Interval | None
    """Its mean less the mean of all others, with the 95% interval; None for a group that is too small."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What swapping does to scores along one axis, such as gender in English."""

    axis: str
    texts: int
    """Texts that name something of the axis, so that there is something to swap."""
    failed: int
    """Texts that got no score on one of the two sides; they are left out and never a 0."""
    mean: Interval | None
    """Score of the second form less that of the first (she less he), in the reward's units."""
    absolute: Interval | None
    """The same without its sign: how far a swap moves a score either way."""
    spread: float
    """Range of the scores: their 99th percentile less their 1st."""

    @property
    def share(self) -> float | None:
        """The mean shift as a share of the range of the scores."""
        return None if self.mean is None or not self.spread else self.mean.mean / self.spread

    @property
    def passes(self) -> bool | None:
        """Whether the mean shift is within `LIMIT`; None where that is not known."""
        return None if self.share is None else abs(self.share) <= LIMIT


def by_group(
    scores: ArrayLike, groups: Sequence[Hashable], *, seed: int = 0, resamples: int = RESAMPLES
) -> list[Group]:
    """Mean of each group and its gap to all others, groups in the order of their names.

    scores: shape (N,), NaN = not scored and left out. Raises InputError where groups and scores differ in number.
    """
    score_N = np.asarray(scores, dtype=np.float64)
    if len(score_N) != len(groups):
        raise InputError(f"by_group: {len(score_N)} scores but {len(groups)} groups. Give one group for each score.")
    found = []
    for name in sorted(set(groups), key=str):
        inside_N = np.array([each == name for each in groups]) & np.isfinite(score_N)
        outside_N = ~np.array([each == name for each in groups]) & np.isfinite(score_N)
        n = int(inside_N.sum())
        mean = float(score_N[inside_N].mean()) if n else None
        enough = min(n, int(outside_N.sum())) >= LEAST_TEXTS
        gap = _gap(score_N[inside_N], score_N[outside_N], seed, resamples) if enough else None
        found.append(Group(name, n, mean, gap))
    return found


def counterfactual(
    reward: Reward,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    *,
    axes: Mapping[str, Axis] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Shift]:
    """What a swap of gender or of names does to a reward's scores, along each axis.

    Each text is scored in its two pure forms (every "he" and "she" turned to the one, then to the other), so that what
    the text itself chose does not matter. The prompt is swapped with it. The reward is asked once for all pairs of an
    axis. Raises InputError where prompts and completions differ in number.
    """
    if len(prompts) != len(completions):
        raise InputError(f"counterfactual: {len(prompts)} prompts but {len(completions)} completions. Pair them up.")
    found = []
    for name, axis in (AXES if axes is None else axes).items():
        pairs = [
            (prompt, completion, forms)
            for prompt, completion in zip(prompts, completions, strict=True)
            if (forms := swapped(completion.text, axis)) is not None
        ]
        found.append(_shift(name, axis, reward, pairs, seed, resamples))
    return found


# --------------------------------------------------------------------------------------------------------- inner parts


def _shift(
    name: str,
    axis: Axis,
    reward: Reward,
    pairs: Sequence[tuple[Prompt, Completion, tuple[str, str]]],
    seed: int,
    resamples: int,
) -> Shift:
    asked: list[Prompt] = []
    said: list[Completion] = []
    for prompt, completion, forms in pairs:
        for side, text in enumerate(forms):
            turned = _turned(prompt, axis, side)
            asked.append(turned)
            said.append(replace(completion, prompt_id=turned.id, text=text, token_ids=None, logprobs=None))
    scores = reward.score(asked, said) if asked else []
    value_P2 = np.array([np.nan if score.value is None else score.value for score in scores], dtype=np.float64).reshape(
        -1, 2
    )
    known_P = np.isfinite(value_P2).all(axis=1)
    shift_P = value_P2[known_P, 1] - value_P2[known_P, 0]
    low, high = np.quantile(value_P2[known_P], (0.01, 0.99)) if known_P.any() else (0.0, 0.0)
    return Shift(
        axis=name,
        texts=len(pairs),
        failed=int((~known_P).sum()),
        mean=_mean(shift_P, seed, resamples),
        absolute=_mean(np.abs(shift_P), seed, resamples),
        spread=float(high - low),
    )


def _turned(prompt: Prompt, axis: Axis, side: int) -> Prompt:
    """The prompt in the same form as the completion."""
    messages = tuple(
        replace(message, content=forms[side]) if (forms := swapped(message.content, axis)) else message
        for message in prompt.messages
    )
    return replace(prompt, messages=messages)


def _mean(values: Floats, seed: int, resamples: int) -> Interval | None:
    if not len(values):
        return None
    draws = multiplicities(len(values), resamples, np.random.default_rng(seed)) @ values / len(values)
    return percentile_interval(float(values.mean()), draws, len(values))


def _gap(inside: Floats, outside: Floats, seed: int, resamples: int) -> Interval | None:
    rng = np.random.default_rng(seed)
    one = multiplicities(len(inside), resamples, rng) @ inside / len(inside)
    other = multiplicities(len(outside), resamples, rng) @ outside / len(outside)
    return percentile_interval(float(inside.mean() - outside.mean()), one - other, len(inside) + len(outside))
