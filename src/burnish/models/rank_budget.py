"""AdaLoRA's budget: after every optimiser step the singular values that matter least are set to zero.

peft does the arithmetic. It reads the step's gradients, which an optimiser clears: hooks keep hold of them until
`after_step` is called. The penalty that keeps the factors orthogonal (eq. 4 of the paper) is left out: a method's loss
is the method's alone.
Source: AdaLoRA, arXiv 2303.10512, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

PREFIX = "budget#"
"""What the names of saved tensors begin with."""
AVERAGES = ("exp_avg_ipt", "exp_avg_unc", "ipt")


def is_left(model: Any) -> bool:
    """Return whether a model has AdaLoRA on it with ranks still to be shared out; one that was loaded keeps its own."""
    allocator = getattr(getattr(model, "base_model", None), "rankallocator", None)
    return allocator is not None and model.active_peft_config.rank_pattern is None


class RankBudget:
    """Shares ranks out among the layers of a peft model with AdaLoRA on it."""

    def __init__(self, model: Any) -> None:
        self.tuner = model.base_model
        self.allocator = self.tuner.rankallocator
        self.config = model.active_peft_config
        self.gradients: dict[str, Tensor] = {}
        self.parameters = {name: p for name, p in self.tuner.model.named_parameters() if p.requires_grad}
        for name, parameter in self.parameters.items():
            parameter.register_post_accumulate_grad_hook(self._keeper(name))

    def _keeper(self, name: str) -> Callable[[Tensor], None]:
        def keep(parameter: Tensor) -> None:
            assert parameter.grad is not None
            self.gradients[name] = parameter.grad  # the tensor itself: later slices and clipping reach it too

        return keep

    def after_step(self, step: int) -> None:
        """Share out anew after the optimiser's step number `step`, from 0; a step that was left out changes nothing."""
        gradients, self.gradients = self.gradients, {}
        if gradients.keys() != self.parameters.keys() or not all(g.isfinite().all() for g in gradients.values()):
            return
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name]
        self.tuner.update_and_allocate(step)
        for parameter in self.parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Return the running means of importance and the ranks that are left, by name."""
        found = {
            f"{PREFIX}{kind}#{name}": tensor.detach().clone()
            for kind in AVERAGES
            for name, tensor in getattr(self.allocator, kind).items()
        }
        for name, kept in (self.config.rank_pattern or {}).items():
            found[f"{PREFIX}ranks#{name}"] = torch.tensor(kept, dtype=torch.bool)
        return found

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state` returned."""
        for kind in AVERAGES:
            start = f"{PREFIX}{kind}#"
            found = {key.removeprefix(start): t.clone() for key, t in tensors.items() if key.startswith(start)}
            found = {name: tensor.to(self.parameters[name].device) for name, tensor in found.items()}
            setattr(self.allocator, kind, found)
        start = f"{PREFIX}ranks#"
        ranks = {key.removeprefix(start): t.tolist() for key, t in tensors.items() if key.startswith(start)}
        self.config.rank_pattern = ranks or None
