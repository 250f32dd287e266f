"""Our answers to what the oracles are asked (theirs/), told in the same way: a loss and its gradient along a probe.

A case that oracles define differently has a name of its own, and `WHY` says what differs; `LOOSE` says where an oracle
itself is no nearer than that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from burnish.maths import returns, rollouts
from burnish.maths.advantages import group_relative, leave_one_out
from burnish.maths.batch import Batch, Outputs
from burnish.maths.kl import KLController, kl_estimate
from burnish.methods import (
    cispo,
    cpo,
    dpo,
    grpo,
    ipo,
    kto,
    nash_md,
    orpo,
    ppo,
    process_reward,
    ranking_reward,
    reward,
    rloo,
    sdpo,
    sft,
    simpo,
)
from oracles import updates
from oracles.given import batch_of, shaped, statistics, whole_loss
from oracles.theirs.protocol import Window
from oracles.window import GROUPS, B, N

Answer = Callable[[Window], Sequence[Tensor]]

WHY = {
    "ipo mean": "each log-ratio is divided by its completion's length (TRL)",
    "ipo sum": "log-ratios of whole completions (the paper's equation 17, OpenRLHF)",
    "orpo, odds": "TRL's imitation beside it takes in the prompt and divides by a batch's tokens, ours is of the pair",
    "cpo, preference": "TRL's imitation beside it divides by a batch's tokens, ours by the completion's",
    "grpo with kl k3": "TRL with use_bias_correction_kl off",
    "cispo": "verl's lower bound of the weights set to 0, as published",
    "reinforce": "a given baseline and the KL in the reward: verl's ReMax and GPG",
    "ppo update": "completions that all reach the length limit; TRL's own trainer, verl's functions in turn",
    "ppo update, a place more": "a whole step of TRL's own trainer: it pays a completion that ends before the limit "
    "one place after its end, and learns that place's value; ours is asked with that place",
    "ppo update, uneven": "verl's functions in turn",
    "a2c": "GAE, policy and value; normaliser=token, no KL",
    "dqn": "backup=max, with the conservative term",
    "ilql": "torchrl has its terms in two losses (IQL, CQL); trlX, which has it whole, is in no package index",
    "nash-md": "gradient alone: TRL charges each token's KL as k2 does (ours: kl_in=loss, kl=k2), its value is another",
    "sdpo log-ratio": "gradient alone: TRL's value is the log-ratio times the log-prob",
    "gae returns": "read under the mask: verl keeps what stood in masked places",
}
"""What differs between definitions, by case."""

LOOSE = {
    ("kl k1", "openrlhf"): (1e-5, "it computes in float32 whatever it is given"),
    ("kl k2", "openrlhf"): (1e-5, "it computes in float32 whatever it is given"),
    ("kl k3", "openrlhf"): (1e-5, "it computes in float32 whatever it is given"),
    ("orpo, odds", "trl"): (1e-5, "it computes in float32 whatever it is given"),
    ("sft of logits", "trl"): (1e-5, "it computes in float32 whatever it is given"),
    ("process reward", "trl 1.13"): (1e-5, "it computes in float32 whatever it is given"),
    ("sft by completion", "openrlhf"): (1e-7, "it adds 1e-8 to every count"),
    ("grpo", "openrlhf"): (1e-7, "it adds 1e-8 to every count"),
    ("gspo", "openrlhf"): (1e-7, "it adds 1e-8 to every count"),
    ("grpo", "verl"): (1e-7, "it adds 1e-8 to every count"),
    ("gspo", "verl"): (1e-7, "it adds 1e-8 to every count"),
    ("whitening", "verl"): (1e-6, "1e-8 is added to the variance, ours to the standard deviation"),
    ("whitening", "trl 1.12"): (1e-6, "1e-8 is added to the variance, ours to the standard deviation"),
    ("gae, whitened", "verl"): (1e-6, "1e-8 is added to the variance, ours to the standard deviation"),
}
"""How near an oracle's float64 can be, where that is less near than 1e-9, and why."""

OTHER = {
    ("trl", "grpo with kl k3, weighted"): (
        "grpo with kl k3",
        "TRL's default (use_bias_correction_kl) weighs each token's KL by its ratio, which mends k3's gradient for old "
        "samples; here the exact KL does that, and k3 is k3",
    ),
    ("trl", "ipo mean"): ("ipo sum", "TRL's IPO divides by length: under one beta it is another loss than the paper's"),
    ("openrlhf", "ipo sum"): ("ipo mean", "and the other way round"),
    ("verl", "cispo, weights with a floor"): (
        "cispo",
        "verl's default bounds the weights below as well; the published method leaves that bound out",
    ),
    ("trl 1.12", "ppo update, a place more"): (
        "ppo update, uneven",
        "where completions end before the limit TRL's reward and last value stand a place later",
    ),
}
"""An oracle's number, and ours that has the same name in common speech and is another loss: (ours, what differs)."""


