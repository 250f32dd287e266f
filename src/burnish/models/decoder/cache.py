"""Keys and values of what was said before, one row for each completion that is being decoded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from burnish.models.decoder.attention import attend
from burnish.models.decoder.shape import Shape

FEW_ROWS = 8
"""Below so many rows one fused call is faster than two products."""
STEP = 32
"""Rows hold a multiple of so many places: few different shapes, and a copy of all but once in so many tokens."""


class Cache:
    """Room for `rows` completions; those in use are 0 .. count - 1. Doubles as the attention of their next tokens."""

    def __init__(self, shape: Shape, rows: int, dtype: torch.dtype, device: torch.device) -> None:
        self.shape = shape
        self.rows = rows
        self.count = 0
        self.lengths_R = torch.zeros(rows, dtype=torch.int64, device=device)
        # no more places than are looked at: what stands apart in memory is copied together before every product
        empty = (rows, shape.kv_heads, 0, shape.head_dim)
        self.keys = [torch.zeros(empty, dtype=dtype, device=device) for _ in shape.layers]
        self.values = [torch.zeros(empty, dtype=dtype, device=device) for _ in shape.layers]
        self.masks: dict[int | None, Tensor] = {}

    @property
    def places(self) -> int:
        """Tokens that a row has room for."""
        return self.values[0].shape[2]

    def add(self, known: Sequence[tuple[Tensor, Tensor]], path: Tensor, times: int) -> range:
        """Put a prompt into the next rows; return their numbers.

        known: every layer's keys and values (N, kv_heads, head_dim); path: which of N the prompt is, token by token.
        """
        length = len(path)
        if length > self.places:
            self._hold(length)
        part = slice(self.count, self.count + times)
        for keys, values, (k, v) in zip(self.keys, self.values, known, strict=True):
            keys[part, :, :length] = k[path].transpose(0, 1)
            values[part, :, :length] = v[path].transpose(0, 1)
        self.lengths_R[part] = length
        self.count += times
        return range(part.start, part.stop)

    def drop(self, row: int) -> int:
        """Free a row by moving the last one into it; return the number of the row that moved (perhaps its own)."""
        last = self.count - 1
        if row != last:
            length = int(self.lengths_R[last])
            for keys, values in zip(self.keys, self.values, strict=True):
                keys[row, :, :length], values[row, :, :length] = keys[last, :, :length], values[last, :, :length]
            self.lengths_R[row] = length
        self.count = last
        return last

    def _hold(self, places: int) -> None:
        """Make rows hold this many places, rounded up, and no more; what stands in them is kept."""
        wide = -(-places // STEP) * STEP
        if wide == self.places:
            return
        used, kept = self.count, min(wide, self.places)
        for held in (self.keys, self.values):
            for layer, old in enumerate(held):
                held[layer] = old.new_zeros(self.rows, self.shape.kv_heads, wide, self.shape.head_dim)
                held[layer][:used, :, :kept] = old[:used, :, :kept]

    def begin(self) -> Tensor:
        """Return the positions (count,) of the tokens about to come, and make ready for them."""
        self.positions_B = self.lengths_R[: self.count].clone()
        self._hold(int(self.positions_B.max()) + 1)
        heads = torch.arange(self.count * self.shape.kv_heads, device=self.positions_B.device)
        # where the new keys and values stand when rows, heads and places are one dimension
        self.place_BK = heads * self.places + self.positions_B.repeat_interleave(self.shape.kv_heads)
        self.masks = {}
        return self.positions_B

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each row's new token (B, heads, head_dim) takes from its own past, itself included."""
        keys, values, shape = self.keys[layer], self.values[layer], self.shape
        for held, new in ((keys, k), (values, v)):
            held.view(-1, shape.head_dim).index_copy_(0, self.place_BK, new.reshape(-1, shape.head_dim))
        rows, width = len(q), self.places
        # the queries that share a key stand as a short text of their own: each key is read once for all of them
        q = q.reshape(rows, shape.kv_heads, -1, shape.head_dim)
        past = keys[:rows], values[:rows]
        mask = self._mask(shape.layers[layer].window, q.shape[2])
        if rows < FEW_ROWS or shape.attention_cap is not None:
            return attend(shape, q, *past, mask).reshape(rows, -1)
        # two batched products: torch's fused attention is twice as slow with so few queries a key
        batched = (rows * shape.kv_heads, q.shape[2], width)
        scores = torch.baddbmm(mask.reshape(batched), q.flatten(0, 1), past[0].flatten(0, 1).mT, alpha=shape.scale)
        return torch.bmm(torch.softmax(scores, dim=-1), past[1].flatten(0, 1)).reshape(rows, -1)

    def end(self) -> None:
        """Count the tokens that came."""
        self.lengths_R[: self.count] += 1

    def _mask(self, window: int | None, repeat: int) -> Tensor:
        """Return (B, kv_heads, repeat, width), additive."""
        if window not in self.masks:
            place = torch.arange(self.places, device=self.positions_B.device)[None]
            hidden = place > self.positions_B[:, None]
            if window is not None:
                hidden |= place <= self.positions_B[:, None] - window
            mask = torch.zeros(hidden.shape, dtype=self.values[0].dtype, device=hidden.device)
            mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]
            self.masks[window] = mask.expand(-1, self.shape.kv_heads, repeat, -1).contiguous()
        return self.masks[window]
