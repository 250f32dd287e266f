"""SimPO: preferences without a reference; the reward is the mean log-probability of a token, and it must lead by gamma.

    r(y) = beta / |y| * log pi(y)
    loss = - p log sigma(r(c) - r(r) - gamma) - (1 - p) log sigma(r(r) - r(c) - gamma)       c chosen, r rejected
    p    = the probability that people really prefer c                                       weighted mean over pairs

Sources: Meng et al. 2024, arXiv 2405.14734, equation 6 (p = 1).

What is unusual: with a probability the lead gamma is asked for whoever is preferred, so that a pair with p = 1/2 pulls
its two completions together. gamma is in logits, as in the paper; the paper recommends gamma / beta of about 0.5.

Use it when there is no room for a reference (half the memory of DPO's statistics), and when chosen completions are
longer than rejected ones: the reward is the mean over tokens, which is also what greedy decoding climbs. It fails after
long training, since nothing holds the policy near where it began: watch `chosen_reward`, and evaluate what it was good
at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import token_mean
from burnish.maths.preference_loss import soft_bradley_terry
from burnish.methods import Needs, above, smooths, within
from burnish.records import Preference, Signal

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs whose chosen one has the likelier tokens: rises, often from below 0.5.",
    "margin": "Reward of the chosen minus that of the rejected, logits: grows past gamma, then slowly.",
    "chosen_reward": "beta times the mean log-prob of a chosen token: falls a little; a steep fall is a broken model.",
    "rejected_reward": "The same of the rejected: falls faster than the chosen's.",
}


@dataclass(frozen=True)
class Config:
    """Settings of SimPO."""

    beta: float = 2.0
    """Logits for a nat of mean log-probability. Above 0; 2 to 10 in the paper."""
    gamma: float = 1.0
    """Lead that the preferred one should have, logits; from 0 up, about half of beta."""
    label_smoothing: float = 0.0
    """Share of the labels taken to be wrong, in [0, 0.5): p becomes p (1 - e) + (1 - p) e; 0 takes them as they are."""

    def __post_init__(self) -> None:
        smooths(self)
        above(self, beta=0)
        within(self, gamma=(0, math.inf))


def needs(config: Config) -> Needs:
    """Preferences whose two rows stay together, and no reference."""
    return Needs(eats=(Preference,), together=True)


def prepare(signals: Sequence[Signal], config: Config, tools: Tools) -> list[Example]:
    """Return one example for each pair; a ranking gives all its untied pairs, which share its weight."""
    return pairs_of(signals)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]: the sum over pairs. Pure, no gradient."""
    return pairs.with_weight(batch)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,); rows 2i and 2i+1 are chosen and rejected of pair i.

    batch.probability_B: p, 1 without it. batch.weights_BK, its first column: weight of each pair, 1 without it.
    batch.scalars["weight"]: see `targets`.
    Raises ValueError when the two rows of a pair are not of one group: they came apart.
    """
    pairs.check(batch, "simpo")
    assert outputs.logprobs_BT is not None
    reward_B = config.beta * token_mean(outputs.logprobs_BT, batch.completion_mask_BT)
    chosen_N, rejected_N = pairs.sides(reward_B)
    probability_N = pairs.smoothed(batch, config.label_smoothing)
    loss_N = soft_bradley_terry(chosen_N, rejected_N, probability_N, config.gamma)
    return pairs.shares(loss_N, batch), pairs.metrics(chosen_N, rejected_N, probability_N)
