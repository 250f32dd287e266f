"""Attention in its two uses: over packed texts, with gradients, and of one new token over what was said before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.models.decoder.shape import Shape
from burnish.models.packing import Block, Layout


class PackedAttention:
    """Every token sees what its block lets it see; layer by layer, differentiable."""

    def __init__(self, shape: Shape, layout: Layout, dtype: torch.dtype) -> None:
        self.shape = shape
        self.blocks = layout.blocks
        self.positions_N = layout.positions_N
        self.dtype = dtype
        self.masks: dict[int | None, list[Tensor | None]] = {}

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        masks = self._masks(self.shape.layers[layer].window)
        found = []
        for block, mask in zip(self.blocks, masks, strict=True):
            part = slice(block.start, block.end)
            queries, keys, values = (each[part].transpose(0, 1)[None] for each in (q, k, v))
            found.append(attend(self.shape, queries, keys, values, mask))
        mixed = found[0] if len(found) == 1 else torch.cat(found, dim=2)
        return mixed[0].transpose(0, 1).reshape(len(q), -1)

    def _masks(self, window: int | None) -> list[Tensor | None]:
        """Return each block's additive mask (L, L), None where it is the causal one."""
        if window not in self.masks:
            self.masks[window] = [self._mask(block, window) for block in self.blocks]
        return self.masks[window]

    def _mask(self, block: Block, window: int | None) -> Tensor | None:
        visible = block.visible_LL
        positions = self.positions_N[block.start : block.end]
        if window is not None and int(positions.max()) >= window:
            near = positions[:, None] - positions[None, :] < window
            causal = torch.ones_like(near).tril() if visible is None else visible
            visible = causal & near
        if visible is None:
            return None
        return torch.zeros(visible.shape, dtype=self.dtype, device=visible.device).masked_fill_(~visible, -torch.inf)


def attend(shape: Shape, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax(q k^T scale + mask) v, (B, heads, L, head_dim); no mask: every token sees all before it.

    q (B, heads, L, head_dim), k and v (B, heads or kv_heads, keys, head_dim), mask additive, (B or 1, 1, L, keys).

    Source: scaled dot-product attention, arXiv 1706.03762; grouped queries, arXiv 2305.13245; the cap on scores is
    Gemma 2's (arXiv 2408.00118), which torch's fused attention does not know.
    """
    repeat = q.shape[1] // k.shape[1]
    if shape.attention_cap is None:
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=shape.scale, enable_gqa=repeat > 1
        )
    k, v = k.repeat_interleave(repeat, dim=1), v.repeat_interleave(repeat, dim=1)
    scores = shape.attention_cap * torch.tanh((q @ k.transpose(2, 3)).float() * (shape.scale / shape.attention_cap))
    if mask is None:
        mask = torch.full(scores.shape[-2:], -torch.inf, device=scores.device).triu(1)
    return torch.softmax(scores + mask, dim=-1).to(v.dtype) @ v
