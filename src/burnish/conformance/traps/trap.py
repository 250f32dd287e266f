"""What the check of a trap is made of: it takes a model with rows, or nothing, and raises AssertionError."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from burnish.examples import Example, Row
from burnish.maths.batch import Batch, Outputs
from burnish.methods import Needs
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Completion, Prompt
from burnish.training.window import window


@dataclass(frozen=True)
class Trap:
    """One known way to train something else than was meant, and the check that it is not walked into."""

    number: int
    check: Callable[..., None]

    @property
    def name(self) -> str:
        return f"T{self.number}"

    @property
    def says(self) -> str:
        """What the check holds to, in one sentence."""
        return " ".join((inspect.getdoc(self.check) or "").split("\n\n")[0].split())

    @property
    def takes_model(self) -> bool:
        """Whether it looks at a model and rows: `check(policy, rows)`; the others look at burnish itself: `check()`."""
        return "policy" in inspect.signature(self.check).parameters


def some_rows() -> list[Row]:
    """Return rows of unlike length: two answers to one prompt, one to another."""
    asked = Prompt.of("Name a good thing."), Prompt.of("the good and the bad: say which is which")
    said = ((0, "the sea"), (0, "bad"), (1, "the good one is the one that is not the bad one"))
    return [Row(asked[i], Completion(asked[i].id, text)) for i, text in said]


def must(holds: bool | Tensor, said: str) -> None:
    """Raise AssertionError with these words unless it holds; not `assert`, which python -O leaves out."""
    if not bool(holds):
        raise AssertionError(said)


def near(one: Tensor, other: Tensor, said: str, *, within: float) -> None:
    """Raise AssertionError unless two tensors are equal up to `within`; NaN is equal to nothing."""
    gap = float((one.detach() - other.detach()).abs().max()) if one.numel() else 0.0
    must(gap <= within, f"{said} (largest difference {gap:.3g}, allowed {within:g})")


def rounding(policy: Policy) -> float:
    """Return how far two ways to compute one log-prob may lie apart, nats: more for a model in half precision."""
    return 2e-3 if policy.dtype == torch.float32 else 0.25


def window_of(network: HeadedPolicy, rows: Sequence[Row]) -> Batch:
    """Return the window that training makes of rows."""
    examples = [Example((row,)) for row in rows]
    return window(network, examples, Needs(eats=()), rows_per_slice=len(rows), max_new_tokens=512, seed=0)[0]


def said_of(network: HeadedPolicy, rows: Sequence[Row], *, reference: bool = False) -> Outputs:
    """Return what the model says of rows that go through it together."""
    width = max(len(network.tokens(row)) for row in rows)
    return network.outputs(network.inputs(rows, width), reference=reference)


def logprobs_of(network: HeadedPolicy, rows: Sequence[Row]) -> list[Tensor]:
    """Return the log-probs of each row's tokens, no padding, no gradient."""
    with torch.no_grad():
        found = said_of(network, rows).logprobs_BT
    assert found is not None
    return [found[number, : len(network.tokens(row))] for number, row in enumerate(rows)]


@contextlib.contextmanager
def moved_weights(policy: Policy, *, size: float = 0.02) -> Iterator[None]:
    """Inside, what is trained lies elsewhere by some noise, as after training; afterwards it is what it was."""
    kept = {name: parameter.detach().clone() for name, parameter in policy.parameters().items()}
    generator = torch.Generator().manual_seed(7)
    try:
        with torch.no_grad():
            for parameter in policy.parameters().values():
                parameter.add_(size * torch.randn(parameter.shape, generator=generator))
        yield
    finally:
        with torch.no_grad():
            for name, parameter in policy.parameters().items():
                parameter.copy_(kept[name])