# ------------------------------------------------------------------------------------------------------------- tokens


def logprobs(window: Window) -> list[Tensor]:
    return window.read(shaped(window, statistics(window, window.logits_BTV).logprobs))


def entropy(window: Window) -> list[Tensor]:
    return window.read(shaped(window, statistics(window, window.logits_BTV).entropy))


def sft_of_logits(window: Window) -> list[Tensor]:
    leaf = window.logits_BTV.clone().requires_grad_(True)
    found = Outputs(logprobs_BT=shaped(window, statistics(window, leaf).logprobs))
    return window.told(whole_loss(sft, sft.Config(), batch_of(window), found), leaf)


def _sft(window: Window, normaliser: Any) -> list[Tensor]:
    return window.told(whole_loss(sft, sft.Config(normaliser), batch_of(window), Outputs(logprobs_BT=window.leaf)))


# -------------------------------------------------------------------------------------------------------------- pairs


def _pairs(window: Window, method: ModuleType, config: Any) -> list[Tensor]:
    outputs = Outputs(logprobs_BT=window.leaf, reference_logprobs_BT=window.reference_logprobs_BT)
    return window.told(whole_loss(method, config, batch_of(window), outputs))


def _kto(window: Window) -> list[Tensor]:
    """Rows 0, 2, ... are good, the others bad; each has a mismatched row beside it that measures the point alone."""
    good = torch.tensor([1.0, 0.0] * N, dtype=window.dtype)
    both = {
        "completion_mask_BT": torch.cat([window.mask, window.mask]),
        "group_B": torch.arange(B).repeat(2),
        "rewards_B": torch.cat([good, torch.full_like(good, torch.nan)]),
        "mismatched_B": torch.arange(2 * B) >= B,
        "old_logprobs_BT": torch.cat([window.logprobs_BT, window.point_logprobs_BT]),
        "reference_logprobs_BT": torch.cat([window.reference_logprobs_BT] * 2),
    }
    config = kto.Config(beta=window.beta, desirable=window.desirable, undesirable=window.undesirable)
    outputs = Outputs(
        logprobs_BT=torch.cat([window.leaf, window.point_logprobs_BT]),
        reference_logprobs_BT=both["reference_logprobs_BT"],
    )
    return window.told(whole_loss(kto, config, Batch(**both), outputs))


def orpo_odds(window: Window) -> list[Tensor]:
    """The whole loss less its imitation: what the odds add."""
    outputs = Outputs(logprobs_BT=window.leaf)
    whole = whole_loss(orpo, orpo.Config(beta=window.beta), batch_of(window), outputs)
    return window.told(whole + _chosen_means(window))


def cpo_preference(window: Window) -> list[Tensor]:
    config = cpo.Config(beta=window.beta, alpha=window.alpha)
    whole = whole_loss(cpo, config, batch_of(window), Outputs(logprobs_BT=window.leaf))
    return window.told(whole + window.alpha * _chosen_means(window))


def _chosen_means(window: Window) -> Tensor:
    return (window.sums(window.leaf) / window.mask.sum(-1))[0::2].mean()


def _reward(window: Window, margin: float = 0.0) -> list[Tensor]:
    leaf = window.rewards_B.clone().requires_grad_(True)
    batch = batch_of(window, margin_B=window.margin_N.repeat_interleave(2))
    return window.told(
        whole_loss(reward, reward.Config(heads=1, margin=margin), batch, Outputs(rewards_BK=leaf[:, None])), leaf
    )


def process(window: Window) -> list[Tensor]:
    leaf = window.values_BT.clone().requires_grad_(True)
    batch = batch_of(window, token_labels_BT=window.labels_BT)
    config = process_reward.Config(heads=1)
    return window.told(whole_loss(process_reward, config, batch, Outputs(token_rewards_BTK=leaf[..., None])), leaf)


def _ranked(window: Window, ranks_B: Tensor, last: Any) -> list[Tensor]:
    leaf = window.rewards_B.clone().requires_grad_(True)
    batch = replace(batch_of(window, ranks_B=ranks_B.long()), group_B=torch.tensor(GROUPS))
    config = ranking_reward.Config(heads=1, last=last)
    return window.told(whole_loss(ranking_reward, config, batch, Outputs(rewards_BK=leaf[:, None])), leaf)


