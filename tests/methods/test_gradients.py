"""What every file in methods/ promises of its loss on a policy: the gradient is the loss's own, and learns.

A loss may hold something still that the policy decides (a weight, a teacher, the next state's value): it has no
gradient, so the loss as a number moves otherwise than its gradient says. Here such things are held still as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from tests.methods.test_contract import CASES, NAMES
from torch.overrides import TorchFunctionMode

from burnish import methods
from burnish.conformance.world import ASKED
from burnish.examples import Example, Row
from burnish.maths.batch import Batch
from burnish.models.table import TablePolicy
from burnish.records import Span
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig, Steps
from burnish.training.trainer import Slice

Weights = Sequence[torch.Tensor]


class Still(TorchFunctionMode):
    """Inside, each `detach` gives what it gave when first inside."""

    def __init__(self) -> None:
        super().__init__()
        self.first: list[torch.Tensor] = []
        self.known, self.place = False, 0

    def __enter__(self) -> Still:
        self.known, self.place = bool(self.first), 0
        return super().__enter__()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is not torch.Tensor.detach:
            return found
        if not self.known:
            self.first.append(found.clone())
        self.place += 1
        return self.first[self.place - 1]


def two_examples(needs: methods.Needs) -> tuple[TablePolicy, list[Example]]:
    """A table with what the method reads, and two pairs that say everything of themselves that any method asks for."""
    network = TablePolicy(ASKED, heads=needs.heads, seed=2)
    said = ([1, 2, 0], [2, 1, 0])
    found = []
    for prompt, teacher in (ASKED[:2], ASKED[1::-1]):
        rows = [
            Row(
                prompt, network.completion(prompt, tokens, logprobs=(-1.0, -1.2, -0.8)), score=float(1 - rank),
                rank=rank, probability=1.0, margin=1.0, token_scores=(0.5, 0.2, float(1 - rank)), fresh=rank == 1,
                teacher=teacher, spans=(Span(0, 1, severity=0.5), Span(4, 5, severity=float(1 - rank))),
            )
            for rank, tokens in enumerate(said)
        ]  # fmt: skip
        found.append(Example(tuple(rows)))
    return network, found


def drawn(name: str, config: Any) -> tuple[Steps, Batch, Sequence[Slice]]:
    """Two examples as a window: targets and old log-probs stay as they are at first."""
    module = methods.load(name)
    network, examples = two_examples(module.needs(config))
    steps = Steps(
        network, module, config, OptimiserConfig(learning_rate=0.02, warmup_steps=0), StepConfig(passes=2),
        steps=5, seed=0, max_new_tokens=3,
    )  # fmt: skip
    return steps, *steps._window(examples, None, float("nan"))


def total(steps: Steps, batch: Batch, slices: Sequence[Slice], still: Still | None = None) -> torch.Tensor:
    """The window's loss as the policy is now."""
    found = torch.zeros((), dtype=torch.float64)
    with still or contextlib.nullcontext():
        for each in slices:
            outputs = steps.network.outputs(each.inputs, reference=steps.trainer.wants_reference)
            found = found + steps.method.loss(batch.slice(each.rows), outputs, steps.config)[0].sum()
    return found


@torch.no_grad()
def move(weights: Weights, way: Weights, by: float) -> None:
    for each, step in zip(weights, way, strict=True):
        each += by * step


def slopes(weights: Weights, way: Weights, loss: Callable[[], torch.Tensor], by: float = 1e-5) -> tuple[float, float]:
    """How a loss rises along a way through all weights: by its gradient, and by central differences."""
    gradients = torch.autograd.grad(loss(), weights, allow_unused=True)
    told = sum(float((g * step).sum()) for g, step in zip(gradients, way, strict=True) if g is not None)
    with torch.no_grad():
        move(weights, way, by)
        there = float(loss())
        move(weights, way, -2 * by)
        opposite = float(loss())
        move(weights, way, by)
    return told, (there - opposite) / (2 * by)


@pytest.mark.parametrize(("name", "config"), CASES)
def test_the_gradient_is_that_of_finite_differences(name, config):
    """In float64, a little away from where the window was drawn. What is detached is held where it was; a method that
    so holds still what would have moved the loss says what, in STOPPED, and no other does."""
    steps, *window = drawn(name, config)
    weights = list(steps.network.parameters().values())
    generator = torch.Generator().manual_seed(11)
    away, *ways = ([torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights] for _ in range(3))
    move(weights, away, 0.05)
    still = Still()
    for way in ways:
        told, found = slopes(weights, way, lambda: total(steps, *window, still))
        assert told == pytest.approx(found, rel=1e-6, abs=1e-8)
    told, found = slopes(weights, ways[0], lambda: total(steps, *window))
    assert (told == pytest.approx(found, rel=1e-6, abs=1e-8)) is not hasattr(steps.method, "STOPPED")


@pytest.mark.parametrize("name", NAMES)
def test_two_examples_are_learned_when_there_is_nothing_else(name):
    steps, batch, slices = drawn(name, methods.load(name).Config())
    still = Still()
    with torch.no_grad():
        before = float(total(steps, batch, slices, still))
    for _ in range(10):
        steps.trainer.advance(batch, slices)
    with torch.no_grad():
        assert float(total(steps, batch, slices, still)) < before - 1e-3
