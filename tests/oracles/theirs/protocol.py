"""What every oracle's script shares: read the tensors, answer each question in each precision, write the numbers.

Run with the oracle's own Python: `python ask_trl.py WINDOW.npz ANSWERS.json`. Nothing in this folder imports burnish.
"""

from __future__ import annotations

import copy
import importlib.metadata
import json
import sys
import types
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Question = Callable[["Window"], "Sequence[Tensor]"]
DTYPES = {"float64": torch.float64, "float32": torch.float32}


class Window:
    """The tensors by their names, as attributes, in one precision; settings are plain numbers."""

    def __init__(self, arrays: Mapping[str, np.ndarray], dtype: torch.dtype) -> None:
        for name, value in arrays.items():
            setattr(self, name, torch.tensor(value, dtype=dtype) if value.ndim else float(value))
        self.dtype = dtype
        self.mask = self.mask_BT.bool()
        self.tokens = self.tokens_BT.long()
        self.leaf = self.held(self.logprobs_BT).requires_grad_(True)
        self.groups = [0, 0, 0, 0, 1, 1, 1, 1]

    def filled(self) -> Window:
        """The same with every place trained: completions that all reach the width."""
        found = copy.copy(self)
        found.mask_BT = torch.ones_like(self.mask_BT)
        found.mask = found.mask_BT.bool()
        return found

    def held(self, values_BT: Tensor) -> Tensor:
        """0 where the mask is not set."""
        return torch.where(self.mask, values_BT, torch.zeros_like(values_BT))

    def sums(self, values_BT: Tensor) -> Tensor:
        """Of each completion."""
        return self.held(values_BT).sum(-1)

    def told(self, loss: Tensor, leaf: Tensor | None = None) -> list[Tensor]:
        """The loss, and its gradient along the probe (of logits: its square): by default that of the log-probs."""
        (gradient,) = torch.autograd.grad(loss, self.leaf if leaf is None else leaf)
        along = {1: self.probe_B, 2: self.probe_BT}.get(gradient.ndim, gradient)
        return [loss.detach(), (gradient * along).sum()]

    def read(self, values: Tensor) -> list[Tensor]:
        """A whole tensor in two numbers: its sum, and its product with the probe, where the mask is set."""
        if values.ndim == 1:
            return [values.sum(), (values * self.probe_B).sum()]
        held = self.held(values)
        return [held.sum(), (held * self.probe_BT).sum()]


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """Within it a library makes the tensors that it keeps settings and statistics in with this precision, too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def silence() -> Iterator[None]:
    """Within it a library prints no progress and warns of nothing: of settings that it sets itself, for one."""
    with redirect_stdout(None), warnings.catch_warnings(action="ignore"):
        yield


class Anything:
    """Stands for the parts of a trainer that its loss merely reports to."""

    def __init__(self, **named: Any) -> None:
        self.__dict__.update(named)
        self._metrics: Any = defaultdict(lambda: defaultdict(list))
        self.model = types.SimpleNamespace(training=True)
        same = lambda value, *_, **__: value  # noqa: E731  # gathering over one process
        self.accelerator = types.SimpleNamespace(
            device="cpu", num_processes=1, gather=same, gather_for_metrics=same, reduce=same, unwrap_model=same
        )


def answer(questions: Mapping[str, Question], package: str, version: str) -> None:
    """Ask every question in every precision; write {"version": ..., "float64": {case: [numbers]}, "float32": ...}."""
    window, answers = Path(sys.argv[1]), Path(sys.argv[2])
    found = importlib.metadata.version(package)
    if found != version:
        raise SystemExit(f"{package} {found} is installed, but the questions are for {version}: run `make oracles`.")
    with np.load(window, allow_pickle=False) as arrays:
        told: dict[str, Any] = {
            name: {case: [float(x) for x in ask(Window(arrays, dtype))] for case, ask in questions.items()}
            for name, dtype in DTYPES.items()
        }
    answers.write_text(json.dumps({"version": version, "torch": torch.__version__, **told}), encoding="utf-8")


def module(name: str, **contents: Any) -> types.ModuleType:
    """Put a module of this name and content where imports look first: for what a file imports and does not use."""
    made = types.ModuleType(name)
    made.__dict__.update(contents)
    sys.modules[name] = made
    return made
