"""One optimiser step on one window: slices -> outputs -> loss -> gradient, whatever the method."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from burnish.maths.batch import Batch, Outputs
from burnish.training.optimiser import Optimiser, OptimiserConfig, rate_at
from burnish.training.worst_case import LossAt, Metrics, learn_twice


class Network(Protocol):
    """What a trainer trains: named parameters, and outputs for a slice's inputs."""

    def parameters(self) -> dict[str, nn.Parameter]: ...

    def outputs(self, inputs: Any, *, reference: bool) -> Outputs: ...


@dataclass(frozen=True)
class Slice:
    """Rows of a window that go through the network together, and what the network needs to see of them."""

    rows: Tensor
    inputs: Any
    part: int = 0
    """Which of the window's optimiser steps it belongs to."""


class Trainer:
    """Advances a network by one window at a time; all it keeps between windows is the optimiser and a step count."""

    def __init__(
        self,
        network: Network,
        method: ModuleType,
        config: Any,
        optimiser: OptimiserConfig,
        *,
        steps: int,
        rates: dict[str, float] | None = None,
        adversarial: float = 0.0,
    ) -> None:
        """adversarial: size of the worst shift that each slice is also learned at (`worst_case`); 0 learns it once."""
        self.network = network
        self.method = method
        self.config = config
        self.steps = steps
        self.step = 0
        self.optimiser = Optimiser(network.parameters(), optimiser, rates)
        self.device = next(iter(network.parameters().values())).device
        """Where the network computes; a window's batch is on the processor, and each slice of it joins it there."""
        self.adversarial = adversarial
        self.wants_reference = "reference" in method.needs(config).views

    def advance(self, batch: Batch, slices: Sequence[Slice]) -> dict[str, float]:
        """Take one optimiser step on a window, or on part of one; return its metrics (means over rows they apply to).

        batch: the whole window; slices: all of it, or the part that this step is for (`standing_for`).
        """
        told = self._walk(batch, slices, standing_for(batch, slices), learn=True)
        rate = rate_at(self.step, self.steps, self.optimiser.config)
        norm = self.optimiser.step(rate)
        self.step += 1
        return {"loss": told.pop("loss"), "gradient_norm": norm, "learning_rate": rate, **told}

    def measure(self, batch: Batch, slices: Sequence[Slice]) -> dict[str, float]:
        """Return loss and metrics without learning anything."""
        return self._walk(batch, slices, 1.0, learn=False)

    def _walk(self, batch: Batch, slices: Sequence[Slice], scale: float, *, learn: bool) -> dict[str, float]:
        totals, collected = {"loss": 0.0}, dict[str, list[Tensor]]()
        for each in slices:
            loss_at = functools.partial(self._loss, batch.slice(each.rows).on(self.device), each.inputs, scale)
            losses, metrics = self._learn(each.inputs, loss_at) if learn else _measured(loss_at)
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0.0) + float(loss)
            for name, values in metrics.items():
                collected.setdefault(name, []).append(values.detach().float())
        return {**totals, **{name: _mean(torch.cat(values)) for name, values in collected.items()}}

    def _learn(self, inputs: Any, loss_at: LossAt) -> tuple[dict[str, Tensor], Metrics]:
        """Add a slice's gradients to the parameters'; return its losses and metrics."""
        if not self.adversarial:
            loss, metrics = loss_at()
            torch.autograd.backward(loss)
            return {"loss": loss.detach()}, metrics
        return learn_twice(self.network, inputs, self.adversarial, loss_at)  # type: ignore[arg-type]  # a Learner then

    def _loss(self, part: Batch, inputs: Any, scale: float, shift: Tensor | None = None) -> tuple[Tensor, Metrics]:
        """Return a slice's loss, with gradient, and its metrics."""
        outputs_at: Callable[..., Outputs] = self.network.outputs
        shifted = {} if shift is None else {"shift": shift}
        outputs = outputs_at(inputs, reference=self.wants_reference, **shifted)
        share_B, metrics = self.method.loss(part, outputs, self.config)
        return share_B.sum() if scale == 1.0 else scale * share_B.sum(), metrics

    def state(self) -> dict[str, Tensor]:
        """Return everything that must be restored to go on exactly, beside the network's own weights."""
        return self.optimiser.state()

    def load_state(self, saved: dict[str, Tensor], step: int) -> None:
        """Go on from a state saved after `step` steps."""
        self.optimiser.load_state(saved)
        self.step = step


def standing_for(batch: Batch, slices: Sequence[Slice]) -> float:
    """Return what a part's loss is multiplied by to stand for its window: the window's rows over the part's.

    A row's share of the loss is divided by counts of the whole window, in every step of it. Of several steps each then
    has, over the ways to draw its part, the window's gradient as its mean; and with the weights held still the parts'
    gradients, weighed by their rows, are the window's exactly (trap T26): there is no other definition of the loss for
    several steps than for one. That is the minibatch of PPO (arXiv 1707.06347, algorithm 1: a mean over M of the NT
    samples, as an estimate of the mean over all). verl counts each minibatch's own tokens (`forward_backward_batch`,
    batch_num_tokens): an estimate of a ratio by a ratio, in which the tokens of a part of short completions weigh more
    than those of long ones. TRL divides by the whole window's tokens (GRPOTrainer, loss_type "dapo",
    num_items_in_batch) but does not multiply: its steps shrink with their number.
    """
    rows = sum(len(each.rows) for each in slices)
    return len(batch) / rows


def over_steps(told: Sequence[dict[str, float]], rows: Sequence[int]) -> dict[str, float]:
    """Return the metrics of a window's steps together: means weighed by their rows, of what is a number."""
    if len(told) == 1:
        return told[0]
    return {name: _weighed([each[name] for each in told], rows) for name in told[0]}


def _weighed(values: Sequence[float], weights: Sequence[int]) -> float:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if math.isfinite(value)]
    return sum(v * w for v, w in known) / sum(w for _, w in known) if known else math.nan


def _measured(loss_at: LossAt) -> tuple[dict[str, Tensor], Metrics]:
    loss, metrics = loss_at()
    return {"loss": loss.detach()}, metrics


def _mean(values: Tensor) -> float:
    known = values[torch.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
