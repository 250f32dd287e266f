"""PPO: clipped policy gradient with a value head that learns what to expect after every token.

    r_t  = token reward + score at the last token - beta * log(pi_old / ref)_t + entropy_bonus * (- log pi_old)_t
    d_t  = r_t + discount * V_{t+1} - V_t,   A_t = sum_k (discount * trace)^k d_{t+k},   R_t = A_t + V_t       (GAE)
    loss = - min(rho A, clip(rho, 1-low, 1+high) A)  +  value_weight / 2 * max( (V - R)^2, (V_clipped - R)^2 )

Sources: PPO, arXiv 1707.06347, equations 7 and 9; GAE, arXiv 1506.02438; for language: Ziegler et al. 2019, arXiv
1909.08593, and InstructGPT, arXiv 2203.02155; details: Huang et al. 2024, "The N+ implementation details of RLHF with
PPO", arXiv 2403.17031.

What is unusual: advantages are whitened over the window's trained tokens alone, with Bessel's correction; the value's
clip takes the larger of the two errors; a final score is paid on the last trained token; tokens in between that are not
trained on (a tool's) are stepped over. What a reward pays by token is paid where it stands, the rest at the end.

Use it when rewards come on tokens or parts, when completions are long, or when one completion a prompt is all there is.
It fails when the value head does (watch `explained_variance`: below 0 its advantages are worse than none) and when it
takes too many steps on a window (`clip_share` above about 0.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from burnish.maths import returns, rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLKind, kl_of
from burnish.maths.policy_loss import Normaliser, clipped_policy_loss, clipped_value_loss, masked
from burnish.methods import Needs, within

METRICS: Mapping[str, str] = {
    **rollouts.PAID,
    "clip_share": "Share of tokens whose ratio was clipped: 0 in the first step, at most about 0.2 over all.",
    **rollouts.VALUE_METRICS,
    **rollouts.METRICS,
}


@dataclass(frozen=True)
class Config:
    """Settings of PPO. How often a window is gone through is the trainer's setting (`passes`, `parts`)."""

    clip_low: float = 0.2
    """Ratio below 1 - clip_low earns nothing more. In [0, 1]."""
    clip_high: float = 0.2
    """Ratio above 1 + clip_high earns nothing more. From 0 up."""
    normaliser: Normaliser = "token"
    """What token losses are divided by: token (all of the window's), completion, constant (length limit)."""
    discount: float = 1.0
    """What a reward one token later is worth, in [0, 1]."""
    trace: float = 0.95
    """GAE's lambda, in [0, 1]: 1 trusts the rewards alone (noise), 0 the value head alone (bias)."""
    whiten: bool = True
    """Whether the window's advantages are brought to mean 0 and standard deviation 1."""
    value_weight: float = 0.5
    """Weight of the value head's loss beside the policy's."""
    value_clip: float = 0.2
    """How far a value may move from the window's start before its gradient stops, reward units; 0 leaves it out."""
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
        within(self, clip_low=(0, 1), clip_high=(0, math.inf), discount=(0, 1), trace=(0, 1))
        some = (0.0, math.inf)
        within(self, value_weight=some, value_clip=some, beta=some, entropy_bonus=some, truncation_penalty=some)


def needs(config: Config) -> Needs:
    """Fresh, scored completions, a value head, and what policy, values and reference say before the first step."""
    views = ("old", "reference") if config.beta > 0 else ("old",)
    return Needs(eats=(), fresh=True, scored=True, views=views, heads={"value": 1})


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
    advantages_BT = returns.generalised_advantages(
        rewards_BT, values_BT, mask_BT, discount=config.discount, trace=config.trace
    )
    returns_BT = advantages_BT + values_BT
    scalars = {**batch.scalars, "explained_variance": returns.explained_variance(values_BT, returns_BT, mask_BT)}
    if config.whiten:
        advantages_BT = returns.whitened(advantages_BT, mask_BT)
    return replace(batch, old_values_BT=values_BT, advantages_BT=advantages_BT, returns_BT=returns_BT, scalars=scalars)


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each completion's share of the window's loss, (B,), and its metrics.

    batch.scalars: "tokens" and "completions" of the whole window, "max_new_tokens", and "beta" when a controller moves
    it (else config.beta).
    """
    assert outputs.logprobs_BT is not None
    assert outputs.values_BT is not None
    assert batch.advantages_BT is not None
    assert batch.returns_BT is not None
    assert batch.old_values_BT is not None
    mask_BT = batch.completion_mask_BT
    logprobs_BT, values_BT = masked(outputs.logprobs_BT, mask_BT), masked(outputs.values_BT, mask_BT)
    old_BT = logprobs_BT.detach() if batch.old_logprobs_BT is None else masked(batch.old_logprobs_BT, mask_BT)
    token_BT, clipped_BT = clipped_policy_loss(
        logprobs_BT, old_BT, batch.advantages_BT, clip_low=config.clip_low, clip_high=config.clip_high
    )
    if config.kl_in == "loss" and (kl_BT := kl_of(outputs, logprobs_BT, config.kl)) is not None:
        token_BT = token_BT + rollouts.coefficient(batch, config.beta) * kl_BT
    held_BT = masked(batch.old_values_BT, mask_BT)
    value_BT = clipped_value_loss(values_BT, held_BT, batch.returns_BT, config.value_clip)
    share_B = rollouts.shares(token_BT + config.value_weight * value_BT, batch, config.normaliser)
    metrics = {
        **rollouts.paid_metric(batch, truncation_penalty=config.truncation_penalty),
        "clip_share": rollouts.per_row(clipped_BT, mask_BT),
        **rollouts.value_metrics(batch, values_BT),
    }
    return share_B, {**metrics, **rollouts.rollout_metrics(batch, outputs)}
