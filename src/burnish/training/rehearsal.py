"""The heaviest slice first: whether memory suffices is known before the first step, not in the third hour (trap T40).

A slice's memory follows from the tokens that go through the network, so the heaviest slice there can be is made of the
longest rows: of what is prepared, those; of what is drawn, completions as long as they may become, behind the longest
prompts. It goes through forwards and backwards, and nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.maths.batch import Outputs
from burnish.methods import Needs
from burnish.records import Completion, Prompt
from burnish.training.window import Learner, units

COUNTED = 256
"""Units, those with the most characters, whose tokens are counted: counting all of a large corpus takes its time."""


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


def rehearse(network: Learner, rows: Sequence[Row], needs: Needs, *, apart: bool = False) -> None:
    """Let a slice of these rows go through the network, forwards and backwards, and forget it.

    Raises InputError that says what to set when it does not fit into memory.
    """
    try:
        width = max(len(network.tokens(row)) for row in rows)
        inputs = network.inputs(rows, width, teacher="teacher" in needs.views, apart=apart)
        learned = [each.sum() for each in _learned(network.outputs(inputs, reference="reference" in needs.views))]
        if learned:
            torch.autograd.backward(torch.stack(learned).sum())
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        tokens = sum(network.length(row) for row in rows)
        raise InputError(
            f"training: the heaviest slice, {len(rows)} rows with {tokens:,} tokens, does not fit into memory. "
            "Set walk.rows_per_slice lower (it changes no result), or max_tokens, or sampling.max_new_tokens."
        ) from error
    finally:
        for parameter in network.parameters().values():
            parameter.grad = None


def _learned(outputs: Outputs) -> list[Tensor]:
    """Return what gradients flow from."""
    values = [getattr(outputs, item.name) for item in fields(outputs)]
    return [value for value in values if value is not None and value.requires_grad]
