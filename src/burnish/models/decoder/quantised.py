"""Weights of 8 bits for decoding one completion at a time: half the bytes that a token waits for, less exact numbers.

One row's products take as long as their weights take to come from memory, so half the bytes save time: a completion is
about 1.5 times as fast. At eight rows the two are alike, and beyond them the arithmetic counts: at 16 rows int8 takes
1.5 times as long as packed bfloat16, at 64 2.8 times (`benchmarks/quantised.py`, docs/log.md). Which of the two is used
is a choice by name, never by how many rows a batch has: company must not change what is drawn.

    s_o = max_i |w_oi| / 127        q_oi = round(w_oi / s_o)        y_o = s_o sum_i x_i q_oi

One constant for each output row o; x stays bfloat16. Source: absmax quantisation of LLM.int8(), arXiv 2208.07339, in
its vector-wise form, of the weights alone. The output matrix is quantised too: a fifth of SmolLM2-135M's bytes, and
its share of the error is small (docs/log.md).

The copy takes one byte a weight beside the model's own two: 135 MB for SmolLM2-135M, half of what a packed one takes.
Prompts are computed by the model's own weights: they are many rows. The log-probs of what is drawn so are not the
trainer's, so nothing that learns from its own rollouts offers this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from burnish.models.decoder.forward import Decoder, Multiply, multiply
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.weights import Adapter, LowRank, Product

LARGEST = 127  # -128 is left out, so that a weight and its negative are rounded alike
WIDTH = 16  # torch's product reads so many columns at once, and behind the last one where they are no multiple of it


class QuantisedProducts:
    """A decoder's products with int8 weights; takes the place of `forward.multiply` for one token of each row."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.weights = {id(product): quantised(product.weight) for product in _products(decoder)}
        self.output = quantised(decoder.output)
        self.of_prompts: Multiply = multiply

    @classmethod
    def possible(cls, decoder: Decoder) -> bool:
        """Return whether int8 weights may take the place of the decoder's own here."""
        return not cls.why_not(decoder)

    @staticmethod
    def why_not(decoder: Decoder | None) -> str:
        """Return why int8 weights cannot take the place of the decoder's own here; empty where they can."""
        if decoder is None:
            return "it takes the general path, which knows no other weights than its own"
        matrices = [decoder.output, *(base.weight for product in _products(decoder) for base in product.bases)]
        if any(matrix.requires_grad for matrix in matrices):  # the copy would not see what training writes
            return "its own weights are trained"
        if any(matrix.device.type != "cpu" for matrix in matrices):
            return "they are for a CPU, and it is on another device"
        if any(matrix.dtype != torch.bfloat16 for matrix in matrices):
            return f"they take the place of bfloat16, and it is in {str(decoder.dtype).removeprefix('torch.')}"
        if odd := next((matrix.shape[1] for matrix in matrices if matrix.shape[1] % WIDTH), None):
            return f"torch's product takes widths that are multiples of {WIDTH}, and one of its is {odd}"
        return "" if _is_right(decoder.layers[0].out.weight) else "this build of torch has no such product, or errs"

    def read(self, adapters: Sequence[Adapter | None]) -> None:
        """Do nothing: adapters are added as they are, in bfloat16, since packing them gains nothing at one row."""

    def __call__(self, product: Product, low: LowRank | None, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Return x W^T + b + low(x) + plus, (N, out)."""
        y = _linear(x, *self.weights[id(product)])
        if product.bias is not None:
            y = y + product.bias
        if low is not None:
            y = low(y, x)
        return y if plus is None else plus + y

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (N, V) as computed, since `draw` widens a few rows at a time; capped ones float32."""
        found = _linear(states, *self.output)
        return found if self.decoder.shape.logit_cap is None else self.decoder.capped(found.float())


Products: TypeAlias = PackedProducts | QuantisedProducts
"""Ways in which a decoder's weights may stand while it decodes."""


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return q (out, in), int8, and s (out,), bfloat16, so that |w - s q| <= s / 2 in every place.

    The scale is rounded before the weights are, so that its rounding costs nothing; a row of next to nothing, whose
    scale bfloat16 could not hold in full, has s = 1.
    """
    weight = weight.detach().float()
    scale = (weight.abs().amax(dim=1) / LARGEST).bfloat16()
    scale = torch.where(scale < torch.finfo(scale.dtype).tiny, 1, scale)
    return (weight / scale.float()[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8), scale


def _linear(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    return torch._weight_int8pack_mm(x.contiguous(), weight, scale)


def _products(decoder: Decoder) -> list[Product]:
    return [product for layer in decoder.layers for product in layer.products]


def _is_right(matrix: Tensor) -> bool:
    """Return whether torch multiplies by the quantised matrix, and finds what it finds plainly but for rounding."""
    weight, scale = quantised(matrix)
    x = torch.linspace(-1, 1, 2 * matrix.shape[1], dtype=matrix.dtype).view(2, -1)
    try:
        found = _linear(x, weight, scale).float()
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    terms = weight.float() * scale.float()[:, None]
    room = 0.01 * (x.float().abs() @ terms.abs().T)  # of what is added up: bfloat16 keeps 8 bits
    return bool(((found - x.float() @ terms.T).abs() <= room).all())
