"""Reward model from preferences: Bradley-Terry with the probability that people really hold the preference.

    loss = -p log sigma(r(chosen) - r(rejected)) - (1 - p) log sigma(r(rejected) - r(chosen))

Sources: Bradley and Terry 1952; Christiano et al. 2017, arXiv 1706.03741, equation 1 (soft labels); InstructGPT, arXiv
2203.02155, equation 1 (the hard case p = 1). K heads, each with its own bootstrap weights over items, give every
reward a spread: Coste et al. 2023, arXiv 2310.02743.

What is unusual: p comes from how many people said what, never a bare majority, and a ranking of k is k(k-1)/2 pairs
that share one weight, so that it does not count k(k-1)/2 times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs
from burnish.maths.preference_loss import soft_bradley_terry
from burnish.methods import Needs
from burnish.records import Preference

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs in people's order: rises from 0.5; near 1 it has learned them by heart.",
    "margin": "Mean reward of the chosen minus that of the rejected, reward units: grows from 0.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the pairwise reward loss."""

    heads: int = 5
    """K, the members of the ensemble. At least 1; 4 or 5 is the sweet spot (Coste et al.)."""
    units_per_logit: float = 1.0
    """Reward units that make a difference of one logit: lets one head be fitted to ratings and to comparisons."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")
        if not (math.isfinite(self.units_per_logit) and self.units_per_logit > 0):
            raise InputError(f"units_per_logit: {self.units_per_logit} is not above 0. Use 1.")


def needs(config: Config) -> Needs:
    """Preferences, and K reward heads."""
    return Needs(eats=(Preference,), heads={"reward": config.heads}, together=True)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); rows 2i and 2i+1 are chosen and rejected of pair i.

    batch.weights_BK are the heads' bootstrap weights, batch.scalars["weight"] their sum over the window's pairs.
    Raises ValueError when the two rows of a pair are not of one group: they came apart.
    """
    if len(batch) % 2 or not torch.equal(batch.group_B[0::2], batch.group_B[1::2]):
        raise ValueError("reward: rows 2i and 2i + 1 are not one pair; slice whole pairs (`needs(...).together`).")
    assert outputs.rewards_BK is not None
    assert batch.probability_B is not None
    assert batch.weights_BK is not None
    rewards_BK = outputs.rewards_BK / config.units_per_logit
    chosen_NK, rejected_NK = rewards_BK[0::2], rewards_BK[1::2]
    probability_N = batch.probability_B[0::2]
    loss_NK = soft_bradley_terry(chosen_NK, rejected_NK, probability_N) * batch.weights_BK[0::2]
    share_N = loss_NK.sum(-1) / batch.scalars["weight"]
    share_B = torch.stack([share_N, torch.zeros_like(share_N)], dim=1).reshape(-1)
    difference_N = (chosen_NK - rejected_NK).mean(-1).detach()
    right_N = ((difference_N > 0) == (probability_N > 0.5)).float()
    right_N = right_N.masked_fill(probability_N == 0.5, torch.nan)  # a tie has no right order
    return share_B, {"pair_accuracy": right_N.repeat_interleave(2), "margin": difference_N.repeat_interleave(2)}
