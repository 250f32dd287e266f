"""Maximum-entropy inverse reinforcement learning: the reward under which the demonstrations are the likeliest.

    P(y | x) = base(y | x) exp(r(x, y)) / Z(x)
    loss     = - mean over demonstrations of r  +  mean over prompts of log Z(x)
               + penalty / 2 * (mean r^2 of demonstrations + mean r^2 of drawn completions)
    log Z(x) ~ log 1/M sum_j base(y_j) exp(r(x, y_j)) / q(y_j)      y_j drawn by the policy with probability q(y_j)
    base     = 1 for every completion ("uniform"), or the untouched model ("reference")

so that its gradient is that of the mean reward of demonstrations less that of the policy's completions, weighed by
w_j / sum w. The policy is trained in turn on r (`partner`), and brings q towards P.

Sources: Ziebart et al. 2008, "Maximum entropy inverse reinforcement learning"; guided cost learning, Finn et al. 2016,
arXiv 1603.00448, equations 1 to 3 (sampled Z, importance weights); a base distribution: Boularias et al. 2011.

What is unusual: Z is estimated for each prompt from its own group, so the weights never compare prompts; demonstrations
and drawn completions pull equally however many there are of each; and `penalty`, a normal prior on r, is what keeps
rewards finite when no demonstration was ever drawn. With base="reference", and a partner whose KL to the reference has
weight 1 (`partner.beta=1`), the best policy is the demonstrators' own distribution.

Use it when people show what to do and cannot say what is good about it. It fails when q and P are far apart: one
completion then carries a group (`effective_samples` near 1), and the reward learns which one was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError, nearest
from burnish.maths import adversarial
from burnish.maths.batch import Batch, Outputs
from burnish.maths.policy_loss import masked_sum
from burnish.maths.token_rewards import head_weights
from burnish.methods import Needs, names, within
from burnish.records import Demonstration

METRICS: Mapping[str, str] = {
    "demonstration_reward": "Mean reward of demonstrations: above `drawn_reward`; the gap shrinks with time.",
    "drawn_reward": "Mean reward of the policy's completions: rises towards the demonstrations'.",
    "effective_samples": "Completions that carry a group's Z: near the group's size is well, near 1 is noise.",
}


@dataclass(frozen=True)
class Config:
    """Settings of maximum-entropy inverse reinforcement learning."""

    heads: int = 1
    """K, the members of the ensemble. At least 1."""
    base: Literal["uniform", "reference"] = "uniform"
    """What exp(r) tilts: uniform (every completion alike), reference (the untouched model)."""
    penalty: float = 0.01
    """Weight of the squared reward on each of the two sides, from 0 up; 1 over the variance rewards are thought to
    have."""
    partner: str = "grpo"
    """Method that trains the policy on this reward in turn."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 1.")
        within(self, penalty=(0, math.inf))
        if self.partner not in names():
            raise InputError(f"partner: {self.partner!r} is no method.{nearest(self.partner, names())}")


def needs(config: Config) -> Needs:
    """Demonstrations beside fresh completions in whole groups, K reward heads, and a policy trained in turn."""
    return Needs(
        eats=(Demonstration,),
        fresh=True,
        views=("old", "reference") if config.base == "reference" else (),
        heads={"reward": config.heads},
        together=True,
        partner=config.partner,
        policy=False,
    )


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with weights_BK that sum to 1/K on each side and head. Pure, no gradient.

    Raises ValueError when drawn completions came without the sampler's log-probs, or without those of the base.
    """
    demonstrated_B, drawn_B = adversarial.sides(batch, "inverse_rl")
    drawn_BT = batch.completion_mask_BT & drawn_B[:, None]
    if batch.behaviour_logprobs_BT is None or bool(batch.behaviour_logprobs_BT[drawn_BT].isnan().any()):
        raise ValueError("inverse_rl: the sampler gave no log-probs with its completions; sample with our own engine.")
    if config.base == "reference" and batch.reference_logprobs_BT is None:
        raise ValueError('inverse_rl: nobody gave the untouched model\'s log-probs. Use base = "uniform".')
    weights_BK = head_weights(batch, config.heads)
    return replace(batch, weights_BK=adversarial.balanced(weights_BK, demonstrated_B, drawn_B))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's loss, (B,), the mean over heads.

    batch.fresh_B: which rows were drawn; those of a prompt share a group. batch.behaviour_logprobs_BT: log q of their
    tokens. batch.weights_BK: see `targets`. With base="reference" also batch.reference_logprobs_BT.
    """
    assert outputs.rewards_BK is not None
    assert batch.weights_BK is not None
    demonstrated_B, drawn_B = adversarial.sides(batch, "inverse_rl")
    rewards_BK = outputs.rewards_BK
    log_weight_BK = rewards_BK + _log_base_over_q(batch, config)[:, None].to(rewards_BK.dtype)
    log_z_BK, effective_B = adversarial.log_partition(log_weight_BK, batch.group_B, drawn_B)
    term_BK = torch.where(drawn_B[:, None], log_z_BK, -rewards_BK) + config.penalty / 2 * rewards_BK.square()
    share_B = (term_BK * batch.weights_BK.to(term_BK.dtype)).sum(-1)
    reward_B, nothing_B = rewards_BK.detach().mean(-1), torch.full_like(effective_B, torch.nan)
    return share_B, {
        "demonstration_reward": torch.where(demonstrated_B, reward_B, nothing_B),
        "drawn_reward": torch.where(drawn_B, reward_B, nothing_B),
        "effective_samples": effective_B,
    }


def _log_base_over_q(batch: Batch, config: Config) -> Tensor:
    """Return log base(y) - log q(y) of each drawn row, (B,), 0 on demonstrations."""
    assert batch.behaviour_logprobs_BT is not None
    assert batch.fresh_B is not None
    mask_BT = batch.completion_mask_BT & batch.fresh_B[:, None]  # demonstrations have no behaviour log-probs
    log_base_B = batch.behaviour_logprobs_BT.new_zeros(len(batch))
    if config.base == "reference":
        assert batch.reference_logprobs_BT is not None
        log_base_B = masked_sum(batch.reference_logprobs_BT, mask_BT)
    return log_base_B - masked_sum(batch.behaviour_logprobs_BT, mask_BT)
