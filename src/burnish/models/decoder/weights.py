"""A decoder's weights, fused: query, key and value in one product, gate and up in another.

The fused tensor takes the place of the model's own: each projection's weight becomes a view of its rows, so there is
one copy of the weights and `save_pretrained` still finds every one. Where a weight has been given other data since
(`model.to`, `model.float`), it is fused anew. Adapters stay peft's modules; `low_rank` reads them afresh, with their
gradients, so the policy that is trained is the policy that is sampled (trap T34).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.models.decoder.shape import UnknownShape


@dataclass(frozen=True)
class LowRank:
    """What an adapter adds to a fused product: x A^T B^T, A (r, in), B (out, r) with the scaling in it."""

    down: Tensor
    up: Tensor
    columns: Tensor | None = None
    """(N, r): 1 where a row of x is for the adapter of that column; None when all rows are for all."""

    def __call__(self, y: Tensor, x: Tensor) -> Tensor:
        inner = F.linear(x, self.down)
        if self.columns is not None:
            inner = inner * self.columns
        return torch.addmm(y, inner, self.up.T)


class Product:
    """Projections of one input, fused: x (N, in) -> (N, out of all of them)."""

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules = list(modules)
        self.bases = [getattr(module, "base_layer", module) for module in modules]
        for base in self.bases:
            if type(base) is not torch.nn.Linear:
                raise UnknownShape(f"a projection is a {type(base).__name__}, not a plain linear layer")
        for module, base in zip(modules, self.bases, strict=True):
            if module is not base and (not hasattr(module, "lora_A") or hasattr(module, "lora_E")):  # E: AdaLoRA's
                kind = f"{type(module).__module__}.{type(module).__name__}"  # peft calls every kind's layer "Linear"
                raise UnknownShape(f"its adapter is a {kind}, not LoRA")
            _refuse_other_adapters(module)
        self.rows = [base.weight.shape[0] for base in self.bases]
        self._fuse()

    @torch.inference_mode(False)  # made while sampling, perhaps, but trained through later
    def _fuse(self) -> None:
        """Make the projections' weights views of one tensor; the only one stays what it is."""
        parts = [base.weight.detach() for base in self.bases]
        self._weight: Tensor = parts[0] if len(parts) == 1 else torch.cat(parts)
        if len(parts) > 1:
            for base, part in zip(self.bases, torch.split(self._weight, self.rows), strict=True):
                base.weight.data = part
        # `base.weight` goes through a module's slow look-up, several times in every product of a step
        self._places = [(base._parameters, base.weight.data_ptr()) for base in self.bases]

    @property
    def weight(self) -> Tensor:
        """(out, in); a graph leads to the projections when they are trained themselves."""
        for held, place in self._places:
            weight = held["weight"]
            if weight.requires_grad or weight.data_ptr() != place:
                return self._as_it_is()
        return self._weight

    def _as_it_is(self) -> Tensor:
        """Return the weight where it is trained, or was moved or changed in kind since it was fused."""
        weights: list[Tensor] = [base.weight for base in self.bases]
        if not any(weight.requires_grad for weight in weights):
            self._fuse()
            return self._weight
        if not torch.is_grad_enabled() and all(_shares(weight, self._weight) for weight in weights):
            return self._weight  # what training writes into the projections is written into it
        return weights[0] if len(weights) == 1 else torch.cat(weights)

    @property
    def bias(self) -> Tensor | None:
        biases = [base.bias for base in self.bases]
        if biases[0] is None:
            return None
        return biases[0] if len(biases) == 1 else torch.cat(biases)

    def low_rank(self, name: str, dtype: torch.dtype) -> LowRank | None:
        """Return what adapter `name` adds, None where it adds nothing.

        Raises UnknownShape where peft has merged one into the weights since, or it is not plain LoRA.
        """
        downs, ups = [], []
        for module, rows in zip(self.modules, self.rows, strict=True):
            if name in getattr(module, "lora_A", {}):
                _refuse_other_adapters(module)
                downs.append(module.lora_A[name].weight.to(dtype))
                ups.append((module.lora_B[name].weight * module.scaling[name]).to(dtype))
            else:
                ups.append(torch.zeros(rows, 0, dtype=dtype, device=self._weight.device))
        return LowRank(torch.cat(downs), _block_diagonal(ups)) if downs else None


