"""CISPO: policy gradient in which the importance weight is clipped and every token goes on teaching.

    A_i  = r_i - mean(r of the group)
    loss = -1/N sum_i sum_t sg[ min(rho_it, 1 + high) ] A_i log pi(y_it)         sg: no gradient;  N: all tokens
           + beta * KL(policy || reference)

Source: MiniMax-M1, 2025, arXiv 2506.13585, equations 4 and 5 (clipped importance-sampling weights).

What is unusual: PPO's clip takes the gradient from a token whose ratio left its bounds, and these are the rare tokens
that a completion turns on ("however", "wait"). Here the ratio is only a weight: it is capped, and the token keeps its
gradient. In the first step of a window all weights are 1 and the gradient is that of `grpo` with the token normaliser.

Use it in place of `grpo` when several steps are taken on a window. It fails as `grpo` does on prompts whose completions
all get the same reward; and nothing bounds how far one window may move the policy but the learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from burnish.maths import rollouts
from burnish.maths.advantages import Scale, group_relative
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind, kl_of
from burnish.maths.policy_loss import masked, masked_sum, truncated_importance
from burnish.methods import Needs, within

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    "capped_share": "Share of tokens whose weight was capped: 0 with one step a window; above a fifth, take fewer.",
    **rollouts.METRICS,
}

STOPPED = "the capped weight of a token"


@dataclass(frozen=True)
class Config:
    """Settings of CISPO."""

    high: float = 0.28
    """Weights are capped at 1 + high. From 0 up."""
    scale: Scale = "none"
    """What advantages are divided by: none, std (of the group, as published), batch_std."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 (as published) asks for no reference."""
    kl: KLKind = "exact"
    """How the KL is put into the loss: exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    truncation_penalty: float = 0.0
    """Reward units taken from a completion that reached the length limit."""

    def __post_init__(self) -> None:
        within(self, high=(0, math.inf), beta=(0, math.inf), truncation_penalty=(0, math.inf))


def needs(config: Config) -> Needs:
    """Fresh, scored completions in whole groups, what the policy says of them at the start, and the reference."""
    views = ("old", "reference") if config.beta > 0 else ("old",)
    return Needs(eats=(), fresh=True, scored=True, views=views, together=True, compares="group")


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_B and the window's counts. Pure, no gradient."""
    batch = rollouts.with_counts(rollouts.without_unscored(batch))
    paid_BT = rollouts.paid_rewards(batch, truncation_penalty=config.truncation_penalty)
    mask_BT = batch.completion_mask_BT
    whole_B = masked_sum(paid_BT, mask_BT).masked_fill(~mask_BT.any(-1), math.nan)
    return replace(batch, advantages_B=group_relative(whole_B, batch.group_B, scale=config.scale))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's mean loss over tokens, (B,), and its metrics."""
    assert outputs.logprobs_BT is not None
    assert batch.advantages_B is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT = masked(outputs.logprobs_BT, mask_BT)
    old_BT = logprobs_BT.detach() if batch.old_logprobs_BT is None else masked(batch.old_logprobs_BT, mask_BT)
    weight_BT = truncated_importance(logprobs_BT, old_BT, 1 + config.high)
    loss_BT = -weight_BT * batch.advantages_B[:, None] * logprobs_BT
    if (kl_BT := kl_of(outputs, logprobs_BT, config.kl)) is not None:
        loss_BT = loss_BT + rollouts.coefficient(batch, config.beta) * kl_BT
    capped_BT = weight_BT >= 1 + config.high
    metrics = {
        **rollouts.paid_metric(batch, truncation_penalty=config.truncation_penalty),
        "capped_share": rollouts.per_row(capped_BT, mask_BT),
    }
    share_B = masked_sum(loss_BT, mask_BT) / max(batch.scalars["tokens"], 1.0)
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}
