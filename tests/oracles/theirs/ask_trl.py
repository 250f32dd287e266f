"""TRL 1.16.0: the loss functions of its trainers, called with tensors in place of models."""

from __future__ import annotations

import types
from typing import Any

import torch
from protocol import Anything, Window, answer
from torch import Tensor
from transformers.loss.loss_utils import ForCausalLMLoss
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer, RLOOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.experimental.sdpo import loss_utils
from trl.trainer.utils import entropy_from_logits, selective_log_softmax


def logprobs(window: Window) -> list[Tensor]:
    return window.read(selective_log_softmax(window.logits_BTV, window.tokens))


def entropy(window: Window) -> list[Tensor]:
    return window.read(entropy_from_logits(window.logits_BTV))


def sft(window: Window) -> list[Tensor]:
    leaf = window.logits_BTV.clone().requires_grad_(True)
    labels = window.tokens.masked_fill(~window.mask, -100)
    return window.told(ForCausalLMLoss(leaf, None, window.logits_BTV.shape[-1], shift_labels=labels), leaf)


# ------------------------------------------------------------------------------------------------------------- pairs


def _sides(values: Tensor) -> Tensor:
    """Their order: all chosen rows, then all rejected ones. Ours: chosen and rejected in turn."""
    return torch.cat([values[0::2], values[1::2]])


def _before(values_BT: Tensor) -> Tensor:
    """One place of prompt before the completion, as their masks and tokens have it."""
    return torch.nn.functional.pad(values_BT, (1, 0))


def _model(logprobs_BT: Tensor) -> Any:
    """What a model that was given labels says of them."""
    zeros = torch.zeros_like(logprobs_BT)
    return lambda **_: types.SimpleNamespace(
        log_probs=logprobs_BT, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool()
    )


def _dpo(window: Window, kind: str, smoothing: float = 0.0) -> list[Tensor]:
    stub = Anything(
        aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl",
        loss_types=[kind], loss_weights=[1.0], beta=window.beta, label_smoothing=smoothing, use_weighting=False,
        _total_train_tokens=0, _tp_size=1, args=types.SimpleNamespace(), tools=None,
    )  # fmt: skip
    reference = window.sums(window.reference_logprobs_BT)
    mask = _sides(_before(window.mask.long()))
    inputs = {
        "input_ids": _sides(_before(window.tokens)), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
        "ref_chosen_logps": reference[0::2], "ref_rejected_logps": reference[1::2],
    }  # fmt: skip
    return window.told(DPOTrainer._compute_loss(stub, _model(_sides(window.held(window.leaf))), inputs, False))


def _kto(window: Window) -> list[Tensor]:
    """Rows 0, 2, ... are good, the others bad; the point is measured on the rows that stand for mismatched ones."""
    point = (window.sums(window.point_logprobs_BT), window.sums(window.reference_logprobs_BT))
    stub = Anything(
        aux_loss_enabled=False, precompute_ref_logps=True, calculate_KL=True, loss_type="kto", beta=window.beta,
        desirable_weight=window.desirable, undesirable_weight=window.undesirable, _total_train_tokens=0, _tp_size=1,
        _compute_kl_logps=lambda model, batch: point[0],
    )  # fmt: skip
    mask = _before(window.mask.long())
    inputs = {
        "input_ids": _before(window.tokens), "attention_mask": torch.ones_like(mask), "completion_mask": mask,
        "label": torch.tensor([True, False] * 4), "ref_logps": window.sums(window.reference_logprobs_BT),
        "ref_KL_logps": point[1],
    }  # fmt: skip
    return window.told(KTOTrainer._compute_loss(stub, _model(window.held(window.leaf)), inputs, False))


def _means(window: Window) -> tuple[Tensor, Tensor]:
    means = window.sums(window.leaf) / window.mask.sum(-1)
    return means[0::2], means[1::2]


def orpo_odds(window: Window) -> list[Tensor]:
    stub = Anything(beta=window.beta)
    losses, *_ = ORPOTrainer.odds_ratio_loss(stub, *_means(window))
    return window.told(-losses.mean())


def _cpo(window: Window, kind: str) -> list[Tensor]:
    stub = Anything(
        alpha=0.0, beta=window.beta, loss_type=kind, simpo_gamma=window.gamma, label_smoothing=0.0,
    )  # fmt: skip
    whole = window.sums(window.leaf)
    sides = _means(window) if kind == "simpo" else (whole[0::2], whole[1::2])
    losses, *_ = CPOTrainer.cpo_loss(stub, *sides)
    return window.told(losses.mean())


