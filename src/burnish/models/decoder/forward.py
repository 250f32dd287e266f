"""One forward pass for all uses: packed texts that are trained on, prompts, one more token of many completions.

Tokens lie flat, (N, hidden), whoever they belong to, so that no product is spent on padding. What differs between the
uses is attention alone, and that is handed in (`models.decoder.attention`). Sampler and trainer share every other line:
their log-probs differ by rounding only.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from burnish.models.decoder.arithmetic import adapted, gated, rms_norm, rotate
from burnish.models.decoder.shape import Shape, UnknownShape
from burnish.models.decoder.weights import Adapter, Layer, LowRank, Product


class Attention(Protocol):
    """Mixes tokens: queries (N, heads, head_dim), keys and values (N, kv_heads, head_dim) -> (N, heads * head_dim)."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor: ...


class Multiply(Protocol):
    """Computes a fused product with what an adapter adds and what it is added to; the sampler has packed weights."""

    def __call__(self, product: Product, low: LowRank | None, x: Tensor, plus: Tensor | None = None) -> Tensor: ...


def multiply(product: Product, low: LowRank | None, x: Tensor, plus: Tensor | None = None) -> Tensor:
    """Return x W^T + b + low(x) + plus, (N, out)."""
    weight, bias = product.weight, product.bias
    if (
        low is not None
        and low.columns is None
        and bias is None
        and weight.dtype == x.dtype
        and not weight.requires_grad
    ):
        return adapted(x, weight, low.down, low.up, plus)
    y = F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))  # trained weights are float32
    if low is not None:
        y = low(y, x)
    return y if plus is None else plus + y


class Decoder:
    """A decoder's weights and its arithmetic; keeps no state between calls.

    model: a Hugging Face causal model or its backbone, or peft's wrapper around one; its weights become views of the
    fused ones. Raises UnknownShape when it computes in a way that `Shape` cannot say.
    """

    def __init__(self, model: Any) -> None:
        self.model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.shape = Shape.of(self.model.config)
        backbone = getattr(self.model, "model", self.model)
        self.layers = [Layer(layer) for layer in backbone.layers]
        self.embed = backbone.embed_tokens
        self.final_norm = backbone.norm.weight
        self.rotary = backbone.rotary_emb
        output = self.model.get_output_embeddings()  # None where the model is a backbone
        if type(output) not in (torch.nn.Linear, type(None)) or not isinstance(self.embed, torch.nn.Embedding):
            kinds = f"{type(self.embed).__name__} and {type(output).__name__}"
            raise UnknownShape(f"its embedding and output matrix are {kinds}, not plain ones without an adapter")

    @property
    def output(self) -> Tensor:
        """The output matrix, (V, hidden)."""
        found: Tensor = self.model.get_output_embeddings().weight
        return found

    @property
    def places(self) -> tuple[int, ...]:
        """Where its matrices stand in memory: elsewhere once the model was moved, or changed in kind."""
        products = (product for layer in self.layers for product in layer.products)
        return (self.output.data_ptr(), *(product.weight.data_ptr() for product in products))

    @property
    def dtype(self) -> torch.dtype:
        return self.layers[0].out.weight.dtype

    def adapter(self, name: str = "default") -> Adapter | None:
        """Read adapter `name` as it is now, gradients and all; None when no layer has it."""
        found = tuple(tuple(product.low_rank(name, self.dtype) for product in layer.products) for layer in self.layers)
        return found if any(part is not None for layer in found for part in layer) else None

    def states(
        self, tokens_N: Tensor, positions_N: Tensor, attend: Attention, adapter: Adapter | None = None,
        *, multiply: Multiply = multiply, recompute: bool = False, shift_NH: Tensor | None = None,
        only_M: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the normed final states (N, hidden) of tokens at these positions, or (M, hidden) of those asked for.

        recompute: keep only each layer's input and compute the rest again in the backward pass. shift_NH: what is
        added to the tokens' embeddings. only_M: numbers of the tokens whose states are wanted; the last layer mixes in
        all others and computes no more of them.
        """
        x = self.embed(tokens_N)
        if shift_NH is not None:
            x = x + shift_NH.to(x.dtype)
        x = self.run(x, positions_N, attend, adapter, multiply=multiply, recompute=recompute, only_M=only_M)
        return self.norm(x, self.final_norm)

    def run(
        self, x: Tensor, positions_N: Tensor, attend: Attention, adapter: Adapter | None = None,
        *, layers: range | None = None, multiply: Multiply = multiply, recompute: bool = False,
        only_M: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the states (N, hidden) after `layers` (all), given those before them; no norm at the end.

        only_M: as for `states`.
        """
        tables = self._tables(x, positions_N)
        numbers = range(len(self.layers)) if layers is None else layers
        for number in numbers:
            low = adapter[number] if adapter else (None,) * 4
            only = only_M if number == numbers[-1] else None
            if recompute and torch.is_grad_enabled():
                x = checkpoint(self._layer, number, x, tables, attend, low, multiply, only, use_reentrant=False)
            else:
                x = self._layer(number, x, tables, attend, low, multiply, only)
        return x if only_M is None or numbers else x[only_M]

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (N, V) of normed states, float32."""
        return self.capped(F.linear(states, self.output).float())

    def capped(self, logits: Tensor) -> Tensor:
        """Return logits under the model's cap, where it has one."""
        cap = self.shape.logit_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(x, weight, self.shape.eps, gemma=self.shape.gemma)

    def _layer(
        self, number: int, x: Tensor, tables: dict[str, tuple[Tensor, Tensor]], attend: Attention,
        low: tuple[LowRank | None, ...], multiply: Multiply, only_M: Tensor | None,
    ) -> Tensor:  # fmt: skip
        layer, shape = self.layers[number], self.shape
        qkv = multiply(layer.qkv, low[0], self.norm(x, layer.before_attention)).view(len(x), -1, shape.head_dim)
        kind = shape.layers[number].rotary
        mixed = attend(number, *self._turned(layer, qkv, None if kind is None else tables[kind]))
        if only_M is not None:
            x, mixed = x.index_select(0, only_M), mixed.index_select(0, only_M)
        if layer.after_attention is None:
            x = multiply(layer.out, low[1], mixed, x)
        else:
            x = x + self.norm(multiply(layer.out, low[1], mixed), layer.after_attention)
        inner = gated(multiply(layer.gate_up, low[2], self.norm(x, layer.before_mlp)), shape.activation)
        if layer.after_mlp is None:
            return multiply(layer.down, low[3], inner, x)
        return x + self.norm(multiply(layer.down, low[3], inner), layer.after_mlp)

    def _turned(self, layer: Layer, qkv: Tensor, table: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        heads, kv = self.shape.heads, self.shape.kv_heads
        qk, v = qkv[:, : heads + kv], qkv[:, heads + kv :]
        if layer.q_norm is not None and layer.k_norm is not None:
            qk = torch.cat([self.norm(qk[:, :heads], layer.q_norm), self.norm(qk[:, heads:], layer.k_norm)], dim=1)
        if table is not None:
            qk = rotate(qk, *table)
        return qk[:, :heads], qk[:, heads:], v

    def _tables(self, x: Tensor, positions_N: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Return cos and signed sin, (N, 1, head_dim), of each kind of rotary table."""
        found = {}
        for kind in {layer.rotary for layer in self.shape.layers if layer.rotary is not None}:
            cos, sin = self.rotary(x, positions_N[None], *([kind] if kind else []))
            cos, sin = cos[0, :, None].to(x.dtype), sin[0, :, None].to(x.dtype)
            half = sin.shape[-1] // 2
            found[kind] = cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        return found
