"""Texts laid flat, one after another: a prompt once, then each of its completions, none of which sees another.

    tokens     [ prompt | completion 0 | completion 1 | ... | next prompt | ... ]
    positions  [ 0..p-1 | p..          | p..          | ... | 0..         | ... ]

A completion's token attends to its prompt and to its own past. The prompt is computed once for its whole group, and
there is no padding at all. Packed log-probs equal unpacked ones (trap T7: tests/models/test_packing.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TOGETHER = 256
"""Short neighbours share a block of attention up to this many tokens: fewer calls, little masked away."""


@dataclass(frozen=True)
class Block:
    """Neighbouring groups that attention takes together: tokens start .. end."""

    start: int
    end: int
    visible_LL: Tensor | None
    """bool: query may see key; None: every token sees all before it."""


@dataclass(frozen=True)
class Layout:
    """Where N tokens of U groups stand."""

    positions_N: Tensor
    blocks: tuple[Block, ...]
    last_U: Tensor
    """Place in N of each group's last token: where a text without completions is read off."""


def lay(groups: Sequence[Sequence[int]]) -> Layout:
    """Return the layout of groups, each the lengths of its prompt and of its completions."""
    positions = [
        torch.arange(start, start + length)
        for prompt, *completions in groups
        for start, length in [(0, prompt), *((prompt, each) for each in completions)]
    ]
    ends = torch.tensor([sum(group) for group in groups], dtype=torch.int64).cumsum(0)
    return Layout(torch.cat([ends[:0], *positions]), tuple(_blocks(groups)), ends - 1)


@dataclass(frozen=True)
class Packed:
    """N tokens laid flat, that hold B completions with M tokens in all."""

    tokens_N: Tensor
    layout: Layout
    source_M: Tensor
    """Place in N of the state that predicts each completion token."""
    token_M: Tensor
    """The completion tokens, completion after completion."""
    lengths_B: list[int]

    def unflatten(self, values_M: Tensor) -> Tensor:
        """Return (B, T) from per-token values, 0 beyond each completion's end; differentiable."""
        rows = torch.split(values_M, self.lengths_B)
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def pack(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[Sequence[int]]]) -> Packed:
    """Return token ids laid flat, each prompt with its completions, in the order given.

    Raises ValueError for a prompt without tokens: nothing would predict the first token of its completions.
    """
    if not all(prompts):
        empty = next(number for number, prompt in enumerate(prompts) if not prompt)
        raise ValueError(f"pack: prompt {empty} has no tokens; a template gives every prompt some.")
    tokens: list[int] = []
    source: list[Tensor] = []
    for prompt, group in zip(prompts, completions, strict=True):
        last = len(tokens) + len(prompt) - 1
        tokens.extend(prompt)
        for completion in group:
            # the first token is predicted by the prompt's last state, each later one by the state before it
            places = torch.arange(len(tokens) - 1, len(tokens) + len(completion) - 1)
            if len(completion):
                places[0] = last
            source.append(places)
            tokens.extend(completion)
    lengths = [[len(prompt), *map(len, group)] for prompt, group in zip(prompts, completions, strict=True)]
    return Packed(
        tokens_N=torch.tensor(tokens, dtype=torch.int64),
        layout=lay(lengths),
        source_M=torch.cat([torch.zeros(0, dtype=torch.int64), *source]),
        token_M=torch.tensor([t for group in completions for c in group for t in c], dtype=torch.int64),
        lengths_B=[length for _, *group in lengths for length in group],
    )


def _blocks(groups: Sequence[Sequence[int]]) -> Iterator[Block]:
    """Yield blocks of neighbouring groups; a group is the lengths of its prompt and of its completions."""
    start, held = 0, list[Sequence[int]]()
    for group in groups:
        size = sum(map(sum, held))
        if held and size + sum(group) > TOGETHER:
            yield Block(start, start + size, _visible(held))
            start, held = start + size, []
        held.append(group)
    if held:
        yield Block(start, start + sum(map(sum, held)), _visible(held))


def _visible(groups: Sequence[Sequence[int]]) -> Tensor | None:
    """Return (L, L): the past of one's own part, oneself included, and the prompt of one's group."""
    if len(groups) == 1 and len(groups[0]) <= 2:
        return None  # a prompt and one completion are plain text
    sizes = torch.tensor([size for group in groups for size in group])
    part = torch.arange(len(sizes)).repeat_interleave(sizes)
    prompt_of = torch.tensor([at for at, group in zip(_starts(groups), groups, strict=True) for _ in group])
    past = torch.ones(len(part), len(part), dtype=torch.bool).tril()
    own_prompt = prompt_of[part]
    return past & ((part[:, None] == part[None, :]) | (own_prompt[:, None] == part[None, :]))


def _starts(groups: Sequence[Sequence[int]]) -> list[int]:
    """Return the number of each group's first part."""
    found = [0]
    for group in groups[:-1]:
        found.append(found[-1] + len(group))
    return found
