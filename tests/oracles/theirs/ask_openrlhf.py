"""OpenRLHF 0.11.2: its loss functions, loaded as files, since the package itself asks for DeepSpeed, Ray and a GPU."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import torch
from protocol import Window, answer, module
from torch import Tensor

FOUND = importlib.util.find_spec("openrlhf")
assert FOUND is not None
assert FOUND.submodule_search_locations is not None
PACKAGE = Path(FOUND.submodule_search_locations[0])
module("deepspeed")
for folder in ("", "models", "trainer", "trainer/ppo_utils"):
    module(".".join(["openrlhf", *Path(folder).parts]), __path__=[str(PACKAGE / folder)])
LOSS, UTILS, CONTROLLER = (
    importlib.import_module(f"openrlhf.{name}")
    for name in ("models.loss", "models.utils", "trainer.ppo_utils.kl_controller")
)


def logprobs(window: Window) -> list[Tensor]:
    return window.read(UTILS.log_probs_from_logits(window.logits_BTV.clone(), window.tokens))


def _sft(window: Window, by_token: bool) -> list[Tensor]:
    return window.told(LOSS.SFTLoss(token_level_loss=by_token)(window.held(window.leaf), window.mask_BT))


def _dpo(window: Window, smoothing: float = 0.0, ipo: bool = False) -> list[Tensor]:
    policy, reference = window.sums(window.leaf), window.sums(window.reference_logprobs_BT)
    loss = LOSS.DPOLoss(window.beta, smoothing, ipo)
    return window.told(loss(policy[0::2], policy[1::2], reference[0::2], reference[1::2])[0])


def _reward(window: Window, margin: bool) -> list[Tensor]:
    leaf = window.rewards_B.clone().requires_grad_(True)
    return window.told(LOSS.PairWiseLoss()(leaf[0::2], leaf[1::2], window.margin_N if margin else None), leaf)


def _policy(window: Window, by_token: bool, advantages: Tensor, kind: str = "ppo") -> list[Tensor]:
    low, high = (window.gspo_low, window.gspo_high) if kind == "gspo" else (window.clip_low, window.clip_high)
    loss = LOSS.PolicyLoss(low, high, token_level_loss=by_token, policy_loss_type=kind)
    return window.told(
        loss(window.held(window.leaf), window.held(window.old_logprobs_BT), advantages, window.mask_BT)[0]
    )


def capped(window: Window) -> list[Tensor]:
    """Each token weighed by trainer over sampler, at most the cap."""
    loss = LOSS.PolicyLoss(
        window.clip_low, window.clip_high, token_level_loss=True, is_correction_level="token",
        is_correction_mode="clip", is_correction_threshold=(0.0, window.cap),
    )  # fmt: skip
    old, behaviour = window.held(window.old_logprobs_BT), window.held(window.behaviour_logprobs_BT)
    advantages = window.advantages_B[:, None]
    return window.told(loss(window.held(window.leaf), old, advantages, window.mask_BT, behaviour)[0])


def value(window: Window) -> list[Tensor]:
    leaf = window.values_BT.clone().requires_grad_(True)
    loss = LOSS.ValueLoss(window.value_clip)
    return window.told(loss(leaf, window.old_values_BT, window.returns_BT, window.mask_BT), leaf)


def _kl(window: Window, kind: str) -> list[Tensor]:
    found = UTILS.compute_approx_kl(
        window.held(window.leaf), window.held(window.reference_logprobs_BT), kl_estimator=kind
    )
    return window.told(found.sum())


def paid(window: Window) -> list[Tensor]:
    """A final reward less the charged KL; read where the mask is set."""
    log_ratio = window.held(window.old_logprobs_BT - window.reference_logprobs_BT)
    return window.read(UTILS.compute_reward(window.rewards_B, window.beta, log_ratio, window.mask_BT))


def controller(window: Window) -> list[Tensor]:
    one, found = CONTROLLER.AdaptiveKLController(0.2, 6.0, 100), []
    for kl, completions in ((9.0, 8), (6.5, 8), (2.0, 16)):
        one.update(kl, completions)
        found.append(torch.tensor(float(one.value), dtype=torch.float64))
    return found


QUESTIONS = {
    "logprobs": logprobs,
    "sft": lambda w: _sft(w, by_token=True),
    "sft by completion": lambda w: _sft(w, by_token=False),
    "dpo": _dpo,
    "dpo conservative": lambda w: _dpo(w, w.smoothing),
    "ipo sum": lambda w: _dpo(w, ipo=True),
    "reward": lambda w: _reward(w, margin=False),
    "reward with margin": lambda w: _reward(w, margin=True),
    "grpo": lambda w: _policy(w, False, w.advantages_B[:, None]),
    "dapo": lambda w: _policy(w, True, w.advantages_B[:, None]),
    "dapo, importance cap": capped,
    "gspo": lambda w: _policy(w, False, w.advantages_B[:, None], "gspo"),
    "ppo policy": lambda w: _policy(w, True, w.advantages_BT),
    "ppo value": value,
    "kl k1": lambda w: _kl(w, "k1"),
    "kl k2": lambda w: _kl(w, "k2"),
    "kl k3": lambda w: _kl(w, "k3"),
    "reward paid and charged": paid,
    "adaptive kl": controller,
}

if __name__ == "__main__":
    answer(QUESTIONS, "openrlhf", "0.11.2")