def _reward(window: Window, margin: bool) -> list[Tensor]:
    leaf = window.rewards_B.clone().requires_grad_(True)
    args = types.SimpleNamespace(center_rewards_coefficient=None)
    stub = Anything(args=args, _total_train_tokens=0, _tp_size=1)
    inputs = {"attention_mask": window.mask.long()}

    def model(**_: object) -> types.SimpleNamespace:
        return types.SimpleNamespace(logits=_sides(leaf)[:, None])

    if margin:
        inputs["margin"] = window.margin_N
    return window.told(RewardTrainer.compute_loss(stub, model, inputs), leaf)


# ---------------------------------------------------------------------------------------------------------- rollouts


def _rollout(window: Window, **more: Any) -> tuple[Anything, dict[str, Tensor]]:
    zeros = torch.zeros_like(window.logprobs_BT)
    stub = Anything(
        _get_per_token_logps_and_entropies=lambda *_, **__: (window.held(window.leaf), zeros, None),
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, aux_loss_enabled=False, use_vllm=False,
        vllm_importance_sampling_correction=False, _entropy_bonus_enabled=False, current_gradient_accumulation_steps=1,
        max_completion_length=int(window.limit), epsilon_low=window.clip_low, epsilon_high=window.clip_high,
        args=types.SimpleNamespace(
            use_bias_correction_kl=more.pop("corrected", False), delta=None, steps_per_generation=1
        ),
        **more,
    )  # fmt: skip
    mask = window.mask.long()
    inputs = {
        "prompt_ids": mask[:, :1] * 0, "prompt_mask": mask[:, :1], "completion_ids": window.tokens,
        "completion_mask": mask, "advantages": window.advantages_B,
        "old_per_token_logps": window.held(window.old_logprobs_BT), "num_items_in_batch": mask.sum(),
        "ref_per_token_logps": window.held(window.reference_logprobs_BT),
    }  # fmt: skip
    return stub, inputs


def _grpo(window: Window, kind: str, beta: float = 0.0, level: str = "token", corrected: bool = False) -> list[Tensor]:
    stub, inputs = _rollout(window, loss_type=kind, beta=beta, importance_sampling_level=level, corrected=corrected)
    if level == "sequence":
        stub.epsilon_low, stub.epsilon_high = window.gspo_low, window.gspo_high
    return window.told(GRPOTrainer._compute_loss(stub, None, inputs))


def cispo(window: Window) -> list[Tensor]:
    """Its `epsilon_high` is the cap itself."""
    stub, inputs = _rollout(window, loss_type="cispo", beta=0.0, importance_sampling_level="token")
    stub.epsilon_high = 1 + window.clip_high
    return window.told(GRPOTrainer._compute_loss(stub, None, inputs))


def rloo(window: Window) -> list[Tensor]:
    stub, inputs = _rollout(window)
    inputs["old_logps"] = window.sums(window.old_logprobs_BT)
    return window.told(RLOOTrainer._compute_loss(stub, None, inputs))


# ------------------------------------------------------------------------------------------------ from the teacher


def _distilled(window: Window, form: str) -> list[Tensor]:
    leaf = window.logits_BTV.clone().requires_grad_(True)
    if form == "kl":
        token_BT = loss_utils.compute_full_logit_self_distillation_loss(
            leaf, window.teacher_logits_BTV, distillation_alpha=1.0
        )
    else:
        token_BT = loss_utils.compute_sampled_token_self_distillation_loss(
            leaf, window.teacher_logits_BTV, window.tokens, distillation_alpha=1.0
        )
    told = window.told(window.held(token_BT).sum() / window.mask.sum(), leaf)
    return told if form == "kl" else told[1:]


QUESTIONS = {
    "logprobs": logprobs,
    "entropy": entropy,
    "sft of logits": sft,
    "dpo": lambda w: _dpo(w, "sigmoid"),
    "dpo robust": lambda w: _dpo(w, "robust", w.smoothing),
    "ipo mean": lambda w: _dpo(w, "ipo"),
    "kto": _kto,
    "orpo, odds": orpo_odds,
    "simpo": lambda w: _cpo(w, "simpo"),
    "cpo, preference": lambda w: _cpo(w, "sigmoid"),
    "reward": lambda w: _reward(w, margin=False),
    "reward with margin": lambda w: _reward(w, margin=True),
    "grpo": lambda w: _grpo(w, "grpo"),
    "grpo with kl k3": lambda w: _grpo(w, "grpo", w.beta),
    "grpo with kl k3, weighted": lambda w: _grpo(w, "grpo", w.beta, corrected=True),
    "dr. grpo": lambda w: _grpo(w, "dr_grpo"),
    "dapo": lambda w: _grpo(w, "dapo"),
    "gspo": lambda w: _grpo(w, "grpo", level="sequence"),
    "cispo": cispo,
    "rloo": rloo,
    "sdpo kl": lambda w: _distilled(w, "kl"),
    "sdpo log-ratio": lambda w: _distilled(w, "log_ratio"),
}

if __name__ == "__main__":
    answer(QUESTIONS, "trl", "1.16.0")
