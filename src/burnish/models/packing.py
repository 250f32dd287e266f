"""Texts laid flat, one after another: a prompt once, then each of its completions, none of which sees another.

    tokens     [ prompt | completion 0 | completion 1 | ... | next prompt | ... ]
    positions  [ 0..p-1 | p..          | p..          | ... | 0..         | ... ]

A completion's token attends to its prompt and to its own past. The prompt is computed once for its whole group, and
there is no padding at all but inside attention, where parts of like length stand as rows side by side. Packed log-probs
equal unpacked ones (trap T7: tests/models/test_packing.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STRETCH = 1.5
"""Parts share rows of attention when the longest is at most so many times the shortest; or when all are short:"""
SHORT = 48


@dataclass(frozen=True)
class Rows:
    """R parts of like length, as rows of T places; a completion's part sees its prompt, P places, before its own past.

    Places beyond a part's end hold token 0 and are never seen.
    """

    token_RT: Tensor
    """Number in N of the token at each place."""
    length_R: Tensor
    prompt_GP: Tensor | None
    """Number in N of the tokens of the G prompts these parts go on from; None: they begin their text."""
    prompt_length_G: Tensor | None
    group_R: Tensor | None
    """Which of the G prompts each part goes on from."""


@dataclass(frozen=True)
class Layout:
    """Where N tokens of U groups stand."""

    positions_N: Tensor
    rows: tuple[Rows, ...]
    place_N: Tensor
    """Where each token stands when the rows are flattened and put one after another."""
    last_U: Tensor
    """Number in N of each group's last token: where a text without completions is read off."""
    groups: tuple[tuple[int, ...], ...]
    """Lengths of each group's prompt and completions."""


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


@dataclass(frozen=True)
class _Part:
    """A run of tokens that attention takes as one row."""

    start: int
    length: int
    prompt: _Part | None = None


def lay(groups: Sequence[Sequence[int]]) -> Layout:
    """Return the layout of groups, each the lengths of its prompt and of its completions."""
    parts: list[_Part] = []
    at = 0
    for prompt, *completions in groups:
        # a prompt with its only completion is plain text: one part
        whole = prompt + completions[0] if len(completions) == 1 else prompt
        first = _Part(at, whole)
        parts.append(first)
        at += whole
        for length in completions if len(completions) > 1 else []:
            parts.append(_Part(at, length, first))
            at += length
    positions = [torch.arange(part.length) + (0 if part.prompt is None else part.prompt.length) for part in parts]
    rows = [_rows(alike) for alike in _alike([part for part in parts if part.length])]
    place_N, offset = torch.zeros(at, dtype=torch.int64), 0
    for each in rows:
        valid = torch.arange(each.token_RT.shape[1])[None] < each.length_R[:, None]
        place_N[each.token_RT[valid]] = offset + valid.flatten().nonzero()[:, 0]
        offset += each.token_RT.numel()
    ends = torch.tensor([sum(group) for group in groups], dtype=torch.int64).cumsum(0)
    return Layout(
        torch.cat([ends[:0], *positions]), tuple(rows), place_N, ends - 1, tuple(tuple(group) for group in groups)
    )


def _alike(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield parts of like length together: those that begin a text, then those that go on from a prompt."""
    for going_on in (False, True):
        some = sorted((p for p in parts if (p.prompt is not None) is going_on), key=lambda p: (p.length, p.start))
        while some:
            limit = max(some[0].length * STRETCH, SHORT)
            count = sum(part.length <= limit for part in some)
            yield some[:count]
            some = some[count:]


def _rows(parts: Sequence[_Part]) -> Rows:
    lengths = torch.tensor([part.length for part in parts])
    prompts = list(dict.fromkeys(part.prompt for part in parts if part.prompt is not None))
    number = {prompt: g for g, prompt in enumerate(prompts)}
    return Rows(
        token_RT=_numbers(parts),
        length_R=lengths,
        prompt_GP=_numbers(prompts) if prompts else None,
        prompt_length_G=torch.tensor([prompt.length for prompt in prompts]) if prompts else None,
        group_R=torch.tensor([number[part.prompt] for part in parts if part.prompt]) if prompts else None,
    )


def _numbers(parts: Sequence[_Part]) -> Tensor:
    """Return (R, T): the tokens' numbers, 0 beyond each part's end."""
    each = [torch.arange(part.start, part.start + part.length) for part in parts]
    return torch.nn.utils.rnn.pad_sequence(each, batch_first=True)
