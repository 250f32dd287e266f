"""A group packed into one row: the prompt once, then each completion, none of which sees another.

    row        [ prompt | completion 0 | completion 1 | ... ]
    positions  [ 0..p-1 | p..          | p..          | ... ]

A completion's token attends to the prompt and to its own past. The prompt is computed once for its whole group, and
there is no padding inside a row. Packed log-probs equal unpacked ones (trap T7: tests/models/test_packing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedRows:
    """R rows of at most L tokens that hold B completions with N tokens in all."""

    input_ids_RL: Tensor
    position_ids_RL: Tensor
    visible_RLL: Tensor
    """bool: query may see key."""
    source_N: Tensor
    """Index into the flattened (R * L) hidden states of the state that predicts each completion token."""
    token_N: Tensor
    """The completion tokens, completion after completion."""
    lengths_B: list[int]

    def unflatten(self, values_N: Tensor) -> Tensor:
        """Return (B, T) from per-token values, 0 beyond each completion's end; differentiable."""
        rows = torch.split(values_N, self.lengths_B)
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def pack(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[Sequence[int]]]) -> PackedRows:
    """Return rows, one for each prompt with its completions, in the order given. Token ids in, no padding id needed.

    Raises ValueError for a prompt without tokens: nothing would predict the first token of its completions.
    """
    if not all(prompts):
        empty = next(number for number, prompt in enumerate(prompts) if not prompt)
        raise ValueError(f"pack: prompt {empty} has no tokens; a template gives every prompt some.")
    lengths_B = [len(completion) for group in completions for completion in group]
    longest = max(len(p) + sum(map(len, group)) for p, group in zip(prompts, completions, strict=True))
    shape = (len(prompts), longest)
    ids, positions = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    segment = torch.full(shape, -1, dtype=torch.int64)  # -1 padding, 0 prompt, 1.. completions
    source: list[Tensor] = []
    for row, (prompt, group) in enumerate(zip(prompts, completions, strict=True)):
        start = len(prompt)
        ids[row, :start] = torch.tensor(prompt, dtype=torch.int64)
        positions[row, :start] = torch.arange(start)
        segment[row, :start] = 0
        at = start
        for number, completion in enumerate(group, start=1):
            end = at + len(completion)
            ids[row, at:end] = torch.tensor(completion, dtype=torch.int64)
            positions[row, at:end] = torch.arange(start, start + len(completion))
            segment[row, at:end] = number
            # the first token is predicted by the prompt's last state, each later one by the state before it
            places = torch.arange(at - 1, end - 1)
            if len(completion):
                places[0] = start - 1
            source.append(row * longest + places)
            at = end
    token_N = torch.tensor([t for group in completions for c in group for t in c], dtype=torch.int64)
    return PackedRows(ids, positions, _visible(segment), torch.cat(source), token_N, lengths_B)


def _visible(segment_RL: Tensor) -> Tensor:
    """Return (R, L, L): the past of one's own segment, oneself included, and the prompt."""
    longest = segment_RL.shape[1]
    past = torch.ones(longest, longest, dtype=torch.bool).tril()
    key = segment_RL[:, None, :]
    return past & ((key == segment_RL[:, :, None]) | (key == 0))
