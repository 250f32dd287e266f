"""REINFORCE: the plainest policy gradient; each token is made likelier by how much better than expected it went on.

    G_t  = sum_k discount^k r_{t+k}          r: token rewards, the score at the last token, less beta * log(pi / ref)
    loss = - sum_i sum_t (G_it - b_it) log pi(y_it)  +  value_weight * 1/2 (V_t - G_t)^2           (baseline="value")
    b    = 0 | running mean of G_0 | mean G_0 of the window's other completions | V_t of a value head

Sources: Williams 1992, "Simple statistical gradient-following algorithms", Machine Learning 8; the baselines and that
they change the variance alone: Sutton and Barto, "Reinforcement learning", 2nd edition, section 13.4.

What is unusual: "batch" leaves a completion's own reward out of its baseline, so that the gradient stays unbiased, and
the KL is charged token by token in the reward (kl_in="reward"): that is the exact gradient of the whole completion's
KL. One step a window: there is no ratio that would correct a second one.

Use it to understand the others, and where rewards come one prompt at a time (no groups needed). It fails on long
completions with one score at the end: every token gets the same noisy credit. `rloo` and `grpo` compare within a
prompt, `a2c` and `ppo` learn what to expect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.maths import rollouts
from burnish.maths.advantages import leave_one_out
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind, kl_of
from burnish.maths.policy_loss import Normaliser, clipped_value_loss, masked
from burnish.maths.returns import discounted
from burnish.methods import Needs, within

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    "return": "Mean of G_0: what is paid, discounted, less the KL charged in it; baseline = running only: rises.",
    "value_error": "Mean distance of the value head from the return, reward units: falls; baseline = value only.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of REINFORCE."""

    baseline: Literal["none", "running", "batch", "value"] = "batch"
    """What a return is compared with: none, running (mean G_0, scalars["baseline"]), batch (the others), value."""
    normaliser: Normaliser = "constant"
    """What token losses are divided by: constant (length limit), token, completion; the last two favour short ones."""
    discount: float = 1.0
    """What a reward one token later is worth, in [0, 1]."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 asks for no reference at all."""
    kl_in: rollouts.Place = "reward"
    """Where the KL is charged: reward (each token drawn, the whole completion's gradient), loss (`kl`)."""
    kl: KLKind = "exact"
    """With kl_in = "loss": exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    truncation_penalty: float = 0.0
    """Reward units taken from a completion that reached the length limit."""
    value_weight: float = 0.5
    """Weight of the value head's loss beside the policy's; used with baseline = "value"."""

    def __post_init__(self) -> None:
        within(self, discount=(0, 1), beta=(0, math.inf), truncation_penalty=(0, math.inf), value_weight=(0, math.inf))


def needs(config: Config) -> Needs:
    """Fresh, scored completions; what the policy and the reference say of them before the step; a value head."""
    charges, predicts = config.beta > 0, config.baseline == "value"
    before = predicts or (charges and config.kl_in == "reward")
    views = (("old",) if before else ()) + (("reference",) if charges else ())
    return Needs(
        eats=(), fresh=True, scored=True, views=views, heads={"value": 1} if predicts else {},
        compares="window" if config.baseline == "batch" else "", once=True,
    )  # fmt: skip


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_BT, returns_BT and the window's counts. Pure, no gradient."""
    batch = rollouts.with_counts(rollouts.without_unscored(batch))
    rewards_BT = rollouts.paid_rewards(batch, truncation_penalty=config.truncation_penalty)
    if config.kl_in == "reward":
        rewards_BT = rollouts.charged(rewards_BT, batch, rollouts.coefficient(batch, config.beta))
    returns_BT = discounted(rewards_BT, batch.completion_mask_BT, config.discount)
    advantages_BT = masked(returns_BT - _baseline(batch, returns_BT, config), batch.completion_mask_BT)
    return replace(batch, advantages_BT=advantages_BT, returns_BT=returns_BT)


def _baseline(batch: Batch, returns_BT: Tensor, config: Config) -> Tensor:
    if config.baseline == "value":
        assert batch.old_values_BT is not None
        return batch.old_values_BT
    if config.baseline == "batch":
        known_B = batch.completion_mask_BT.any(-1)
        whole_B = torch.where(known_B, returns_BT[:, 0], torch.full_like(returns_BT[:, 0], torch.nan))
        return (whole_B - leave_one_out(whole_B, torch.zeros_like(batch.group_B)))[:, None]
    return torch.full_like(returns_BT, batch.scalars.get("baseline", 0.0) if config.baseline == "running" else 0.0)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.scalars: "tokens" and "completions" of the whole window, "max_new_tokens", and "beta" when a controller moves
    it (else config.beta).
    """
    assert outputs.logprobs_BT is not None
    assert batch.advantages_BT is not None
    assert batch.returns_BT is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT = masked(outputs.logprobs_BT, mask_BT)
    token_BT = -batch.advantages_BT * logprobs_BT
    metrics = rollouts.paid_metric(batch, truncation_penalty=config.truncation_penalty)
    if config.kl_in == "loss" and (kl_BT := kl_of(outputs, logprobs_BT, config.kl)) is not None:
        token_BT = token_BT + rollouts.coefficient(batch, config.beta) * kl_BT
    if config.baseline == "running":
        metrics["return"] = batch.returns_BT[:, 0].masked_fill(~mask_BT.any(-1), math.nan)
    if config.baseline == "value":
        assert outputs.values_BT is not None
        values_BT = masked(outputs.values_BT, mask_BT)
        token_BT = token_BT + config.value_weight * clipped_value_loss(values_BT, values_BT, batch.returns_BT, 0.0)
        metrics["value_error"] = rollouts.per_row((values_BT - batch.returns_BT).abs(), mask_BT)
    share_B = rollouts.shares(token_BT, batch, config.normaliser)
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}
