"""One optimiser step on one window: slices -> outputs -> loss -> gradient, whatever the method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from burnish.maths.batch import Batch, Outputs
from burnish.training.optimiser import Optimiser, OptimiserConfig, rate_at


class Network(Protocol):
    """What a trainer trains: named parameters, and outputs for a slice's inputs."""

    def parameters(self) -> dict[str, nn.Parameter]: ...

    def outputs(self, inputs: Any, *, reference: bool) -> Outputs: ...


@dataclass(frozen=True)
class Slice:
    """Rows of a window that go through the network together, and what the network needs to see of them."""

    rows: Tensor
    inputs: Any


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
    ) -> None:
        self.network = network
        self.method = method
        self.config = config
        self.steps = steps
        self.step = 0
        self.optimiser = Optimiser(network.parameters(), optimiser, rates)

    def advance(self, batch: Batch, slices: Sequence[Slice], *, scale: float = 1.0) -> dict[str, float]:
        """Take one optimiser step on a window; return its metrics (means over the rows they apply to).

        scale: the window's rows over these slices', where they are only a part of it: the loss is then as large as if
        the part stood for the whole.
        """
        told = self._walk(batch, slices, scale, learn=True)
        rate = rate_at(self.step, self.steps, self.optimiser.config)
        norm = self.optimiser.step(rate)
        self.step += 1
        return {"loss": told.pop("loss"), "gradient_norm": norm, "learning_rate": rate, **told}

    def measure(self, batch: Batch, slices: Sequence[Slice]) -> dict[str, float]:
        """Return loss and metrics without learning anything."""
        return self._walk(batch, slices, 1.0, learn=False)

    def _walk(self, batch: Batch, slices: Sequence[Slice], scale: float, *, learn: bool) -> dict[str, float]:
        wants_reference = "reference" in self.method.needs(self.config).views
        total, collected = 0.0, dict[str, list[Tensor]]()
        for each in slices:
            outputs = self.network.outputs(each.inputs, reference=wants_reference)
            share_B, metrics = self.method.loss(batch.slice(each.rows), outputs, self.config)
            loss = share_B.sum() if scale == 1.0 else scale * share_B.sum()
            if learn:
                loss.backward()
            total += float(loss.detach())
            for name, values in metrics.items():
                collected.setdefault(name, []).append(values.detach().float())
        return {"loss": total, **{name: _mean(torch.cat(values)) for name, values in collected.items()}}

    def state(self) -> dict[str, Tensor]:
        """Return everything that must be restored to go on exactly, beside the network's own weights."""
        return self.optimiser.state()

    def load_state(self, saved: dict[str, Tensor], step: int) -> None:
        """Go on from a state saved after `step` steps."""
        self.optimiser.load_state(saved)
        self.step = step


def _mean(values: Tensor) -> float:
    known = values[torch.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
