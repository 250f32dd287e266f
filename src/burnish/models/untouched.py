"""What trained weights were before: the reference of a policy whose own weights are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from torch import Tensor, nn


class Untouched:
    """A copy of weights, made when training begins; put in their place for as long as the reference speaks."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = dict(parameters)
        self.values = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.inside = False

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the weights are what they were. Nothing is copied: parameters point at the other tensor meanwhile,
        so a graph that holds them is still good afterwards."""
        if self.inside:
            yield
            return
        trained = {name: parameter.data for name, parameter in self.parameters.items()}
        self._point(self.values)
        self.inside = True
        try:
            yield
        finally:
            self._point(trained)
            self.inside = False

    def of(self, parameter: Tensor) -> Tensor:
        """Return what a parameter was; itself when it is not trained."""
        for name, mine in self.parameters.items():
            if mine is parameter:
                return self.values[name]
        return parameter

    def _point(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.data = tensors[name]