# ----------------------------------------------------------------------------------------------------------- rollouts


def _grpo(window: Window, **settings: Any) -> list[Tensor]:
    """With the advantages as they are given: what `targets` makes of rewards is a case of its own."""
    settings = {"clip_low": window.clip_low, "clip_high": window.clip_high, "beta": 0.0, "kl": "k3", **settings}
    batch = batch_of(
        window, advantages_B=window.advantages_B, old_logprobs_BT=window.old_logprobs_BT,
        behaviour_logprobs_BT=window.behaviour_logprobs_BT,
    )  # fmt: skip
    outputs = Outputs(logprobs_BT=window.leaf, reference_logprobs_BT=window.reference_logprobs_BT)
    return window.told(grpo.loss(batch, outputs, grpo.Config(**settings))[0].sum())


def _rloo(window: Window) -> list[Tensor]:
    batch = batch_of(
        window, advantages_B=window.advantages_B, old_logprobs_BT=window.old_logprobs_BT, rewards_B=window.rewards_B
    )
    config = rloo.Config(clip_low=window.clip_low, clip_high=window.clip_high, beta=0.0)
    return window.told(rloo.loss(batch, Outputs(logprobs_BT=window.leaf), config)[0].sum())


def _advantages(window: Window, estimate: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    found_B = estimate(window.rewards_B, torch.tensor(GROUPS))
    return window.read(found_B[:, None].expand_as(window.logprobs_BT))


def _gae(window: Window) -> Tensor:
    return returns.generalised_advantages(
        window.token_rewards_BT, window.old_values_BT, window.mask, discount=window.discount, trace=window.trace
    )


def _ppo(window: Window, leaf: Tensor, **more: Any) -> list[Tensor]:
    """leaf: the log-probs (policy's part) or the values (value's part); the other part is given no weight."""
    of_values = leaf is not window.leaf
    batch = batch_of(
        window, rewards_B=window.rewards_B, old_logprobs_BT=window.old_logprobs_BT, old_values_BT=window.old_values_BT,
        advantages_BT=window.advantages_BT * (0 if of_values else 1), returns_BT=window.returns_BT,
    )  # fmt: skip
    batch = replace(batch, scalars={**batch.scalars, "explained_variance": 0.0})
    config = ppo.Config(
        clip_low=window.clip_low, clip_high=window.clip_high, value_clip=window.value_clip, beta=0.0,
        value_weight=1.0 if of_values else 0.0,
    )  # fmt: skip
    outputs = Outputs(logprobs_BT=window.leaf, values_BT=leaf if of_values else window.values_BT)
    return window.told(ppo.loss(batch, outputs, config)[0].sum(), leaf)


def ppo_value(window: Window) -> list[Tensor]:
    return _ppo(window, window.values_BT.clone().requires_grad_(True))


def _cispo(window: Window) -> list[Tensor]:
    batch = batch_of(
        window, advantages_B=window.advantages_B, old_logprobs_BT=window.old_logprobs_BT, rewards_B=window.rewards_B
    )
    config = cispo.Config(high=window.clip_high, beta=0.0)
    return window.told(cispo.loss(batch, Outputs(logprobs_BT=window.leaf), config)[0].sum())


# ----------------------------------------------------------------------------------------------------------- measures


def _kl(window: Window, kind: Any) -> list[Tensor]:
    return window.told(kl_estimate(window.held(window.leaf), window.held(window.reference_logprobs_BT), kind).sum())


def paid(window: Window) -> list[Tensor]:
    batch = batch_of(
        window, rewards_B=window.rewards_B, old_logprobs_BT=window.old_logprobs_BT,
        reference_logprobs_BT=window.reference_logprobs_BT,
    )  # fmt: skip
    return window.read(rollouts.charged(rollouts.paid_rewards(batch), batch, window.beta))


def controller(window: Window) -> list[Tensor]:
    one, found = KLController(0.2, 6.0, 100), []
    for kl, completions in ((9.0, 8), (6.5, 8), (2.0, 16)):
        one = one.after(kl, completions)
        found.append(torch.tensor(one.beta, dtype=torch.float64))
    return found


def _nash(window: Window) -> list[Tensor]:
    config = nash_md.Config(beta=window.beta, kl_in="loss", kl="k2", baseline="none")
    batch = replace(batch_of(window, rewards_B=window.win_rates_B), scalars={"max_new_tokens": 1.0})
    outputs = Outputs(logprobs_BT=window.leaf, reference_logprobs_BT=window.reference_logprobs_BT)
    return window.told(whole_loss(nash_md, config, batch, outputs))[1:]


def _sdpo(window: Window, form: Any) -> list[Tensor]:
    leaf = window.logits_BTV.clone().requires_grad_(True)
    says = statistics(window, leaf, window.teacher_logits_BTV)
    assert says.kl is not None
    assert says.reference_logprobs is not None
    outputs = Outputs(
        logprobs_BT=shaped(window, says.logprobs), teacher_kl_BT=shaped(window, says.kl),
        teacher_logprobs_BT=shaped(window, says.reference_logprobs),
    )  # fmt: skip
    found = window.told(whole_loss(sdpo, sdpo.Config(form=form), batch_of(window), outputs), leaf)
    return found if form == "kl" else found[1:]


ANSWERS: dict[str, Answer] = {
    "logprobs": logprobs,
    "entropy": entropy,
    "sft of logits": sft_of_logits,
    "sft": lambda w: _sft(w, "token"),
    "sft by completion": lambda w: _sft(w, "completion"),
    "dpo": lambda w: _pairs(w, dpo, dpo.Config(beta=w.beta)),
    "dpo conservative": lambda w: _pairs(w, dpo, dpo.Config(beta=w.beta, label_smoothing=w.smoothing)),
    "dpo robust": lambda w: _pairs(w, dpo, dpo.Config(beta=w.beta, smoothing="robust", label_smoothing=w.smoothing)),
    "ipo sum": lambda w: _pairs(w, ipo, ipo.Config(beta=w.beta, normaliser="sum")),
    "ipo mean": lambda w: _pairs(w, ipo, ipo.Config(beta=w.beta, normaliser="mean")),
    "kto": _kto,
    "orpo, odds": orpo_odds,
    "simpo": lambda w: _pairs(w, simpo, simpo.Config(beta=w.beta, gamma=w.gamma)),
    "cpo, preference": cpo_preference,
    "reward": _reward,
    "reward with margin": lambda w: _reward(w, 1.0),
    "process reward": process,
    "ranking reward": lambda w: _ranked(w, w.ranks_B, "tied"),
    "ranking reward, best of n": lambda w: _ranked(w, (w.ranks_B > 0).long(), "unordered"),
    "advantages grpo": lambda w: _advantages(w, lambda r, g: group_relative(r, g, scale="std")),
    "advantages dr. grpo": lambda w: _advantages(w, group_relative),
    "advantages rloo": lambda w: _advantages(w, leave_one_out),
    "grpo": lambda w: _grpo(w, normaliser="completion"),
    "grpo with kl k3": lambda w: _grpo(w, normaliser="completion", beta=w.beta),
    "dr. grpo": lambda w: _grpo(w, normaliser="constant"),
    "dapo": lambda w: _grpo(w, normaliser="token"),
    "dapo, importance cap": lambda w: _grpo(w, normaliser="token", importance_cap=w.cap),
    "gspo": lambda w: _grpo(w, normaliser="completion", ratio="sequence", clip_low=w.gspo_low, clip_high=w.gspo_high),
    "cispo": _cispo,
    "rloo": _rloo,
    "reinforce": updates.reinforced,
    "ppo policy": lambda w: _ppo(w, w.leaf),
    "ppo value": ppo_value,
    "ppo update": lambda w: updates.ppo_update(w.filled()),
    "ppo update, uneven": updates.ppo_update,
    "ppo update, a place more": updates.ppo_update_with_a_place_more,
    "a2c": updates.actor_critic,
    "ilql": updates.q_learned,
    "dqn": lambda w: updates.q_of_tries(w, "max"),
    "dqn, double": lambda w: updates.q_of_tries(w, "double"),
    "gae, whitened": lambda w: w.read(returns.whitened(_gae(w), w.mask)),
    "gae returns": lambda w: w.read(_gae(w) + w.old_values_BT),
    "whitening": lambda w: w.read(returns.whitened(w.advantages_BT, w.mask)),
    "kl k1": lambda w: _kl(w, "k1"),
    "kl k2": lambda w: _kl(w, "k2"),
    "kl k3": lambda w: _kl(w, "k3"),
    "reward paid and charged": paid,
    "adaptive kl": controller,
    "nash-md": _nash,
    "sdpo kl": lambda w: _sdpo(w, "kl"),
    "sdpo log-ratio": lambda w: _sdpo(w, "log_ratio"),
}
