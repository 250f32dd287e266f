"""A2C (advantage actor-critic): a value head says what to expect after each token, the policy learns from the surprise.

    r_t  = token reward + score at the last token - beta * log(pi / ref)_t + entropy_bonus * (- log pi)_t
    R_t  = r_t + ... + discount^(n-1) r_{t+n-1} + discount^n V_{t+n}                            (returns="n_step")
    R_t  = V_t + sum_k (discount * trace)^k delta_{t+k}                                         (returns="lambda")
    loss = - (R_t - V_t) log pi(y_t)  +  value_weight * 1/2 (V_t - R_t)^2

Sources: Mnih et al. 2016 (A3C), arXiv 1602.01783, section 4; lambda-returns: Sutton and Barto, "Reinforcement
learning", 2nd edition, section 12.1. A2C is A3C with its workers in step.

What is unusual: the entropy bonus is a reward. A3C adds each step's entropy to the loss, which rewards no token for
leading to places where much can be said; -log pi of the token drawn, paid as a reward, has the completion's entropy as
its mean and exactly that entropy's gradient. The KL is charged in the same way.

Use it where `ppo` would be used and every window is gone through once: it is PPO without ratio, clip and whitening, and
with exact values its gradient is exact. It fails as actor-critics do: while the value head is wrong, "n_step" and small
traces point the wrong way (watch `explained_variance`); trace = 1 needs no right values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from burnish.errors import InputError
from burnish.maths import returns, rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind, kl_of
from burnish.maths.policy_loss import Normaliser, clipped_value_loss, masked
from burnish.methods import Needs, within

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    **rollouts.VALUE_METRICS,
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of A2C."""

    returns: Literal["lambda", "n_step"] = "lambda"
    """What the value head learns and the policy is compared by: lambda (`trace`) or n-step returns (`steps`)."""
    trace: float = 0.95
    """Lambda, in [0, 1]: 1 trusts the rewards alone (noise), 0 the value head alone (bias)."""
    steps: int = 5
    """n of n-step returns, tokens."""
    discount: float = 1.0
    """What a reward one token later is worth, in [0, 1]."""
    normaliser: Normaliser = "constant"
    """What token losses are divided by: constant (length limit), token, completion; the last two favour short ones."""
    value_weight: float = 0.5
    """Weight of the value head's loss beside the policy's."""
    beta: float = 0.05
    """Weight of the KL to the untouched model, reward units per nat; 0 asks for no reference at all."""
    kl_in: rollouts.Place = "reward"
    """Where the KL is charged: reward (each token drawn, the whole completion's gradient), loss (`kl`)."""
    kl: KLKind = "exact"
    """With kl_in = "loss": exact, k2 (same gradient in expectation), k1 and k3 (see maths/kl.py)."""
    entropy_bonus: float = 0.0
    """Reward units per nat for saying what is unlikely: in expectation the completion's entropy, rightly derived."""
    truncation_penalty: float = 0.0
    """Reward units taken from a completion that reached the length limit."""

    def __post_init__(self) -> None:
        some = (0.0, math.inf)
        within(self, trace=(0, 1), discount=(0, 1), value_weight=some, beta=some, entropy_bonus=some)
        within(self, truncation_penalty=some)
        if self.steps < 1:
            raise InputError(f"steps: {self.steps} is not a whole number from 1 up. Use 5.")


def needs(config: Config) -> Needs:
    """Fresh, scored completions, a value head, and what policy, values and reference say before the step."""
    views = ("old", "reference") if config.beta > 0 else ("old",)
    return Needs(eats=(), fresh=True, scored=True, views=views, heads={"value": 1}, once=True)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with advantages_BT, returns_BT, the window's counts and its explained variance. No gradient."""
    batch = rollouts.with_counts(rollouts.without_unscored(batch))
    mask_BT = batch.completion_mask_BT
    assert batch.old_values_BT is not None
    values_BT = masked(batch.old_values_BT, mask_BT)
    rewards_BT = rollouts.paid_rewards(batch, truncation_penalty=config.truncation_penalty)
    rewards_BT = rollouts.with_entropy(rewards_BT, batch, config.entropy_bonus)
    if config.kl_in == "reward":
        rewards_BT = rollouts.charged(rewards_BT, batch, rollouts.coefficient(batch, config.beta))
    if config.returns == "n_step":
        returns_BT = returns.n_step(rewards_BT, values_BT, mask_BT, discount=config.discount, steps=config.steps)
    else:
        returns_BT = values_BT + returns.generalised_advantages(
            rewards_BT, values_BT, mask_BT, discount=config.discount, trace=config.trace
        )
    scalars = {**batch.scalars, "explained_variance": returns.explained_variance(values_BT, returns_BT, mask_BT)}
    return replace(batch, advantages_BT=returns_BT - values_BT, returns_BT=returns_BT, scalars=scalars)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.scalars: "tokens" and "completions" of the whole window, "max_new_tokens", and "beta" when a controller moves
    it (else config.beta).
    """
    assert outputs.logprobs_BT is not None
    assert outputs.values_BT is not None
    assert batch.advantages_BT is not None
    assert batch.returns_BT is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT, values_BT = masked(outputs.logprobs_BT, mask_BT), masked(outputs.values_BT, mask_BT)
    token_BT = -batch.advantages_BT * logprobs_BT
    if config.kl_in == "loss" and (kl_BT := kl_of(outputs, logprobs_BT, config.kl)) is not None:
        token_BT = token_BT + rollouts.coefficient(batch, config.beta) * kl_BT
    value_BT = clipped_value_loss(values_BT, values_BT, batch.returns_BT, 0.0)
    share_B = rollouts.shares(token_BT + config.value_weight * value_BT, batch, config.normaliser)
    metrics = {
        **rollouts.paid_metric(batch, truncation_penalty=config.truncation_penalty),
        **rollouts.value_metrics(batch, values_BT),
    }
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}
