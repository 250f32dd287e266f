"""Reward model from preferences: Bradley-Terry with the probability that people really hold the preference.

    loss = -p log sigma(r(chosen) - r(rejected) - m) - (1 - p) log sigma(r(rejected) - r(chosen) - m)
    m    = margin * how much better people said the chosen one is; 0 by default

Sources: Bradley and Terry 1952; Christiano et al. 2017, arXiv 1706.03741, equation 1 (soft labels); InstructGPT, arXiv
2203.02155, equation 1 (the hard case p = 1); margins: Llama 2, arXiv 2307.09288, equation 2. K heads, each with its own
bootstrap weights over items, give every reward a spread: Coste et al. 2023, arXiv 2310.02743.

What is unusual: p comes from how many people said what, never a bare majority, and a ranking of k is k(k-1)/2 pairs
that share one weight, so that it does not count k(k-1)/2 times (`ranking_reward` takes it whole).

Use it when people compare two completions. It fails when they compare by length or form: look at the reward's
correlation with length on the card, and at `pair_accuracy` on held-out pairs, of which the one printed says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.preference_loss import soft_bradley_terry
from burnish.maths.token_rewards import head_weights
from burnish.methods import Needs, above, smooths, within
from burnish.records import Preference, Signal

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
    margin: float = 0.0
    """How many times the lead that people stated the chosen one should have; 0 leaves stated leads unused, 1 asks for
    all of it. From 0 up."""
    label_smoothing: float = 0.0
    """Share of the labels taken to be wrong, in [0, 0.5): p becomes p (1 - e) + (1 - p) e; 0 takes them as they are."""

    def __post_init__(self) -> None:
        smooths(self)
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")
        above(self, units_per_logit=0)
        within(self, margin=(0, math.inf))


def needs(config: Config) -> Needs:
    """Preferences, and K reward heads."""
    return Needs(eats=(Preference,), heads={"reward": config.heads}, together=True, noise=True, policy=False)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each pair; a ranking gives all its untied pairs, which share its weight."""
    return pairs_of(signals)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with scalars["weight"], the sum over the window's pairs and heads, unless it is given."""
    if "weight" in batch.scalars:
        return batch
    total = float(head_weights(batch, config.heads)[0::2].double().sum())
    return replace(batch, scalars={**batch.scalars, "weight": total})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); rows 2i and 2i+1 are chosen and rejected of pair i.

    batch.weights_BK are the heads' bootstrap weights, batch.scalars["weight"] their sum over the window's pairs;
    batch.probability_B is p, 1 without it; batch.margin_B how much better the chosen one is, reward units.
    Raises ValueError when the two rows of a pair are not of one group: they came apart.
    """
    pairs.check(batch, "reward")
    assert outputs.rewards_BK is not None
    rewards_BK = outputs.rewards_BK / config.units_per_logit
    chosen_NK, rejected_NK = rewards_BK[0::2], rewards_BK[1::2]
    probability_N = pairs.smoothed(batch, config.label_smoothing)
    weights_NK = head_weights(batch, config.heads)[0::2]
    loss_NK = soft_bradley_terry(chosen_NK, rejected_NK, probability_N, _lead(batch, config)) * weights_NK
    share_N = loss_NK.sum(-1) / (batch.scalars["weight"] or 1.0)
    difference_N = (chosen_NK - rejected_NK).mean(-1).detach()
    right_N = pairs.in_order(difference_N, probability_N)
    metrics = {"pair_accuracy": right_N.repeat_interleave(2), "margin": difference_N.repeat_interleave(2)}
    return pairs.on_first_row(share_N), metrics


def _lead(batch: Batch, config: Config) -> Tensor | float:
    """Return the lead asked of each pair's chosen one, (N,), logits; 0 where nobody said how much better it is."""
    if config.margin == 0 or batch.margin_B is None:
        return 0.0
    return config.margin * torch.nan_to_num(batch.margin_B[0::2]) / config.units_per_logit
