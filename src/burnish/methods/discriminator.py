"""Adversarial reward: how to tell demonstrations from the policy's own completions, trained against the policy in turn.

    D    = sigma(r)                                                     the probability that y was demonstrated
    loss = - mean over demonstrations [ (1 - e) log D + e log(1 - D) ]  -  mean over drawn completions of log(1 - D)
    e    = smoothing, of the demonstrations' label alone

Sources: Goodfellow et al. 2014, arXiv 1406.2661; as imitation, GAIL: Ho and Ermon 2016, arXiv 1606.03476; one-sided
smoothing: Salimans et al. 2016, arXiv 1606.03498, section 3.4; r as the reward: AIRL, Fu et al. 2018, arXiv 1710.11248.

What is unusual: the reward is r = log D - log(1 - D), the logit, neither log D nor -log(1 - D): the best r is
log p_demonstrated / p_policy, so that a policy that climbs it descends KL(policy || demonstrators), and it pays neither
for ending early nor for going on. The two sides weigh the same however many there are of each.

Use it when people show what to do, and likelihood (sft) imitates too broadly. It fails when the discriminator wins:
`demonstrations_told` and `drawn_told` both near 1 mean that every completion of a prompt gets about the same low
reward; fewer steps, more smoothing, or an sft of the policy first. Form gives it away soonest: length, and a missing
end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.errors import InputError, nearest
from burnish.maths import adversarial
from burnish.maths.batch import Batch, Outputs
from burnish.maths.token_rewards import head_weights
from burnish.methods import Needs, names
from burnish.records import Demonstration

METRICS: Mapping[str, str] = {
    "demonstrations_told": "Share of demonstrations taken for such: 0.6 to 0.9; 1 leaves the policy nothing to climb.",
    "drawn_told": "Share of the policy's completions found out: falls to 0.5 as the policy learns.",
    "demonstration_reward": "Mean reward of demonstrations, logits: small and above 0.",
    "drawn_reward": "Mean reward of the policy's completions, logits: below 0, rises towards it.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the adversarial reward."""

    heads: int = 1
    """K, the members of the ensemble. At least 1."""
    smoothing: float = 0.1
    """How far the label of a demonstration stands below 1, in [0, 0.5); bounds its reward at log((1 - e) / e)."""
    partner: str = "grpo"
    """Method that trains the policy on this reward in turn."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 1.")
        if not 0 <= self.smoothing < 0.5:
            raise InputError(f"smoothing: {self.smoothing} is not in [0, 0.5). Use 0.1.")
        if self.partner not in names():
            raise InputError(f"partner: {self.partner!r} is no method.{nearest(self.partner, names())}")


def needs(config: Config) -> Needs:
    """Demonstrations beside fresh completions, K reward heads, and a policy trained in turn."""
    return Needs(
        eats=(Demonstration,), fresh=True, heads={"reward": config.heads}, partner=config.partner, policy=False
    )


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with weights_BK that sum to 1/K on each side and head. Pure, no gradient."""
    demonstrated_B, drawn_B = adversarial.sides(batch, "discriminator")
    weights_BK = head_weights(batch, config.heads)
    return replace(batch, weights_BK=adversarial.balanced(weights_BK, demonstrated_B, drawn_B))


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's loss, (B,), the mean over heads.

    batch.fresh_B: which rows were drawn. batch.weights_BK: see `targets`.
    """
    assert outputs.rewards_BK is not None
    assert batch.weights_BK is not None
    demonstrated_B, drawn_B = adversarial.sides(batch, "discriminator")
    rewards_BK = outputs.rewards_BK
    label_B1 = (1 - config.smoothing) * demonstrated_B[:, None].to(rewards_BK.dtype)
    loss_BK = -label_B1 * F.logsigmoid(rewards_BK) - (1 - label_B1) * F.logsigmoid(-rewards_BK)
    share_B = (loss_BK * batch.weights_BK.to(loss_BK.dtype)).sum(-1)
    reward_B = rewards_BK.detach().mean(-1)
    nothing_B, taken_B = torch.full_like(reward_B, torch.nan), (reward_B > 0).to(reward_B.dtype)
    return share_B, {
        "demonstrations_told": torch.where(demonstrated_B, taken_B, nothing_B),
        "drawn_told": torch.where(drawn_B, 1 - taken_B, nothing_B),
        "demonstration_reward": torch.where(demonstrated_B, reward_B, nothing_B),
        "drawn_reward": torch.where(drawn_B, reward_B, nothing_B),
    }
