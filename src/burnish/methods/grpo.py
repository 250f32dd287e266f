"""GRPO: policy gradient with each completion measured against the others of its prompt; no value network.

    A_i  = r_i - mean(r of the group)                                    (scale="std" divides by the group's std)
    loss = -1/N sum_i sum_t min(rho A_i, clip(rho, 1-low, 1+high) A_i)  +  beta * KL(policy || reference)

    rho  = pi / pi_old of the token                                      (ratio="token")
    rho  = (pi / pi_old of the completion)^(1 / its length)              (ratio="sequence": GSPO)
    A_it = A_i + sum over the steps from t on of (their reward - mean reward of the group's steps)   (credit="process":
           A_i is then of what the steps leave of r_i for the end)

Sources: DeepSeekMath (GRPO), arXiv 2402.03300, section 4.1; Dr. GRPO, arXiv 2503.20783 (no division by the group's std,
constant normaliser); DAPO, arXiv 2503.14476 (token normaliser, clip higher, truncated completions kept out); GSPO,
arXiv 2507.18071 (with normaliser="completion", clip_low=3e-4, clip_high=4e-4: a completion's ratio moves far less than
a token's).

The defaults are Dr. GRPO's: dividing by the std weighs easy and hopeless prompts most, dividing by each completion's
own length favours short right and long wrong answers. What is unusual: the KL is the exact divergence of each token's
whole distribution, not an estimate from the token drawn: it costs one matrix product and has the right gradient
(`maths/kl.py` says why k1 and k3 do not). A group's mean holds the completion itself: of n completions advantages are
(n-1)/n of `rloo`'s, so that beta weighs n/(n-1) times what it says.

Use it when a reward can be computed for every completion. It fails when all completions of a prompt get the same reward
(such a group teaches nothing, and its KL alone pulls unless `flat_groups` drops it: `zero_spread` shows the share), and
when the reward can be pleased without doing what it stands for (watch gold against proxy in the report).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.maths import rollouts
from burnish.maths.advantages import Scale, group_relative, later_steps, without_advantage
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind, kl_of
from burnish.maths.policy_loss import (
    Normaliser,
    clipped_policy_loss,
    masked,
    truncated_importance,
    whole_ratio,
)
from burnish.methods import Needs, above, within

METRICS: Mapping[str, str] = {
    "clip_share": "Share of tokens whose ratio was clipped: 0 with one step a window, at most about 0.2 with several.",
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of GRPO; `--set grpo.NAME=VALUE`."""

    scale: Scale = "none"
    """What advantages are divided by: none (Dr. GRPO), std (of the group, GRPO as published), batch_std."""
    normaliser: Normaliser = "constant"
    """What token losses are divided by: constant (length limit, Dr. GRPO), token (DAPO), completion (GRPO)."""
    clip_low: float = 0.2
    """Ratio below 1 - clip_low earns nothing more. In (0, 1)."""
    clip_high: float = 0.28
    """Ratio above 1 + clip_high earns nothing more (DAPO's "clip higher"). Above 0."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 asks for no reference at all."""
    kl: KLKind = "exact"
    """How the KL is put into the loss: exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    truncated: Literal["penalise", "mask", "keep"] = "penalise"
    """A completion that reached the length limit: penalise (reward lowered), mask (no loss at all), keep."""
    truncation_penalty: float = 1.0
    """Reward units taken from a truncated completion under "penalise"; with "mask" and "keep" it is not used."""
    flat_groups: Literal["keep", "drop"] = "keep"
    """A group without advantage: keep (its KL still pulls to the untouched model); drop (from loss and counts)."""
    importance_cap: float = 0.0
    """Tokens weigh by the trainer's over the sampler's probability, at most this (2, say); 0 leaves it out."""
    ratio: Literal["token", "sequence"] = "token"
    """What is clipped: each token's ratio, or the geometric mean over the completion's tokens (GSPO)."""
    credit: Literal["completion", "process"] = "completion"
    """What a token answers for: the completion's score, or also the rewards of single tokens from it on (steps)."""

    def __post_init__(self) -> None:
        if not 0 < self.clip_low < 1:
            raise InputError(f"clip_low: {self.clip_low} is not in (0, 1). Use 0.2.")
        above(self, clip_high=0)
        within(self, beta=(0, math.inf), truncation_penalty=(0, math.inf))
        if not (math.isfinite(self.importance_cap) and (self.importance_cap == 0 or self.importance_cap >= 1)):
            raise InputError(f"importance_cap: {self.importance_cap} is neither 0 nor from 1 up. Use 0 for none, or 2.")
        if self.importance_cap and self.ratio == "sequence":
            raise InputError('importance_cap: weighs single tokens, and ratio = "sequence" has none. Use 0.')


