"""AdamW with warm-up whose whole state is tensors by name and one number: restored bit for bit, no pickle."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from burnish.errors import InputError


@dataclass(frozen=True)
class OptimiserConfig:
    """Settings of the optimiser."""

    learning_rate: float = 3e-4
    """Peak learning rate. LoRA wants about ten times what full weights want."""
    warmup_steps: int = 5
    """Steps over which the rate rises linearly from 0."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """Cosine and linear fall from the first step on, warm-up included, towards a tenth of the peak; they would reach it
    one step after the last."""
    weight_decay: float = 0.0
    """Decoupled decay of matrices and embeddings; norms, biases and the factors of adapters (IA3's, AdaLoRA's) keep."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.98
    """Decay of the second moment; below AdamW's usual 0.999, since runs here have tens to hundreds of steps."""
    max_grad_norm: float = 1.0
    """Gradients of a step are scaled down to this norm; 0 leaves them."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate >= 0):
            raise InputError(f"learning_rate: {self.learning_rate} is not a number from 0 up. Try 3e-4 for LoRA.")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not in [0, 1).")
        for name in ("warmup_steps", "weight_decay", "max_grad_norm"):  # a norm below 0 would turn gradients round
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"{name}: {getattr(self, name)} is not a number from 0 up. Use 0 for none.")


def rate_at(step: int, steps: int, config: OptimiserConfig) -> float:
    """Return the learning rate of step 0, 1, ... of `steps`; after the last one, at `steps`, it is at the tenth."""
    warm = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    if config.schedule == "constant":
        return config.learning_rate * warm
    done = min(1.0, step / max(steps, 1))
    curve = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1 - done
    return config.learning_rate * warm * (0.1 + 0.9 * curve)


class Optimiser:
    """AdamW over named parameters; `rates` multiplies the learning rate of parameters whose name starts so."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], config: OptimiserConfig, rates: Mapping[str, float] | None = None
    ) -> None:
        if not parameters:
            raise InputError("optimiser: the network has nothing to train. Add an adapter, or unfreeze some weights.")
        self.config = config
        self.parameters = dict(parameters)
        self.rates = {name: _rate(name, rates or {}) for name in self.parameters}
        alike: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.parameters.items():
            decay = config.weight_decay if decays(name, parameter) else 0.0
            alike.setdefault((decay, self.rates[name]), []).append(parameter)
        # few groups, each stepped in one pass: an adapter has hundreds of parameters
        groups = [
            {"params": some, "lr": 0.0, "weight_decay": decay, "rate": rate} for (decay, rate), some in alike.items()
        ]
        self.adam = torch.optim.AdamW(groups, betas=(config.beta1, config.beta2), fused=True)

    def step(self, rate: float) -> float:
        """Clip, step with this learning rate, clear gradients; return the gradient's norm before clipping.

        A gradient that is not finite changes nothing: the step is left out and the norm returned is not finite.
        """
        parameters = list(self.parameters.values())
        limit = self.config.max_grad_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(parameters, limit))
        if math.isfinite(norm):
            for group in self.adam.param_groups:
                group["lr"] = rate * group["rate"]
            self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return norm

    def state(self) -> dict[str, Tensor]:
        """Return moments and step counts by name."""
        saved: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            for key, value in self.adam.state.get(parameter, {}).items():
                saved[f"{name}#{key}"] = torch.as_tensor(value).detach().clone()
        return saved

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned, in place of everything here. Raises InputError for unknown parameters."""
        found: dict[str, dict[str, Tensor]] = {}
        for key, value in saved.items():
            name, _, part = key.rpartition("#")
            found.setdefault(name, {})[part] = value
        if unknown := found.keys() - self.parameters.keys():
            raise InputError(f"optimiser: the saved state is of {min(unknown)!r} and others that are not trained here.")
        self.adam.state.clear()
        for name, state in found.items():
            parameter = self.parameters[name]  # a saved state is read on the processor
            self.adam.state[parameter] = {part: value.to(parameter.device, copy=True) for part, value in state.items()}


NEVER = re.compile(
    r"(^|[._])bias([._]|$)"  # of layers, and as torch names those of a GRU (bias_ih_l0)
    r"|norm(?![a-z])|(^|\.)ln_"  # norm, input_layernorm, q_norm, LayerNorm, ln_f
    r"|(^|\.)(ia3_l|lora_E|lora_magnitude_vector)(\.|$)",  # peft's IA3 (1 or 16, n), AdaLoRA (r, 1), DoRA
    re.IGNORECASE,
)
"""Names of what is never decayed, whatever its shape: a factor drawn to 0 shuts what it multiplies, as a norm does."""


def decays(name: str, parameter: Tensor) -> bool:
    """Return whether weight decay is for a parameter: a matrix of a linear map, or an embedding.

    Told by what it is, and that by its name: adapters keep vectors of factors in the shape (1, n) or (n, 1), which the
    matrices of one output or of rank 1 have as well, and those do decay. Source of the rule: AdamW as GPT-2 and Llama
    were trained with it; by names, transformers' `Trainer.get_decay_parameter_names`.
    """
    return parameter.ndim > 1 and NEVER.search(name) is None


def _rate(name: str, rates: Mapping[str, float]) -> float:
    return next((rate for prefix, rate in rates.items() if name.startswith(prefix)), 1.0)
