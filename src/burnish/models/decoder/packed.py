"""Weights reordered once into the blocks that oneDNN multiplies by: for decoding, where every token reads every weight.

The reordered copy is what makes products of few rows fast (1.1 to 1.8 times on AVX-512). It costs the memory of the
weights once more, so the memory plan counts it; training does without. Where the build of torch has no such product,
or it does not agree with the plain one, plain products are used.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.models.decoder.forward import Decoder, Multiply, multiply
from burnish.models.decoder.weights import Adapter, LowRank, Product

ROWS = 64  # what the blocks are chosen for; other numbers of rows are as fast


class PackedProducts:
    """A decoder's products with packed weights; takes the place of `forward.multiply` when nothing is trained."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.packed = {id(product): _pack(product.weight) for layer in decoder.layers for product in layer.products}
        self.output = _pack(decoder.output)
        self.low: dict[int, tuple[LowRank, Any, Any]] = {}  # holds what it knows by its id, which is then no other's

    @property
    def of_prompts(self) -> Multiply:
        """What prompts are computed with: these weights too."""
        return self

    @staticmethod
    def possible(decoder: Decoder) -> bool:
        """Return whether this machine's torch multiplies so, and finds what it finds plainly."""
        products = [product for layer in decoder.layers for product in layer.products]
        weights = [decoder.output, *(base.weight for product in products for base in product.bases)]
        if any(weight.requires_grad for weight in weights):  # the packed copy would not see what training writes
            return False
        weight = decoder.layers[0].out.weight
        if weight.device.type != "cpu" or weight.dtype not in (torch.bfloat16, torch.float32):
            return False
        try:
            x = torch.ones(2, weight.shape[1], dtype=weight.dtype)
            found, plain = _linear(x, _pack(weight), None), F.linear(x, weight)
            return torch.allclose(found.float(), plain.float(), rtol=0.05, atol=0.1)
        except (RuntimeError, AttributeError, NotImplementedError):  # this build of torch has no such product
            return False

    def read(self, adapters: list[Adapter | None]) -> None:
        """Pack these adapters' matrices, and forget the last ones'."""
        parts = [part for adapter in adapters if adapter for layer in adapter for part in layer if part is not None]
        self.low = {id(part): (part, _pack(part.down), _pack(part.up)) for part in parts if part.columns is None}

    def __call__(self, product: Product, low: LowRank | None, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Return x W^T + b + low(x) + plus, (N, out)."""
        packed = self.packed.get(id(product))
        if packed is None:
            return multiply(product, low, x, plus)
        y = _linear(x, packed, product.bias, plus)
        if low is None:
            return y
        found = self.low.get(id(low))
        return low(y, x) if found is None else _linear(_linear(x, found[1], None), found[2], None, y)

    def logits(self, states: Tensor) -> Tensor:
        """Return logits (N, V) as computed, since `draw` widens a few rows at a time; capped ones float32."""
        found = _linear(states, self.output, None)
        return found if self.decoder.shape.logit_cap is None else self.decoder.capped(found.float())


def _pack(weight: Tensor) -> Any:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), ROWS)


def _linear(x: Tensor, packed: Any, bias: Tensor | None, plus: Tensor | None = None) -> Tensor:
    product = torch.ops.mkldnn._linear_pointwise
    found: Tensor = (
        product(x, packed, bias, "none", [], "") if plus is None else product.binary(x, plus, packed, bias, "add")
    )
    return found
