"""Whole updates of actor-critics and of Q-learning: rewards and values in, the loss and its gradients out.

The numbers are the loss (PPO: and its KL), then gradients: of logits squared, of values along the probe, of Q squared.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from burnish.maths import returns, rollouts
from burnish.maths.batch import Outputs
from burnish.methods import a2c, ilql, ppo
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


def ppo_update(window: Window, more: Tensor | None = None) -> list[Tensor]:
    """Loss, KL and gradients of a whole update.

    more: where values are learned and rewards paid, if that is more than the completions: the places it adds are
    charged no KL, and the policy learns nothing there.
    """
    logits, values = leaves = _leaves(window)
    valued = window.mask if more is None else more
    old, reference = (_heard(window, each) for each in (window.logits_before_BTV, window.reference_logits_BTV))
    config = ppo.Config(
        clip_low=window.clip_low, clip_high=window.clip_low, value_clip=window.value_clip, beta=window.beta,
        discount=window.discount, trace=window.trace, whiten=False,
    )  # fmt: skip
    batch = batch_of(
        window, rewards_B=window.rewards_B, old_logprobs_BT=window.held(old), old_values_BT=window.old_values_BT,
        reference_logprobs_BT=window.held(reference),
    )  # fmt: skip
    said = ppo.targets(replace(batch, completion_mask_BT=valued), config)
    assert said.advantages_BT is not None
    whitened = returns.whitened(said.advantages_BT, window.mask)
    outputs = Outputs(logprobs_BT=_heard(window, logits), values_BT=values)
    learned = [
        (replace(said, completion_mask_BT=window.mask, advantages_BT=whitened), 0.0),
        (replace(said, advantages_BT=torch.zeros_like(whitened)), window.value_weight),
    ]
    loss = sum(
        ppo.loss(rollouts.with_counts(part), outputs, replace(config, value_weight=weight))[0].sum()
        for part, weight in learned
    )
    kl = window.sums(old - reference).mean()
    return [loss.detach(), kl, *_of_both(window, loss, leaves)]


def ppo_update_with_a_place_more(window: Window) -> list[Tensor]:
    after = torch.nn.functional.pad(window.mask, (1, 0), value=True)[:, :-1]
    return ppo_update(window, window.mask | after)


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
