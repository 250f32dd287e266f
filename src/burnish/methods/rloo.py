"""RLOO: REINFORCE in which the other completions of a prompt say what was to be expected.

    R_i  = r_i - beta * log( pi(y_i) / ref(y_i) )                                                   (kl_in="reward")
    A_i  = R_i - mean(R of the group's others)
    loss = -1/N sum_i min(rho_i A_i, clip(rho_i, 1-low, 1+high) A_i)          rho_i = pi(y_i) / pi_old(y_i)
           ratio="token": the sum over its tokens of the same with each token's own ratio

Sources: Ahmadian et al. 2024, arXiv 2402.14740, equation 8; Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline
for free!". The clip is PPO's, arXiv 1707.06347: in the first step of a window it does nothing.

What is unusual: the completion is one action. Its score, the rewards of its tokens and its KL make one reward, and
nothing is divided by its length, so that the gradient is exactly that of the mean reward (an n-th of it is not lost to
the baseline, as it is with a group's mean).

Use it as the unbiased one among the cheap methods, with 4 to 8 completions a prompt. It fails as `grpo` does: on
prompts whose completions all get the same reward. ratio="sequence" (the true importance weight) clips nearly everything
after a few steps on long completions; take few steps a window.
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
from burnish.maths.policy_loss import clipped_policy_loss, masked, masked_sum, whole_ratio
from burnish.methods import Needs, within

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    "clip_share": "Share of tokens whose ratio was clipped: 0 with one step a window, at most about 0.2 with several.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of RLOO."""

    ratio: Literal["sequence", "token"] = "sequence"
    """What is clipped against the window's start: the whole completion's ratio (as published), or each token's."""
    clip_low: float = 0.2
    """Ratio below 1 - clip_low earns nothing more. In [0, 1]."""
    clip_high: float = 0.2
    """Ratio above 1 + clip_high earns nothing more. From 0 up."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 asks for no reference at all."""
    kl_in: rollouts.Place = "reward"
    """Where the KL is charged: reward (as published; the whole completion's gradient), loss (`kl`)."""
    kl: KLKind = "exact"
    """With kl_in = "loss": exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    truncation_penalty: float = 0.0
    """Reward units taken from a completion that reached the length limit."""

    def __post_init__(self) -> None:
        within(self, clip_low=(0, 1), clip_high=(0, math.inf), beta=(0, math.inf), truncation_penalty=(0, math.inf))


def needs(config: Config) -> Needs:
    """Fresh, scored completions in whole groups, what the policy says of them at the start, and the reference."""
    views = ("old", "reference") if config.beta > 0 else ("old",)
    return Needs(eats=(), fresh=True, scored=True, views=views, together=True, compares="group")


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_B and the window's counts. Pure, no gradient.

    Raises ValueError when a group has one completion: nothing is left once it is left out.
    """
    batch = rollouts.with_counts(rollouts.without_unscored(batch))
    mask_BT = batch.completion_mask_BT
    rewards_BT = rollouts.paid_rewards(batch, truncation_penalty=config.truncation_penalty)
    if config.kl_in == "reward":
        rewards_BT = rollouts.charged(rewards_BT, batch, rollouts.coefficient(batch, config.beta))
    whole_B = torch.where(mask_BT.any(-1), masked_sum(rewards_BT, mask_BT), torch.nan)
    return replace(batch, advantages_B=leave_one_out(whole_B, batch.group_B))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's mean loss, (B,), and its metrics.

    batch.scalars: "completions" of the whole window, and "beta" when a controller moves it (else config.beta).
    """
    assert outputs.logprobs_BT is not None
    assert batch.advantages_B is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT = masked(outputs.logprobs_BT, mask_BT)
    old_BT = logprobs_BT.detach() if batch.old_logprobs_BT is None else masked(batch.old_logprobs_BT, mask_BT)
    bounds = {"clip_low": config.clip_low, "clip_high": config.clip_high}
    if config.ratio == "sequence":
        whole_B1 = whole_ratio(logprobs_BT, old_BT, mask_BT, "sum")[:, :1]
        loss_B1, clipped_B1 = clipped_policy_loss(whole_B1, torch.zeros_like(whole_B1), batch.advantages_B, **bounds)
        loss_B, clipped_BT = loss_B1[:, 0], clipped_B1.expand(mask_BT.shape)
    else:
        loss_BT, clipped_BT = clipped_policy_loss(logprobs_BT, old_BT, batch.advantages_B, **bounds)
        loss_B = masked_sum(loss_BT, mask_BT)
    if config.kl_in == "loss" and (kl_BT := kl_of(outputs, logprobs_BT, config.kl)) is not None:
        loss_B = loss_B + rollouts.coefficient(batch, config.beta) * masked_sum(kl_BT, mask_BT)
    metrics = {
        **rollouts.paid_metric(batch, truncation_penalty=config.truncation_penalty),
        "clip_share": rollouts.per_row(clipped_BT, mask_BT),
    }
    share_B = loss_B / max(batch.scalars["completions"], 1.0)
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}
