"""Texts laid flat, one after another: a prompt once, then each of its completions, none of which sees another.

    tokens     [ prompt | completion 0 | completion 1 | ... | next prompt | ... ]
    positions  [ 0..p-1 | p..          | p..          | ... | 0..         | ... ]

A completion's token attends to its prompt and to its own past. The prompt is computed once for its whole group, and
there is no padding at all but inside attention, where parts of like length stand as rows side by side. Packed log-probs
equal unpacked ones (trap T7: tests/models/test_packing.py).

Prompts mostly begin alike, with what a template says before the question; `Packed.once` lays that down one time:

    tokens     [ beginning | rest of prompt 0 | completions | rest of prompt 1 | completions | ... ]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

STRETCH = 1.5
"""Parts share rows of attention when the longest is at most so many times the shortest; or when all are short:"""
SHORT = 48
SHARED = 12
"""Equal tokens that texts must begin with for their beginning to be laid down once."""


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
    shared: int = 0
    """Tokens that all G prompts begin with: the same numbers in N."""
    each: int = 0
    """Parts that go on from each of the G prompts, one prompt's after another's; 0 where their numbers differ."""

    @cached_property
    def own_places(self) -> tuple[Tensor, Tensor]:
        """Numbers in N of the prompts' own tokens, without a shared beginning, and their places in prompt_GP laid flat.

        Found once for all layers: to look is to wait for a device.
        """
        assert self.prompt_GP is not None
        assert self.prompt_length_G is not None
        place_P = torch.arange(self.prompt_GP.shape[1], device=self.prompt_GP.device)
        stands_GP = (place_P >= self.shared) & (place_P < self.prompt_length_G[:, None])
        place = stands_GP.flatten().nonzero()[:, 0]
        return self.prompt_GP.flatten()[place], place


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
    """Lengths of each group's prompt and completions, every prompt whole."""
    shared: int = 0
    """Tokens that all texts begin with, laid down once, before everything else."""

    def on(self, device: torch.device) -> Layout:
        """Return the same with its tensors on a device."""
        if device == self.positions_N.device:
            return self
        return replace(_on(device, self), rows=tuple(_on(device, each) for each in self.rows))


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
    copies: dict[torch.device, Packed] = field(default_factory=dict, repr=False, compare=False)
    """The same on other devices."""

    def on(self, device: torch.device) -> Packed:
        """Return the same on a device, copied there once; itself where it is there."""
        if device == self.tokens_N.device:
            return self
        if device not in self.copies:
            self.copies[device] = replace(_on(device, self), layout=self.layout.on(device), copies={})
        return self.copies[device]

    @cached_property
    def once(self) -> Packed:
        """The same texts with what all prompts begin with laid down one time; these themselves where that saves little.

        For what reads tokens through `Rows`; states differ by rounding only, and `source_M` finds the same ones.
        """
        groups = self.layout.groups
        texts = torch.split(self.tokens_N, [sum(group) for group in groups])
        shared = shared_beginning([text[: group[0]].tolist() for text, group in zip(texts, groups, strict=True)])
        if not shared:
            return self
        own_N = torch.cat([torch.arange(len(text)) >= shared for text in texts])
        own_N[:shared] = True
        number_N = own_N.cumsum(0) - 1
        return Packed(self.tokens_N[own_N], lay(groups, shared), number_N[self.source_M], self.token_M, self.lengths_B)

    def unflatten(self, values_M: Tensor) -> Tensor:
        """Return (B, T) from per-token values, 0 beyond each completion's end; differentiable."""
        rows = torch.split(values_M, self.lengths_B)
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def pack(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[Sequence[int]]]) -> Packed:
    """Return token ids laid flat, each prompt with its completions, in the order given.

    Raises ValueError for a prompt without tokens: nothing would predict the first token of its completions. And where
    there is no prompt at all: a model has no states of nothing.
    """
    if not prompts:
        raise ValueError("pack: no prompts were given, and of nothing a model has no states. Leave it out before this.")
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


def shared_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """Return with how many equal tokens all prompts begin, one left over for each; 0 where there are few."""
    if len(prompts) < 2:
        return 0
    # whatever lies between the least and the greatest in the order of lists begins as both do
    first, last = min(map(list, prompts)), max(map(list, prompts))
    most = min(map(len, prompts)) - 1
    shared = next((place for place in range(most) if first[place] != last[place]), max(most, 0))
    return shared if shared >= SHARED else 0


