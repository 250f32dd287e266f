"""verl 0.9.1: `core_algos.py` and the functions it stands on, loaded as files; the package itself asks for Ray."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import Window, answer, module
from torch import Tensor

FOUND = importlib.util.find_spec("verl")
assert FOUND is not None
assert FOUND.submodule_search_locations is not None
PACKAGE = Path(FOUND.submodule_search_locations[0])


class Unused:
    """Stands for a class that is only named in annotations."""


@dataclass
class Actor:
    """The settings of a policy loss."""

    clip_ratio: float
    clip_ratio_low: float
    clip_ratio_high: float
    global_batch_info: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any) -> Any:
        return getattr(self, name, default)


for folder in ("", "utils", "trainer", "trainer/ppo"):
    module(".".join(["verl", *Path(folder).parts]), __path__=[str(PACKAGE / folder)])
module("omegaconf", DictConfig=Unused)
module("tensordict", TensorDict=Unused)
module("verl.trainer.config", AlgoConfig=Unused)
module("verl.workers", __path__=[])
module("verl.workers.config", ActorConfig=Actor)
module("verl.utils.device", get_device_name=lambda: "cpu", get_torch_device=lambda: torch.cpu)
groupwise = importlib.import_module("verl.utils.groupwise")
module(
    "verl.utils", __path__=[str(PACKAGE / "utils")],
    as_torch_index=groupwise.as_torch_index, group_mean_std=groupwise.group_mean_std,
)  # fmt: skip
CORE = importlib.import_module("verl.trainer.ppo.core_algos")
FUNCTIONS = importlib.import_module("verl.utils.torch_functional")


def logprobs(window: Window) -> list[Tensor]:
    return window.read(FUNCTIONS.logprobs_from_logits_naive(window.logits_BTV, window.tokens))


def entropy(window: Window) -> list[Tensor]:
    return window.read(FUNCTIONS.entropy_from_logits(window.logits_BTV))


def _at_last(window: Window) -> Tensor:
    """The final reward where verl expects it: on the last token; its advantages sum a row anyway."""
    last = (window.mask.sum(-1) - 1)[:, None]
    return torch.zeros_like(window.logprobs_BT).scatter(1, last, window.rewards_B[:, None])


def _advantages(window: Window, estimator: Any, **more: Any) -> list[Tensor]:
    groups = np.array(window.groups)
    return window.read(estimator(_at_last(window), window.mask_BT, groups, **more)[0])


def _gae(window: Window, which: int) -> list[Tensor]:
    """0: advantages, whitened. 1: returns."""
    found = CORE.compute_gae_advantage_return(
        window.held(window.token_rewards_BT), window.old_values_BT, window.mask_BT, window.discount, window.trace
    )
    return window.read(found[which])


def _policy(window: Window, kind: str, how: str, advantages: Tensor, floor: bool = True, **scale: Any) -> list[Tensor]:
    low, high = (window.gspo_low, window.gspo_high) if kind == "gspo" else (window.clip_low, window.clip_high)
    low = low if floor else 1.0
    config = Actor(0.2, low, high, scale)
    config.clip_ratio_c = 1e9  # type: ignore[attr-defined]  # its second clip of bad actions: not part of the method
    loss = CORE.get_policy_loss_fn(kind)
    advantages = advantages.expand_as(window.logprobs_BT)
    return window.told(
        loss(window.held(window.old_logprobs_BT), window.held(window.leaf), advantages, window.mask_BT, how, config)[0]
    )


def value(window: Window) -> list[Tensor]:
    leaf = window.values_BT.clone().requires_grad_(True)
    loss, _ = CORE.compute_value_loss(leaf, window.returns_BT, window.old_values_BT, window.mask_BT, window.value_clip)
    return window.told(loss, leaf)


def _kl(window: Window, kind: str) -> list[Tensor]:
    return window.told(CORE.kl_penalty(window.held(window.leaf), window.held(window.reference_logprobs_BT), kind).sum())


def reinforce(window: Window) -> list[Tensor]:
    """Its advantages over a given baseline (ReMax) and its plain policy gradient (GPG), of rewards less the KL."""
    kl = CORE.kl_penalty(window.old_logprobs_BT, window.reference_logprobs_BT, "k1") * window.mask_BT
    rewards, baselines = _at_last(window) - window.beta * kl, torch.full_like(window.rewards_B, window.baseline)
    advantages, _ = CORE.compute_remax_outcome_advantage(rewards, baselines, window.mask_BT)
    return _policy(window, "gpg", "token-mean", advantages)


def ppo_update(window: Window) -> list[Tensor]:
    """A whole update by its functions: reward less KL, GAE, policy and value; loss, KL and gradients out."""
    logits, values = (each.clone().requires_grad_(True) for each in (window.logits_BTV, window.values_BT))
    now, old, reference = (
        FUNCTIONS.logprobs_from_logits_naive(each, window.tokens)
        for each in (logits, window.logits_before_BTV, window.reference_logits_BTV)
    )
    kl = CORE.kl_penalty(old, reference, "k1") * window.mask_BT
    advantages, returned = CORE.compute_gae_advantage_return(
        _at_last(window) - window.beta * kl, window.old_values_BT, window.mask_BT, window.discount, window.trace
    )
    config = Actor(0.2, window.clip_low, window.clip_low)
    config.clip_ratio_c = 1e9  # type: ignore[attr-defined]  # its second clip of bad actions: not part of the method
    policy = CORE.get_policy_loss_fn("vanilla")(old, now, advantages, window.mask_BT, "token-mean", config)[0]
    value = CORE.compute_value_loss(values, returned, window.old_values_BT, window.mask_BT, window.value_clip)[0]
    loss = policy + window.value_weight * value
    of_logits, of_values = torch.autograd.grad(loss, [logits, values])
    return [loss.detach(), kl.sum(-1).mean(), of_logits.square().sum(), (of_values * window.probe_BT).sum()]


def whitened(window: Window) -> list[Tensor]:
    return window.read(FUNCTIONS.masked_whiten(window.advantages_BT, window.mask_BT))


def controller(window: Window) -> list[Tensor]:
    one, found = CORE.AdaptiveKLController(0.2, 6.0, 100), []
    for kl, completions in ((9.0, 8), (6.5, 8), (2.0, 16)):
        one.update(kl, completions)
        found.append(torch.tensor(float(one.value), dtype=torch.float64))
    return found


QUESTIONS = {
    "logprobs": logprobs,
    "entropy": entropy,
    "advantages grpo": lambda w: _advantages(w, CORE.compute_grpo_outcome_advantage, epsilon=1e-4),
    "advantages dr. grpo": lambda w: _advantages(w, CORE.compute_grpo_outcome_advantage, norm_adv_by_std_in_grpo=False),
    "advantages rloo": lambda w: _advantages(w, CORE.compute_rloo_outcome_advantage),
    "gae, whitened": lambda w: _gae(w, 0),
    "gae returns": lambda w: _gae(w, 1),
    "grpo": lambda w: _policy(w, "vanilla", "seq-mean-token-mean", w.advantages_B[:, None]),
    "dr. grpo": lambda w: _policy(
        w, "vanilla", "seq-mean-token-sum-norm", w.advantages_B[:, None], loss_scale_factor=w.limit
    ),
    "dapo": lambda w: _policy(w, "vanilla", "token-mean", w.advantages_B[:, None]),
    "gspo": lambda w: _policy(w, "gspo", "seq-mean-token-mean", w.advantages_B[:, None]),
    "cispo": lambda w: _policy(w, "cispo", "token-mean", w.advantages_B[:, None], floor=False),
    "cispo, weights with a floor": lambda w: _policy(w, "cispo", "token-mean", w.advantages_B[:, None]),
    "reinforce": reinforce,
    "ppo policy": lambda w: _policy(w, "vanilla", "token-mean", w.advantages_BT),
    "ppo value": value,
    "ppo update": lambda w: ppo_update(w.filled()),
    "ppo update, uneven": ppo_update,
    "kl k1": lambda w: _kl(w, "k1"),
    "kl k2": lambda w: _kl(w, "k2"),
    "kl k3": lambda w: _kl(w, "k3"),
    "whitening": whitened,
    "adaptive kl": controller,
}

if __name__ == "__main__":
    answer(QUESTIONS, "verl", "0.9.1")
