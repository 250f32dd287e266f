"""Reward model from scores: regression on the mean rating, or ordered categories; surer items weigh more.

    kind="regression":  loss = w / 2 (r(completion) - score)^2
    kind="ordinal":     loss = - w log P(rating),   P(rating <= level j) = sigma( (theta_j - r) / spread )
                        theta_j half way between levels j and j + 1
    w = slack / (variance of the score + slack)

Sources: inverse-variance weighting, Aitken 1935 (generalised least squares); ordered categories with cumulative logits:
McCullagh 1980, "Regression models for ordinal data". K heads as in `reward`.

What is unusual: the weight. A mean of twenty ratings and one of two are not equally true; the slack keeps a
near-certain item from drowning the others (it stands for what no number of raters would explain). The ordinal
thresholds are fixed, not learned: the reward then stays in rating units, as the other rewards, and the only thing lost
is a scale whose steps people take for unequal. Ratings of several people (a score's `counts`) are each an observation,
and share the item's weight; a mean between two levels stands for a mixture of the two.

Use regression when most texts have several ratings, ordinal when they have one or the scale has few steps (at its ends
a squared error punishes a reward for being surer than the scale can say). It fails when people use the scale
differently and are not told apart, and says no more than the mean rating when `absolute_error` stays at their spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, from_score
from burnish.maths.batch import Batch, Outputs
from burnish.maths.ordinal import cumulative_logit
from burnish.maths.preference_loss import squared_error
from burnish.maths.token_rewards import head_weights
from burnish.methods import Needs
from burnish.records import Score, Signal

METRICS: Mapping[str, str] = {
    "absolute_error": "Mean distance of predicted from given score, rating units: falls to about people's spread.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the reward from scores."""

    heads: int = 5
    """K, the members of the ensemble. At least 1."""
    slack: float = 0.5
    """Variance added to every score's own, rating units squared. Above 0."""
    kind: Literal["regression", "ordinal"] = "regression"
    """What a rating is: regression (a number), ordinal (one of `levels`)."""
    levels: tuple[float, ...] = (-4.0, -2.0, 0.0, 2.0, 4.0)
    """The ratings there are, rising; five on the scale to which signals bring every rating. For "ordinal" alone."""
    spread: float = 1.0
    """Scale of the logistic noise of one person's rating, rating units (its deviation is 1.8 times that). Above 0."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")
        for name in ("slack", "spread"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name}: {getattr(self, name)} is not above 0. Use {getattr(Config, name)}.")
        rising = all(low < high for low, high in pairwise(self.levels))
        if len(self.levels) < 2 or not rising or not all(map(math.isfinite, self.levels)):
            raise InputError(f"levels: {self.levels} are not two or more rising numbers. Use (-4, -2, 0, 2, 4).")


def needs(config: Config) -> Needs:
    """Scores, and K reward heads."""
    return Needs(eats=(Score,), heads={"reward": config.heads}, noise=True, policy=False)


def weight(variance: float | None, config: Config) -> float:
    """Return the item's weight relative to one whose variance is nil: slack / (variance + slack), in (0, 1].

    A variance that nobody stated counts as much as the slack: half the weight of a certain score.
    """
    return config.slack / ((config.slack if variance is None else variance) + config.slack)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return an example for each score, its rows weighed; with kind="ordinal" a row for each rating people gave it.

    Raises InputError for a rating that lies outside the levels.
    """
    return [
        _weighed(example.rows[0], signal, config)
        for signal in signals
        if isinstance(signal, Score) and (example := from_score(signal))
    ]


def _weighed(row: Row, score: Score, config: Config) -> Example:
    row = replace(row, weight=score.weight * weight(score.variance, config), spans=())
    if config.kind == "regression":
        return Example((row,))
    ratings = score.counts or ((row.score, 1),)
    people = sum(count for _, count in ratings)
    for rating, _ in ratings:
        if not config.levels[0] <= rating <= config.levels[-1]:
            raise InputError(
                f"score_reward: rating {rating} is outside the levels {config.levels}. Set score_reward.levels to the "
                "ratings there are."
            )
    return Example(tuple(replace(row, score=rating, weight=row.weight * n / people) for rating, n in ratings))


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with scalars["weight"], the sum over the window's scored rows and heads, unless it is given."""
    if "weight" in batch.scalars:
        return batch
    assert batch.targets_BK is not None
    known_BK = head_weights(batch, config.heads).double().masked_fill(~torch.isfinite(batch.targets_BK), 0.0)
    return replace(batch, scalars={**batch.scalars, "weight": float(known_BK.sum())})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's weighted mean loss, (B,). batch.scalars["weight"] is the weights' sum."""
    assert outputs.rewards_BK is not None
    assert batch.targets_BK is not None
    if config.kind == "regression":
        error_BK = squared_error(outputs.rewards_BK, batch.targets_BK)
    else:
        error_BK = cumulative_logit(outputs.rewards_BK, batch.targets_BK, config.levels, config.spread)
    weighed_BK = error_BK * head_weights(batch, config.heads)
    gap_B = (outputs.rewards_BK.detach().mean(-1) - batch.targets_BK[:, 0]).abs()
    return weighed_BK.sum(-1) / (batch.scalars["weight"] or 1.0), {"absolute_error": gap_B}
