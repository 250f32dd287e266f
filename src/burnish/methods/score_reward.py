"""Reward model from scores: regression on the mean rating, each item weighted by how sure its mean is.

    loss = 1/2 w (r(completion) - score)^2,   w = slack / (variance of the score + slack)

What is unusual: the weight. A mean of twenty ratings and one of two are not equally true; the slack keeps a
near-certain item from drowning the others (it stands for what no number of raters would explain).
K heads as in `reward`. Source of the weighting: inverse-variance weighting, Aitken 1935 (generalised least squares).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs
from burnish.maths.preference_loss import squared_error
from burnish.methods import Needs
from burnish.records import Score

METRICS: Mapping[str, str] = {
    "absolute_error": "Mean distance of predicted from given score, rating units: falls to about people's spread.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the score regression."""

    heads: int = 5
    """K, the members of the ensemble. At least 1."""
    slack: float = 0.5
    """Variance added to every score's own, rating units squared. Above 0."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")
        if not (math.isfinite(self.slack) and self.slack > 0):
            raise InputError(f"slack: {self.slack} is not above 0. Use 0.5.")


def needs(config: Config) -> Needs:
    """Scores, and K reward heads."""
    return Needs(eats=(Score,), heads={"reward": config.heads})


def weight(variance: float | None, config: Config) -> float:
    """Return the item's weight relative to one whose variance is nil: slack / (variance + slack), in (0, 1].

    A variance that nobody stated counts as much as the slack: half the weight of a certain score.
    """
    return config.slack / ((config.slack if variance is None else variance) + config.slack)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's weighted mean loss, (B,). batch.scalars["weight"] is the weights' sum."""
    assert outputs.rewards_BK is not None
    assert batch.targets_BK is not None
    assert batch.weights_BK is not None
    error_BK = squared_error(outputs.rewards_BK, batch.targets_BK) * batch.weights_BK
    gap_B = (outputs.rewards_BK.detach().mean(-1) - batch.targets_BK[:, 0]).abs()
    return error_BK.sum(-1) / batch.scalars["weight"], {"absolute_error": gap_B}
