"""What happens on one window, whatever the method: views, targets, then one or more optimiser steps."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.examples import Example
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs
from burnish.models.averaging import Average
from burnish.records import seed_of
from burnish.training.optimiser import OptimiserConfig
from burnish.training.trainer import Slice, Trainer, over_steps
from burnish.training.window import Learner, window


@dataclass(frozen=True)
class StepConfig:
    """How a window is walked."""

    rows_per_slice: int = 8
    """Completions that go through the network together; memory grows with it, results do not change."""
    passes: int = 1
    """Times a window is gone through (PPO's epochs)."""
    parts: int = 1
    """Optimiser steps in each pass (minibatches), each on its share of the examples; 1 is strictly on-policy."""
    ema: float = 0.0
    """Decay of the moving average of the weights, which is what is saved; 0 keeps none. 0.99 averages 100 steps."""
    adversarial: float = 0.0
    """Size of the shift of a text's embeddings, in their deviation, that raises its loss most and that it is learned
    at as well; 0 learns it as it is. 1 is mild, 5 strong; a step takes twice as long."""

    def __post_init__(self) -> None:
        for name in ("rows_per_slice", "passes", "parts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up. Use 1.")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema: {self.ema} is not in [0, 1). Use 0 for none, or 0.99.")
        if not (math.isfinite(self.adversarial) and self.adversarial >= 0):
            raise InputError(f"adversarial: {self.adversarial} is not a number from 0 up. Use 0 for none, or 1.")


class Steps:
    """Turns windows of examples into optimiser steps; keeps what follows the weights beside them: the slow copy, the
    teacher, the moving average."""

    def __init__(
        self,
        network: Learner,
        method: ModuleType,
        config: Any,
        optimiser: OptimiserConfig,
        settings: StepConfig,
        *,
        steps: int,
        seed: int,
        max_new_tokens: int,
    ) -> None:
        self.network = network
        self.method = method
        self.config = config
        self.settings = settings
        self.seed = seed
        self.max_new_tokens = max_new_tokens
        self.needs: Needs = method.needs(config)
        self.trainer = Trainer(
            network, method, config, optimiser,
            steps=steps * settings.passes * settings.parts, adversarial=settings.adversarial,
        )  # fmt: skip
        self.slow = self._following("slow" in self.needs.views, decay=1 - self.needs.slow_rate)
        network.teacher = self._following(self.needs.teacher_rate > 0, decay=1 - self.needs.teacher_rate)
        self.average = self._following(settings.ema > 0, decay=settings.ema, warm=True)

    def learn(
        self, examples: Sequence[Example], *, beta: float | None = None, baseline: float = math.nan
    ) -> dict[str, float]:
        """Take the window's steps; return its metrics, means over steps. baseline: running mean of what was paid."""
        batch, slices = self._window(examples, beta, baseline)
        parts = [list(part) for _, part in itertools.groupby(slices, key=lambda each: each.part)]
        walked = parts * self.settings.passes
        told = [self._step(batch, part) for part in walked]
        return over_steps(told, [sum(len(each.rows) for each in part) for part in walked])

    @torch.no_grad()
    def measure(self, examples: Sequence[Example]) -> dict[str, float]:
        """Return loss and metrics of examples that nothing is learned from here."""
        batch, slices = self._window(examples, None, math.nan)
        return self.trainer.measure(batch, slices)

    def _window(self, examples: Sequence[Example], beta: float | None, baseline: float) -> tuple[Batch, list[Slice]]:
        batch, slices = window(
            self.network, examples, self.needs, rows_per_slice=self.settings.rows_per_slice,
            max_new_tokens=self.max_new_tokens, seed=self.seed, beta=beta, apart=self.settings.adversarial > 0,
            parts=self.settings.parts,
        )  # fmt: skip
        if math.isfinite(baseline):
            batch = replace(batch, scalars={**batch.scalars, "baseline": baseline})
        batch = self._viewed(batch, slices)
        return (self.method.targets(batch, self.config) if hasattr(self.method, "targets") else batch), slices

    def _step(self, batch: Batch, slices: Sequence[Slice]) -> dict[str, float]:
        with self._noise():
            told = self.trainer.advance(batch, slices)
        self.network.after_step(self.trainer.step - 1)
        for each in self._followers().values():
            each.update()
        return told

    def _noise(self) -> contextlib.AbstractContextManager[None]:
        """Return dropout and the like, fixed by the step, where the method may be trained under it (trap T20): always
        on an encoder, of which nobody asks a log-prob."""
        if not (self.needs.noise or self.network.reads_only):
            return contextlib.nullcontext()
        return self.network.noisy(seed_of(self.seed, "noise", self.trainer.step))

    # ------------------------------------------------------------------------------------------------------- views

    @torch.no_grad()
    def _viewed(self, batch: Batch, slices: Sequence[Slice]) -> Batch:
        """Return the batch with what the policy and its slow copy say of the whole window before any step."""
        views = self.needs.views
        # after the first of several steps on a window the policy is no longer the one that drew it
        several = self.needs.fresh and self.settings.passes * self.settings.parts > 1
        if "old" in views or several:
            said = self._say(slices, reference="reference" in views)
            batch = replace(
                batch,
                old_logprobs_BT=_joined(said, "logprobs_BT"),
                old_values_BT=_joined(said, "values_BT"),
                reference_logprobs_BT=_joined(said, "reference_logprobs_BT"),
            )
        if "slow" in views:
            assert self.slow is not None
            with self.slow.swapped():
                said = self._say(slices, reference=False)
            batch = replace(batch, slow_values_BT=_joined(said, "values_BT"), slow_q_BTKV=_joined(said, "q_BTKV"))
        return batch

    def _say(self, slices: Sequence[Slice], *, reference: bool) -> list[Outputs]:
        return [self.network.outputs(each.inputs, reference=reference) for each in slices]

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the network has the moving average of its weights, where one is kept: what is looked at and saved."""
        return self.average.swapped() if self.average else contextlib.nullcontext()

    def _following(self, wanted: bool, *, decay: float, warm: bool = False) -> Average | None:
        """Return weights that follow the network's from here on, if they are wanted."""
        return Average(self.network.parameters(), decay=decay, warm=warm) if wanted else None

    def _followers(self) -> dict[str, Average]:
        """Return all that follows the network's weights, by name."""
        every = {"slow": self.slow, "teacher": self.network.teacher, "average": self.average}
        return {name: each for name, each in every.items() if each is not None}

    # --------------------------------------------------------------------------------------------------- going on

    def state(self) -> dict[str, Tensor]:
        """Return everything that must be restored to go on exactly: weights, moments, and what follows the weights."""
        weights = {name: parameter.detach() for name, parameter in self.network.parameters().items()}
        groups = {"weights": weights, "optimiser": self.trainer.state()}
        groups |= {name: each.state() for name, each in self._followers().items()}
        return {f"{group}/{name}": tensor.clone() for group, found in groups.items() for name, tensor in found.items()}

    def load_state(self, saved: Mapping[str, Tensor], step: int) -> None:
        """Put back what `state` returned after so many optimiser steps."""
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "optimiser": {}}
        for key, tensor in saved.items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = tensor.clone()
        _put(self.network.parameters(), groups["weights"])
        for name, each in self._followers().items():
            each.load_state(groups.get(name, {}))
        self.trainer.load_state(groups["optimiser"], step)


def _joined(outputs: Sequence[Outputs], name: str) -> Tensor | None:
    found = [value for each in outputs if (value := getattr(each, name)) is not None]
    return torch.cat(found).cpu() if found else None  # where the window's batch is


@torch.no_grad()
def _put(parameters: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        parameters[name].copy_(tensor)
