"""Attention over texts that lie flat, and the one formula that all uses share.

Parts of like length are set out as rows (`models.packing.Rows`), and a completion's row sees its prompt's keys before
its own: n completions of t tokens after a prompt of p cost n t (p + t), not (p + n t)^2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from burnish.models.decoder.shape import Shape
from burnish.models.packing import Layout, Rows

SHORT = 256
"""Keys up to which batched products are taken in place of torch's fused attention."""


class PackedAttention:
    """Every token sees its own past, and a completion's token its prompt; layer by layer, differentiable."""

    def __init__(self, shape: Shape, layout: Layout, dtype: torch.dtype) -> None:
        self.shape = shape
        self.layout = layout
        self.dtype = dtype
        self.masks: dict[int | None, list[Tensor | None]] = {}

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows, window = self.layout.rows, self.shape.layers[layer].window
        if window not in self.masks:
            self.masks[window] = [self._side_by_side(each, self._mask(each, window)) for each in rows]
        mixed = []
        spread = zip(_spread(q, self.layout), _spread(k, self.layout), _spread(v, self.layout), strict=True)
        for each, (q_RT, k_RT, v_RT), mask in zip(rows, spread, self.masks[window], strict=True):
            if each.prompt_GP is not None:
                k_RT, v_RT = _after_prompt(k_RT, k, each), _after_prompt(v_RT, v, each)
            if mask is not None and mask.ndim == 3:
                mixed.append(_attend_side_by_side(self.shape, q_RT, k_RT, v_RT, mask))
            else:
                found = attend(self.shape, q_RT.transpose(1, 2), k_RT.transpose(1, 2), v_RT.transpose(1, 2), mask)
                mixed.append(found.transpose(1, 2))
        return _gather(self.layout, *mixed).reshape(len(q), -1)

    def _mask(self, rows: Rows, window: int | None) -> Tensor | None:
        """Return the additive mask (R or 1, 1, T, P + T), None where it is the causal one."""
        place_T = torch.arange(rows.token_RT.shape[1], device=rows.token_RT.device)
        hidden = (place_T[None, :] > place_T[:, None])[None]
        if rows.prompt_GP is None:
            if window is None or len(place_T) <= window:
                return None
            hidden = hidden | (place_T[:, None] - place_T[None, :] >= window)[None]
        else:
            assert rows.prompt_length_G is not None
            place_P = torch.arange(rows.prompt_GP.shape[1], device=place_T.device)
            length_R = rows.prompt_length_G[rows.group_R]
            before = (place_P[None] >= length_R[:, None])[:, None].expand(-1, len(place_T), -1)
            if window is not None:
                distance = length_R[:, None, None] + place_T[None, :, None] - place_P[None, None, :]
                before = before | (distance >= window)
                hidden = hidden | (place_T[:, None] - place_T[None, :] >= window)[None]
            hidden = torch.cat([before, hidden.expand(len(before), -1, -1)], dim=-1)
        mask = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device)
        return mask.masked_fill_(hidden, -torch.inf)[:, None]

    def _side_by_side(self, rows: Rows, mask: Tensor | None) -> Tensor | None:
        """Return the mask of short rows as batched products want it (three dimensions), any other as it is."""
        shape, (count, length) = self.shape, rows.token_RT.shape
        keys = length if rows.prompt_GP is None else length + rows.prompt_GP.shape[1]
        if keys > SHORT or shape.attention_cap is not None or rows.token_RT.device.type != "cpu":
            return mask
        if mask is None:
            mask = torch.full((length, keys), -torch.inf).triu_(1)[None, None]
        wide = mask.to(torch.promote_types(self.dtype, torch.float32))[:, :, None]
        wide = wide.expand(count, shape.kv_heads, shape.heads // shape.kv_heads, -1, -1)
        return wide.reshape(count * shape.kv_heads, -1, keys)


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


def _attend_side_by_side(shape: Shape, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Return (R, T, heads, head_dim) for queries (R, T, heads, head_dim), keys and values (R, P + T, kv_heads, ...).

    Queries that share a key stand side by side: mask (R * kv_heads, repeat * T, P + T).
    """
    rows, length, heads, size = q.shape
    keys, kv = k.shape[1:3]
    q = q.view(rows, length, kv, -1, size).permute(0, 2, 3, 1, 4).reshape(rows * kv, -1, size)
    k, v = (each.transpose(1, 2).reshape(rows * kv, keys, size) for each in (k, v))
    found = _short(q, k, v, mask, shape.scale)
    return found.view(rows, kv, -1, length, size).permute(0, 3, 1, 2, 4).reshape(rows, length, heads, size)


class _Short(Function):
    """softmax(scale q k^T + mask) v by batched products, (B, L, head_dim): for short texts, where torch's fused
    attention takes several times as long, its backward most of all. Keeps the weights (B, L, keys)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
        # scores in float32: rounded to bfloat16 before the softmax they would move log-probs by more than all else does
        scores = torch.baddbmm(mask, q.to(mask.dtype), k.to(mask.dtype).mT, alpha=scale)
        weights = torch.softmax(scores, dim=-1).to(q.dtype)
        ctx.save_for_backward(q, k, v, weights)
        ctx.scale = scale
        return torch.bmm(weights, v)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, weights = ctx.saved_tensors
        of_scores = torch._softmax_backward_data(torch.bmm(gradient, v.mT), weights, -1, weights.dtype)
        of_q, of_k = torch.bmm(of_scores, k).mul_(ctx.scale), torch.bmm(of_scores.mT, q).mul_(ctx.scale)
        return of_q, of_k, torch.bmm(weights.mT, gradient), None, None


class _AfterPrompt(Function):
    """(R, T, ...) of own keys (or values) -> (R, P + T, ...): after those of each row's prompt, out of all (N, ...).

    A prompt's gradient is the sum over the rows that go on from it, a shared beginning's over all of them; every other
    token of the prompts stands in one place of N.
    """

    @staticmethod
    def forward(ctx: Any, own_RT: Tensor, all_N: Tensor, rows: Rows) -> Tensor:
        assert rows.prompt_GP is not None
        assert rows.group_R is not None
        ctx.rows, ctx.tokens = rows, len(all_N)
        prompts = all_N.index_select(0, rows.prompt_GP.flatten()).view(*rows.prompt_GP.shape, *all_N.shape[1:])
        return torch.cat([prompts.index_select(0, rows.group_R), own_RT], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        rows = ctx.rows
        groups, length = rows.prompt_GP.shape
        of_prompts = gradient[:, :length]
        if rows.each:
            of_groups = of_prompts.view(groups, rows.each, *of_prompts.shape[1:]).sum(1)
        else:
            of_groups = of_prompts.new_zeros(groups, *of_prompts.shape[1:]).index_add_(0, rows.group_R, of_prompts)
        of_all = gradient.new_zeros(ctx.tokens, *gradient.shape[2:])
        number, place = rows.own_places
        of_all.index_copy_(0, number, of_groups.flatten(0, 1).index_select(0, place))
        if rows.shared:
            of_all.index_copy_(0, rows.prompt_GP[0, : rows.shared], of_groups[:, : rows.shared].sum(0))
        return gradient[:, length:], of_all, None


class _Spread(Function):
    """(N, ...) -> (R, T, ...) of every set of rows. Each token stands in one place, so backward is a selection."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: Layout) -> tuple[Tensor, ...]:
        ctx.layout = layout
        return tuple(
            x.index_select(0, rows.token_RT.flatten()).view(*rows.token_RT.shape, *x.shape[1:]) for rows in layout.rows
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _from_rows(gradients, ctx.layout), None


class _Gather(Function):
    """The other way round: what stands beyond a part's end is left behind and has no gradient."""

    @staticmethod
    def forward(ctx: Any, layout: Layout, *sets: Tensor) -> Tensor:
        ctx.layout = layout
        return _from_rows(sets, layout)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found: list[Tensor | None] = [None]
        for rows in ctx.layout.rows:
            shape = rows.token_RT.shape
            spread = gradient.index_select(0, rows.token_RT.flatten()).view(*shape, *gradient.shape[1:])
            beyond = torch.arange(shape[1], device=spread.device)[None] >= rows.length_R[:, None]
            found.append(spread.masked_fill_(beyond[..., None, None], 0))
        return tuple(found)


def _from_rows(sets: tuple[Tensor, ...], layout: Layout) -> Tensor:
    flat = [each.reshape(-1, *each.shape[2:]) for each in sets]
    return (flat[0] if len(flat) == 1 else torch.cat(flat)).index_select(0, layout.place_N)


_short: Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor] = _Short.apply
_after_prompt: Callable[[Tensor, Tensor, Rows], Tensor] = _AfterPrompt.apply
_spread: Callable[[Tensor, Layout], tuple[Tensor, ...]] = _Spread.apply
_gather: Callable[..., Tensor] = _Gather.apply