@dataclass(frozen=True)
class _Part:
    """A run of tokens that attention takes as one row, going on from another."""

    start: int
    length: int
    before: _Part | None = None

    @property
    def end(self) -> int:
        """Position after its last token: the length of everything up to there."""
        return self.length + (self.before.end if self.before else 0)

    @property
    def depth(self) -> int:
        return 1 + self.before.depth if self.before else 0

    def path(self) -> list[int]:
        """Return the numbers of all tokens from the text's first on."""
        return [*(self.before.path() if self.before else ()), *range(self.start, self.start + self.length)]


def lay(groups: Sequence[Sequence[int]], shared: int = 0) -> Layout:
    """Return the layout of groups, each the lengths of its prompt and of its completions.

    shared: tokens that all begin with, which stand once, in front; every prompt that has completions is longer.
    """
    beginning = _Part(0, shared) if shared else None
    parts = [beginning] if beginning else []
    at = shared
    for prompt, *completions in groups:
        # a prompt with its only completion is plain text: one part
        own = (prompt + completions[0] if len(completions) == 1 else prompt) - shared
        first = _Part(at, own, beginning)
        parts.append(first)
        at += own
        for length in completions if len(completions) > 1 else []:
            parts.append(_Part(at, length, first))
            at += length
    positions = [torch.arange(part.end - part.length, part.end) for part in parts]
    rows = [_rows(alike) for alike in _alike([part for part in parts if part.length])]
    place_N, offset = torch.zeros(at, dtype=torch.int64), 0
    for each in rows:
        valid = torch.arange(each.token_RT.shape[1])[None] < each.length_R[:, None]
        place_N[each.token_RT[valid]] = offset + valid.flatten().nonzero()[:, 0]
        offset += each.token_RT.numel()
    ends = torch.tensor([sum(group) - shared for group in groups], dtype=torch.int64).cumsum(0) + shared
    return Layout(
        torch.cat([ends[:0], *positions]), tuple(rows), place_N, ends - 1, tuple(tuple(each) for each in groups), shared
    )


def _alike(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield parts of like length together: those that begin a text, those that go on, and those that go on there."""
    for depth in range(3):
        some = sorted((part for part in parts if part.depth == depth), key=lambda part: (part.length, part.start))
        while some:
            limit = max(some[0].length * STRETCH, SHORT)
            count = sum(part.length <= limit for part in some)
            yield some[:count]
            some = some[count:]


def _rows(parts: Sequence[_Part]) -> Rows:
    prompts = list(dict.fromkeys(part.before for part in parts if part.before is not None))
    number = {prompt: g for g, prompt in enumerate(prompts)}
    begin = {prompt.before for prompt in prompts}
    (beginning,) = begin if len(begin) == 1 else (None,)
    owners = [number[part.before] for part in parts if part.before]
    even, left_over = divmod(len(owners), max(len(prompts), 1))
    in_turn = not left_over and owners == [g for g in range(len(prompts)) for _ in range(even)]
    return Rows(
        token_RT=_numbers([range(part.start, part.start + part.length) for part in parts]),
        length_R=torch.tensor([part.length for part in parts]),
        prompt_GP=_numbers([prompt.path() for prompt in prompts]) if prompts else None,
        prompt_length_G=torch.tensor([prompt.end for prompt in prompts]) if prompts else None,
        group_R=torch.tensor(owners) if prompts else None,
        shared=beginning.length if beginning else 0,
        each=even if in_turn else 0,
    )


Record = TypeVar("Record", Rows, Layout, Packed)


def _on(device: torch.device, record: Record) -> Record:
    """Return a record with those of its tensors that it holds itself on a device."""
    held = {item.name: getattr(record, item.name) for item in fields(record)}
    moved: dict[str, Any] = {name: each.to(device) for name, each in held.items() if isinstance(each, Tensor)}
    return replace(record, **moved)


def _numbers(parts: Sequence[Sequence[int]]) -> Tensor:
    """Return (R, T): the tokens' numbers, 0 beyond each part's end."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(part) for part in parts], batch_first=True)
