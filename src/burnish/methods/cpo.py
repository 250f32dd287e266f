"""CPO: DPO with a flat reference, and imitation of the chosen completion beside it.

    m    = beta * [ log pi(c) - log pi(r) ]                                   c chosen, r rejected, whole completions
    loss = - log sigma(m)  -  alpha / |c| * log pi(c)                         where people surely prefer c
    and  p loss(c, r) + (1 - p) loss(r, c)  where they do so with probability p;  weighted mean over pairs

Sources: Xu et al. 2024, arXiv 2401.08417, equations 3 to 5: a reference that says everything is equally likely drops
out of DPO, and the imitation keeps the policy where people chose.

What is unusual: the imitated part is the mean over the completion's own tokens, so that a pair's loss depends on that
pair alone (TRL divides by the tokens of a batch); and an uncertain label
imitates both completions, each as far as people prefer it.

Use it when there is no room for a reference, and the chosen completions are good enough to be imitated (in the paper:
translations better than the human ones). It fails when the chosen ones are merely the lesser evil, which it imitates
all the same (alpha = 0 leaves that out), and, as a sum of log-probs is compared, when the rejected ones are longer:
they are then unlikely to begin with and teach little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from burnish.examples import Example, Tools, pairs_of
from burnish.maths import pairs
from burnish.maths.batch import Batch, Outputs
from burnish.maths.imitation import mean_nll, token_mean
from burnish.maths.policy_loss import masked_sum
from burnish.maths.preference_loss import soft_bradley_terry
from burnish.methods import Needs, above, smooths, within
from burnish.records import Preference, Signal

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of training pairs whose chosen completion is the likelier one: rises.",
    "margin": "beta times the log-prob of the chosen minus that of the rejected, logits: grows.",
    "chosen_reward": "beta times the log-prob of the chosen completion: rises while alpha holds it up.",
    "rejected_reward": "The same of the rejected: falls.",
    "nll": "Mean negative log-likelihood of a chosen token, nats: falls as in sft; if it rises, raise alpha.",
}


@dataclass(frozen=True)
class Config:
    """Settings of CPO."""

    beta: float = 0.1
    """Logits for a nat of a whole completion's log-probability. Above 0."""
    alpha: float = 1.0
    """Weight of the imitation of the chosen one, from 0 up; 1 in the paper."""
    label_smoothing: float = 0.0
    """Share of the labels taken to be wrong, in [0, 0.5): p becomes p (1 - e) + (1 - p) e; 0 takes them as they are."""

    def __post_init__(self) -> None:
        smooths(self)
        above(self, beta=0)
        within(self, alpha=(0, math.inf))


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
    pairs.check(batch, "cpo")
    assert outputs.logprobs_BT is not None
    mask_BT = batch.completion_mask_BT
    reward_B = config.beta * masked_sum(outputs.logprobs_BT, mask_BT)
    chosen_N, rejected_N = pairs.sides(reward_B)
    probability_N = pairs.smoothed(batch, config.label_smoothing)
    compared_N = soft_bradley_terry(chosen_N, rejected_N, probability_N)
    nll_B = -token_mean(outputs.logprobs_BT, mask_BT)
    loss_N = compared_N + config.alpha * pairs.expected(*pairs.sides(nll_B), probability_N)
    nll_N = mean_nll(outputs.logprobs_BT, mask_BT)[0::2]
    metrics = pairs.metrics(chosen_N, rejected_N, probability_N)
    return pairs.shares(loss_N, batch), {**metrics, "nll": nll_N.repeat_interleave(2)}