def needs(config: Config) -> Needs:
    """Fresh, scored completions in whole groups; the reference unless beta is 0."""
    views = ("reference",) if config.beta > 0 else ()
    return Needs(eats=(), fresh=True, scored=True, views=views, together=True, compares="group")


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages, after the rule for truncated completions. Pure, no gradient."""
    assert batch.rewards_B is not None
    scored_B = rollouts.is_scored(batch) if config.credit == "process" else torch.isfinite(batch.rewards_B)
    # what was not scored is in no mean and no count, nor does its KL pull
    by_token = config.credit == "process" and batch.token_rewards_BT is not None
    rewards_B = batch.rewards_B if by_token else rollouts.whole_rewards(batch)
    mask_BT = batch.completion_mask_BT & scored_B[:, None]
    if batch.truncated_B is not None and config.truncated == "penalise":
        rewards_B = rewards_B - config.truncation_penalty * batch.truncated_B.to(rewards_B.dtype)
    if batch.truncated_B is not None and config.truncated == "mask":
        # out of the group's mean and out of the loss alike: numerator and denominator agree (trap T13)
        rewards_B = torch.where(batch.truncated_B, torch.full_like(rewards_B, torch.nan), rewards_B)
        mask_BT = mask_BT & ~batch.truncated_B[:, None]
    advantages_B = group_relative(rewards_B, batch.group_B, scale=config.scale)
    batch = replace(batch, rewards_B=rewards_B, completion_mask_BT=mask_BT, advantages_B=advantages_B)
    if by_token:
        assert batch.token_rewards_BT is not None
        steps_BT = later_steps(batch.token_rewards_BT, mask_BT, batch.group_B, scale=config.scale)
        batch = replace(batch, advantages_BT=advantages_B[:, None] + steps_BT)
    if config.flat_groups == "drop":
        known = advantages_B if batch.advantages_BT is None else batch.advantages_BT.abs().sum(-1)
        batch = replace(batch, completion_mask_BT=mask_BT & ~without_advantage(known, batch.group_B)[:, None])
    return rollouts.with_counts(batch)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.scalars: "tokens" and "completions" of the whole window, "max_new_tokens", and "beta" when a controller moves
    it (else config.beta).
    """
    assert outputs.logprobs_BT is not None
    assert batch.advantages_B is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT = masked(outputs.logprobs_BT, mask_BT)  # so that nothing below sends NaN back into the model
    old_BT = logprobs_BT.detach() if batch.old_logprobs_BT is None else batch.old_logprobs_BT
    now_BT, then_BT = logprobs_BT, old_BT
    if config.ratio == "sequence":
        # the completion's ratio in value, the token's own in gradient (GSPO-token): the same sum where all tokens share
        # an advantage, and with credit = "process" each answers for its own
        whole_BT = whole_ratio(logprobs_BT, old_BT, mask_BT, "mean").detach()
        now_BT, then_BT = whole_BT + (logprobs_BT - logprobs_BT.detach()), torch.zeros_like(logprobs_BT)
    advantages = batch.advantages_B if batch.advantages_BT is None else batch.advantages_BT
    token_BT, clipped_BT = clipped_policy_loss(
        now_BT, then_BT, advantages, clip_low=config.clip_low, clip_high=config.clip_high
    )
    if config.importance_cap and batch.behaviour_logprobs_BT is not None:
        behaviour_BT = masked(batch.behaviour_logprobs_BT, mask_BT)
        token_BT = token_BT * truncated_importance(masked(old_BT, mask_BT), behaviour_BT, config.importance_cap)
    beta = batch.scalars.get("beta", config.beta)
    kl_BT = kl_of(outputs, logprobs_BT, config.kl)
    if beta > 0 and kl_BT is not None:
        token_BT = token_BT + beta * kl_BT
    share_B = rollouts.shares(token_BT, batch, config.normaliser)
    clip_share_B = rollouts.per_row(clipped_BT, mask_BT)
    return share_B, {"clip_share": clip_share_B, **rollouts.rollout_metrics(batch, outputs)}
