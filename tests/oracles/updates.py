"""Whole updates of actor-critics and Q-learners: rewards and values in, the loss and its gradients out.

The numbers are the loss (PPO: and its KL), then gradients: of logits squared, of values along the probe, of Q squared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from burnish.maths import returns, rollouts
from burnish.maths.batch import Batch, Outputs
from burnish.methods import a2c, dqn, ilql, ppo, reinforce
from oracles.given import batch_of, shaped, statistics, whole_loss
from oracles.theirs.protocol import Window


def _heard(window: Window, logits_BTV: Tensor) -> Tensor:
    """The log-probs of the tokens that were said."""
    return shaped(window, statistics(window, logits_BTV).logprobs)


def _of_both(window: Window, loss: Tensor, leaves: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The loss's gradient, of logits and of values."""
    of_logits, of_values = torch.autograd.grad(loss, leaves)
    return [of_logits.square().sum(), (of_values * window.probe_BT).sum()]


def _leaves(window: Window) -> tuple[Tensor, Tensor]:
    return window.logits_BTV.clone().requires_grad_(True), window.values_BT.clone().requires_grad_(True)


def _ppo(window: Window) -> tuple[ppo.Config, Batch]:
    """PPO's settings, and what it is given: rewards, values, and what policy and reference said before the step."""
    config = ppo.Config(
        clip_low=window.clip_low, clip_high=window.clip_low, value_clip=window.value_clip, beta=window.beta,
        discount=window.discount, trace=window.trace, value_weight=window.value_weight,
    )  # fmt: skip
    old, reference = (_heard(window, each) for each in (window.logits_before_BTV, window.reference_logits_BTV))
    batch = batch_of(
        window, rewards_B=window.rewards_B, old_logprobs_BT=window.held(old), old_values_BT=window.old_values_BT,
        reference_logprobs_BT=window.held(reference),
    )  # fmt: skip
    return config, batch


def _kl(batch: Batch) -> Tensor:
    """Of a completion to the reference, by the tokens drawn."""
    assert batch.old_logprobs_BT is not None
    assert batch.reference_logprobs_BT is not None
    return (batch.old_logprobs_BT - batch.reference_logprobs_BT).sum(-1).mean()


def ppo_update(window: Window) -> list[Tensor]:
    logits, values = leaves = _leaves(window)
    config, batch = _ppo(window)
    loss = whole_loss(ppo, config, batch, Outputs(logprobs_BT=_heard(window, logits), values_BT=values))
    return [loss.detach(), _kl(batch), *_of_both(window, loss, leaves)]


def ppo_update_with_a_place_more(window: Window) -> list[Tensor]:
    """Of completions that end before the width: one place after them is valued and paid, and no word is said there.

    No KL is charged at that place, the policy learns nothing from it, and it is not whitened with the others.
    """
    logits, values = leaves = _leaves(window)
    config, batch = _ppo(window)
    valued = window.mask | torch.nn.functional.pad(window.mask, (1, 0), value=True)[:, :-1]
    outputs = Outputs(logprobs_BT=_heard(window, logits), values_BT=values)
    said = ppo.targets(replace(batch, completion_mask_BT=valued), replace(config, whiten=False))
    assert said.advantages_BT is not None
    whitened_BT = returns.whitened(said.advantages_BT, window.mask)
    by_policy = replace(said, completion_mask_BT=window.mask, advantages_BT=whitened_BT)
    by_values = replace(said, advantages_BT=torch.zeros_like(whitened_BT))
    loss = ppo.loss(rollouts.with_counts(by_policy), outputs, replace(config, value_weight=0.0))[0].sum()
    loss = loss + ppo.loss(by_values, outputs, config)[0].sum()
    return [loss.detach(), _kl(batch), *_of_both(window, loss, leaves)]


def reinforced(window: Window) -> list[Tensor]:
    """With its running baseline where it happens to stand."""
    config = reinforce.Config(baseline="running", beta=window.beta, normaliser="token")
    batch = batch_of(
        window, rewards_B=window.rewards_B, old_logprobs_BT=window.old_logprobs_BT,
        reference_logprobs_BT=window.reference_logprobs_BT,
    )  # fmt: skip
    batch = replace(batch, scalars={**batch.scalars, "baseline": window.baseline})
    return window.told(whole_loss(reinforce, config, batch, Outputs(logprobs_BT=window.leaf)))


def actor_critic(window: Window) -> list[Tensor]:
    logits, values = leaves = _leaves(window)
    config = a2c.Config(
        beta=0.0, discount=window.discount, trace=window.trace, value_weight=window.value_weight, normaliser="token"
    )
    batch = batch_of(
        window, rewards_B=window.rewards_B, token_rewards_BT=window.token_rewards_BT, old_values_BT=window.values_BT
    )
    loss = whole_loss(a2c, config, batch, Outputs(logprobs_BT=_heard(window, logits), values_BT=values))
    return [loss.detach(), *_of_both(window, loss, leaves)]


def q_learned(window: Window) -> list[Tensor]:
    logits, values = _leaves(window)
    heads = window.q_BTKV.clone().requires_grad_(True)
    config = ilql.Config(discount=window.discount, expectile=window.expectile, conservative=window.conservative)
    batch = batch_of(
        window, rewards_B=window.rewards_B, token_rewards_BT=window.token_rewards_BT, tokens_BT=window.tokens,
        slow_q_BTKV=window.slow_q_BTKV,
    )  # fmt: skip
    outputs = Outputs(logprobs_BT=_heard(window, logits), values_BT=values, q_BTKV=heads)
    loss = whole_loss(ilql, config, batch, outputs)
    of_heads = torch.autograd.grad(loss, heads, retain_graph=True)[0].square().sum()
    return [loss.detach(), *_of_both(window, loss, (logits, values)), of_heads]


def q_of_tries(window: Window, backup: Literal["max", "double"]) -> list[Tensor]:
    """With the conservative term where the larger value is taken, without it where one chooses and another judges."""
    heads = window.q_BTKV[..., :1, :].clone().requires_grad_(True)
    config = dqn.Config(
        backup=backup, discount=window.discount, conservative=window.conservative if backup == "max" else 0.0
    )
    batch = batch_of(window, rewards_B=window.rewards_B, token_rewards_BT=window.token_rewards_BT)
    batch = replace(batch, tokens_BT=window.tokens, slow_q_BTKV=window.slow_q_BTKV[..., :1, :])
    return window.told(whole_loss(dqn, config, batch, Outputs(q_BTKV=heads)), heads)
