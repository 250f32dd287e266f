"""A decoder of the Llama family, written for drawing many completions at once on one machine.

What makes it fast enough on a CPU: query, key and value in one product, gate and up in another; each prompt prefilled
once for all its completions; attention of one query as two batched products over a static cache; samples drawn by
inverse CDF; finished rows leave the batch. The weights are a packed copy of the model's; adapters are read afresh
before each call, so the policy that is trained is the policy that is sampled (trap T34).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.errors import InputError

ARCHITECTURES = frozenset({"LlamaForCausalLM"})


@dataclass
class _Linear:
    """A product with the frozen weight (out, in), plus a low-rank part where an adapter is on."""

    weight: Tensor
    parts: list[Any]
    down: Tensor | None = None
    up: Tensor | None = None

    def refresh(self, *, adapter: bool) -> None:
        self.down = self.up = None
        adapted = [part for part in self.parts if adapter and getattr(part, "lora_A", None)]
        if not adapted:
            return
        width = sum(_lora(part)[0].shape[0] for part in adapted)
        self.down = torch.empty(width, self.weight.shape[1], dtype=self.weight.dtype)
        self.up = torch.zeros(self.weight.shape[0], width, dtype=self.weight.dtype)
        out = at = 0
        for part in self.parts:
            rows = _base_weight(part).shape[0]
            if part in adapted:
                a, b = _lora(part)
                self.down[at : at + a.shape[0]] = a
                self.up[out : out + rows, at : at + a.shape[0]] = b
                at += a.shape[0]
            out += rows

    def __call__(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight)
        return y if self.down is None or self.up is None else y + F.linear(F.linear(x, self.down), self.up)


def _refuse_other_arithmetic(causal: Any) -> None:
    """A model that computes otherwise would be sampled wrongly without a word: refuse it instead."""
    name, config = type(causal).__name__, causal.config
    if name not in ARCHITECTURES:
        raise InputError(f"model: {name} cannot be sampled by this engine. Use one of {', '.join(ARCHITECTURES)}.")
    for key, only in (("attention_bias", False), ("mlp_bias", False), ("hidden_act", "silu")):
        if getattr(config, key, only) != only:
            raise InputError(
                f"model: {key} is {getattr(config, key)!r}; this engine samples models with {only!r} only."
            )


def _base_weight(module: Any) -> Tensor:
    weight = getattr(module, "base_layer", module).weight
    assert isinstance(weight, Tensor)
    return weight


def _lora(module: Any) -> tuple[Tensor, Tensor]:
    """Return (A, scaled B) of the active adapter."""
    name = module.active_adapters[0]
    a, b = module.lora_A[name].weight, module.lora_B[name].weight
    return a.detach(), b.detach() * module.scaling[name]


class _Layer:
    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        attention, mlp = layer.self_attn, layer.mlp

        def fuse(*parts: Any) -> _Linear:
            return _Linear(torch.cat([_base_weight(p).detach() for p in parts]).to(dtype), list(parts))

        self.qkv = fuse(attention.q_proj, attention.k_proj, attention.v_proj)
        self.out = fuse(attention.o_proj)
        self.gate_up = fuse(mlp.gate_proj, mlp.up_proj)
        self.down = fuse(mlp.down_proj)
        self.input_norm = layer.input_layernorm.weight.detach()
        self.mlp_norm = layer.post_attention_layernorm.weight.detach()

    def linears(self) -> tuple[_Linear, ...]:
        return self.qkv, self.out, self.gate_up, self.down


class Decoder:
    """The packed weights and the arithmetic of one forward pass; holds no sampling state."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        """model: a LlamaForCausalLM, or peft's wrapper around one. Raises InputError for any other arithmetic."""
        causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        config = causal.config
        _refuse_other_arithmetic(causal)
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.head_dim: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.eps: float = config.rms_norm_eps
        self.dtype = dtype
        self.layers = [_Layer(layer, dtype) for layer in causal.model.layers]
        self.embedding = causal.get_input_embeddings().weight.detach().to(dtype)
        self.output = causal.get_output_embeddings().weight.detach().to(dtype)
        self.final_norm = causal.model.norm.weight.detach()
        self.rotary = causal.model.rotary_emb

    def refresh(self, *, adapter: bool) -> None:
        """Read the adapter's present weights, or leave it out."""
        for layer in self.layers:
            for linear in layer.linears():
                linear.refresh(adapter=adapter)

    def new_cache(self, rows: int, length: int) -> list[tuple[Tensor, Tensor]]:
        """Return one (keys, values) pair a layer, each (rows, kv_heads, length, head_dim)."""
        shape = (rows, self.kv_heads, length, self.head_dim)
        return [(torch.zeros(shape, dtype=self.dtype), torch.zeros(shape, dtype=self.dtype)) for _ in self.layers]

    def forward(
        self, tokens_BT: Tensor, positions_BT: Tensor, start: int, mask: Tensor, cache: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Return logits (B, V) after the last token; writes cache places start .. start + T.

        mask: additive, (B, 1, T, start + T), -inf where a query must not look.
        """
        x = F.embedding(tokens_BT, self.embedding)
        cos, sin = (part.to(self.dtype) for part in self.rotary(x, positions_BT))
        for layer, (keys, values) in zip(self.layers, cache, strict=True):
            x = x + self._attend(layer, x, cos[:, None], sin[:, None], start, mask, keys, values)
            gate, up = layer.gate_up(self._norm(x, layer.mlp_norm)).chunk(2, dim=-1)
            x = x + layer.down(F.silu(gate) * up)
        return F.linear(self._norm(x[:, -1], self.final_norm), self.output).float()

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        wide = x.float()
        return (weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype)).to(x.dtype)

    def _attend(
        self, layer: _Layer, x: Tensor, cos: Tensor, sin: Tensor, start: int, mask: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        rows, count = x.shape[:2]
        end, repeat = start + count, self.heads // self.kv_heads
        qkv = layer.qkv(self._norm(x, layer.input_norm)).view(rows, count, -1, self.head_dim).transpose(1, 2)
        q, k, v = torch.split(qkv, [self.heads, self.kv_heads, self.kv_heads], dim=1)
        keys[:, :, start:end], values[:, :, start:end] = _rotate(k, cos, sin), v
        q = _rotate(q, cos, sin).reshape(rows, self.kv_heads, repeat * count, self.head_dim)
        past_k, past_v = keys[:, :, :end], values[:, :, :end]
        # two batched products: torch's fused attention is several times slower with one query
        scores = (q @ past_k.transpose(2, 3)).float() * self.head_dim**-0.5
        scores = scores.view(rows, self.heads, count, end) + mask
        weights = torch.softmax(scores, dim=-1).to(self.dtype).view(rows, self.kv_heads, repeat * count, end)
        mixed = (weights @ past_v).view(rows, self.heads, count, self.head_dim)
        return layer.out(mixed.transpose(1, 2).reshape(rows, count, -1))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