def _shares(part: Tensor, whole: Tensor) -> bool:
    """Return whether a projection is still a view of the fused weights: another tensor may be put in its place."""
    return part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()


def _block_diagonal(parts: Sequence[Tensor]) -> Tensor:
    found: Tensor = torch.block_diag(*parts)  # type: ignore[no-untyped-call]  # torch publishes no types
    return found


def _refuse_other_adapters(module: Any) -> None:
    """Raise UnknownShape for LoRA with more to it than x A^T B^T, or already added to the weights."""
    kinds = ("lora_variant", "use_dora", "lora_bias")  # peft keeps a DoRA, KaSA, aLoRA ... among its variants
    if any(any(getattr(module, kind, {}).values()) for kind in kinds):
        raise UnknownShape("its adapter is not plain LoRA")
    if getattr(module, "merged", False):
        raise UnknownShape("its adapter is merged into the weights; unmerge it, or save the merged model and load that")


class Layer:
    """One decoder layer's weights by their part in the arithmetic."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.qkv = Product([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = Product([attention.o_proj])
        self.gate_up = Product([mlp.gate_proj, mlp.up_proj])
        self.down = Product([mlp.down_proj])
        sandwich = hasattr(layer, "pre_feedforward_layernorm")
        self.before_attention = layer.input_layernorm.weight
        self.after_attention = layer.post_attention_layernorm.weight if sandwich else None
        self.before_mlp = (layer.pre_feedforward_layernorm if sandwich else layer.post_attention_layernorm).weight
        self.after_mlp = layer.post_feedforward_layernorm.weight if sandwich else None
        self.q_norm = attention.q_norm.weight if hasattr(attention, "q_norm") else None
        self.k_norm = attention.k_norm.weight if hasattr(attention, "k_norm") else None

    @property
    def products(self) -> tuple[Product, Product, Product, Product]:
        return self.qkv, self.out, self.gate_up, self.down


Adapter = tuple[tuple[LowRank | None, ...], ...]
"""What an adapter adds to (qkv, out, gate_up, down) of every layer."""


def mixed(adapters: Sequence[Adapter | None], rows: Sequence[int]) -> Adapter | None:
    """Return one adapter for a batch whose row i wants `adapters[rows[i]]`; None stands for the untouched model.

    The adapters stand side by side and a mask leaves each row its own: one product for all instead of one for each.
    """
    known = [index for index, adapter in enumerate(adapters) if adapter is not None and index in set(rows)]
    if not known:
        return None
    if len(known) == 1 and set(rows) == set(known):
        return adapters[known[0]]
    parts = [adapters[index] for index in known]
    place = {index: number for number, index in enumerate(known)}
    low = next(low for part in parts for layer in part or () for low in layer if low is not None)
    number_N = torch.tensor([place.get(row, -1) for row in rows], device=low.down.device)
    return tuple(
        tuple(
            _side_by_side([part[layer][product] for part in parts if part is not None], number_N)
            for product in range(4)
        )
        for layer in range(len(parts[0] or ()))
    )


def _side_by_side(parts: Sequence[LowRank | None], number_N: Tensor) -> LowRank | None:
    present = [(number, part) for number, part in enumerate(parts) if part is not None]
    if not present:
        return None
    owner = torch.cat([torch.full((len(part.down),), number, device=number_N.device) for number, part in present])
    first = present[0][1]
    columns = (number_N[:, None] == owner).to(first.down)
    return LowRank(
        torch.cat([part.down for _, part in present]), torch.cat([part.up for _, part in present], dim=1), columns
    )
