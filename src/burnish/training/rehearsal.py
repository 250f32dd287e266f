"""The heaviest slice first: whether memory suffices is known before the first step, not in the third hour (trap T40).

A slice's memory follows from the tokens that go through the network, so the heaviest slice there can be is made of the
longest rows: of what is prepared, those; of what is drawn, completions as long as they may become, behind the longest
prompts. It goes through forwards and backwards, and nothing of it stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.machine import system
from burnish.machine.plan import amount
from burnish.maths.batch import Outputs
from burnish.methods import Needs
from burnish.records import Completion, Prompt
from burnish.training.trainer import Network
from burnish.training.window import Learner, units

COUNTED = 256
"""Units, those with the most characters, whose tokens are counted: counting all of a large corpus takes its time."""
LOWER = "Set walk.rows_per_slice lower (it changes no result), or max_tokens, or sampling.max_new_tokens."
REFUSED = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
"""What torch says on a processor when memory is refused (c10/core/impl/alloc_cpu.cpp)."""


def heaviest(network: Learner, examples: Sequence[Example], needs: Needs, rows_per_slice: int) -> list[Row]:
    """Return the rows of the heaviest slice that a window of these examples can have, the longest first."""
    likely = sorted(units(examples, needs), key=_characters, reverse=True)[: max(COUNTED, rows_per_slice)]
    found: list[Row] = []
    for part in sorted(likely, key=lambda part: sum(map(network.length, part)), reverse=True):
        if not found or len(found) + len(part) <= rows_per_slice:
            found.extend(part)
    return found


def _characters(part: Sequence[Row]) -> int:
    asked = sum(len(message.content) for row in part for message in (row.teacher or row.prompt).messages)
    return asked + sum(len(row.completion.text) for row in part)


def drawn_longest(prompts: Sequence[Prompt], group: int, max_new_tokens: int) -> list[Example]:
    """Return a group of completions for each prompt, all as long as they may become."""
    said = (1,) * max_new_tokens  # any token but one that ends
    return [
        Example(tuple(Row(prompt, Completion(prompt.id, "", said, index=k), fresh=True) for k in range(group)))
        for prompt in prompts
    ]


def rehearse(
    network: Learner, rows: Sequence[Row], needs: Needs, *, apart: bool = False, lower: str = LOWER, beside: int = 0
) -> None:
    """Let a slice of these rows go through the network, forwards and backwards, and forget it.

    lower, beside: as `let_through`. Raises InputError that says what to set when it does not fit into memory.
    """
    width = max(len(network.tokens(row)) for row in rows)
    inputs = network.inputs(rows, width, teacher="teacher" in needs.views, apart=apart)
    tokens = _tokens(network, rows, apart=apart)
    what = f"training: the heaviest slice, {len(rows)} rows with {tokens:,} tokens,"
    let_through(network, inputs, reference="reference" in needs.views, what=what, lower=lower, beside=beside)


def _tokens(network: Learner, rows: Sequence[Row], *, apart: bool) -> int:
    """Return how many tokens the rows have; a prompt's once for those that follow each other, unless they are apart."""
    if apart:
        return sum(map(network.length, rows))
    said = sum(len(network.tokens(row)) for row in rows)
    groups = (list(group) for _, group in groupby(rows, key=lambda row: row.prompt))
    return said + sum(max(network.length(row) - len(network.tokens(row)) for row in group) for group in groups)


def let_through(
    network: Network, inputs: Any, *, what: str, lower: str, reference: bool = False, beside: int = 0
) -> None:
    """Let what a slice shows the network go through it, forwards and backwards, and forget it.

    No number of the training changes: nothing is drawn, no optimiser steps, no gradient stays. beside: bytes of what
    is not loaded yet and stands there too in a step. Raises InputError as `within_memory`.
    """
    try:
        with within_memory(what, lower):
            others = torch.ones(beside, dtype=torch.uint8)  # written, since memory is taken only then
            learned = [each.sum() for each in _learned(network.outputs(inputs, reference=reference))]
            if learned:
                torch.autograd.backward(torch.stack(learned).sum())
            del others
    finally:
        for parameter in network.parameters().values():
            parameter.grad = None


@contextlib.contextmanager
def within_memory(what: str, lower: str) -> Iterator[None]:
    """Inside, memory that is refused raises InputError: what does not fit, how much was free, what to set."""
    free = system.free_bytes()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_want_of_memory(error):
            raise
        known = "" if free is None else f" ({amount(free)} were free)"
        raise InputError(f"{what} does not fit into memory{known}. {lower}") from error


def _is_want_of_memory(error: Exception) -> bool:
    """Return whether it says that memory was refused; torch has a type of its own for it on a GPU alone."""
    said = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in said for sign in REFUSED)


def _learned(outputs: Outputs) -> list[Tensor]:
    """Return what gradients flow from."""
    values = [getattr(outputs, item.name) for item in fields(outputs)]
    return [value for value in values if value is not None and value.requires_grad]
