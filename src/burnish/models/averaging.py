"""Averages of weights: a running one during training, and the mean of several checkpoints.

    Average           exponential moving average of the trained parameters    Polyak & Juditsky 1992
    mean_of           weighted mean of checkpoints of one model                model soups, arXiv 2203.05482
    in_place_of       either of them, for as long as it is looked at

The mean of LoRA's matrices is not the mean of their products: checkpoints of one run are near enough for it, those of
different seeds are not; merge the adapters first and take the mean of the models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from burnish.errors import InputError

COUNT = "count"
"""What the number of updates is saved as, beside the averages."""


class Average:
    """Keeps average = d * average + (1 - d) * parameter, in float32 at least."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, decay: float, warm: bool = True) -> None:
        """decay: d, in [0, 1); 0.99 looks back about 100 steps. warm: d is (1 + n) / (10 + n) while that is smaller, so
        that the start is soon forgotten. Begins at the parameters as they are."""
        if not 0 <= decay < 1:
            raise InputError(f"average.decay: {decay} is not in [0, 1). Use 0.99 to look back about 100 steps.")
        self.parameters = dict(parameters)
        self.decay, self.warm, self.count = decay, warm, 0
        self.averages = {name: _wide(parameter) for name, parameter in self.parameters.items()}
        self.inside = False

    @property
    def decay_now(self) -> float:
        """The decay of the next update."""
        return min(self.decay, (1 + self.count) / (10 + self.count)) if self.warm else self.decay

    @torch.no_grad()
    def update(self) -> None:
        """Take the parameters as they are now into the average: once after every optimiser step."""
        if self.inside:
            raise RuntimeError("average: updated while the averages stand in the parameters' place")
        decay = self.decay_now
        for name, parameter in self.parameters.items():
            average = self.averages[name]
            average.lerp_(parameter.detach().to(average.dtype), 1 - decay)
        self.count += 1

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the parameters are their averages: to look at, to save. Afterwards they are what they were, to the
        bit; nothing that was done to them inside is kept."""
        self.inside = True
        try:
            with in_place_of(self.parameters, self.averages):
                yield
        finally:
            self.inside = False

    def state(self) -> dict[str, Tensor]:
        """Return the averages by name and the number of updates, as tensors: what a resume needs, exactly."""
        return {COUNT: torch.tensor(self.count), **{f"#{name}": each.clone() for name, each in self.averages.items()}}

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned. Raises InputError, and changes nothing, when any name or shape differs."""
        shapes = {f"#{name}": tuple(each.shape) for name, each in self.averages.items()}
        found = {name: tuple(each.shape) for name, each in saved.items() if name != COUNT}
        if found != shapes or COUNT not in saved:
            other = min((found.items() ^ shapes.items()), default=(COUNT, ()))[0]
            raise InputError(f"average: what was saved does not fit these parameters ({other.lstrip('#')} differs).")
        self.averages = {name: saved[f"#{name}"].to(each, copy=True) for name, each in self.averages.items()}
        self.count = int(saved[COUNT])


@contextlib.contextmanager
def in_place_of(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, each parameter is a copy of its value; afterwards it is what it was, to the bit.

    Parameters point at other tensors meanwhile, so a graph that holds them is still good afterwards.
    """
    trained = {name: parameter.data for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        parameter.data = values[name].to(parameter.data, copy=True)  # a checkpoint's are read on the processor
    try:
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = trained[name]


def _wide(parameter: Tensor) -> Tensor:
    return parameter.detach().to(torch.promote_types(parameter.dtype, torch.float32), copy=True)


def mean_of(checkpoints: Sequence[Mapping[str, Tensor]], weights: Sequence[float] | None = None) -> dict[str, Tensor]:
    """Return the weighted mean of checkpoints (what `Policy.state` returns), tensor by tensor, in their own dtype.

    weights: one each, from 0 up, not all 0; None: all alike. Summed in float64, so that the order does not matter and
    the mean of equal checkpoints is that checkpoint. Raises InputError when they are not of one model.
    """
    shares = [1.0] * len(checkpoints) if weights is None else [float(weight) for weight in weights]
    if not checkpoints or len(shares) != len(checkpoints):
        raise InputError(f"average: {len(checkpoints)} checkpoints and {len(shares)} weights. Give one weight to each.")
    if min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise InputError(f"average: the weights {shares} are not all from 0 up, or all are 0.")
    first = checkpoints[0]
    for number, other in enumerate(checkpoints[1:], start=1):
        shapes = ({name: (each.shape, each.dtype) for name, each in some.items()} for some in (first, other))
        mine, theirs = shapes
        if mine != theirs:
            name = min(set(mine) ^ set(theirs) or {name for name in mine if mine[name] != theirs[name]})
            raise InputError(f"average: checkpoint {number} is of another model than checkpoint 0 ({name} differs).")
    total = sum(shares)
    found = {}
    for name, tensor in first.items():
        if not tensor.is_floating_point():
            found[name] = tensor.clone()  # counts and masks have no mean
            continue
        parts = [share * each[name].double() for share, each in zip(shares, checkpoints, strict=True) if share]
        found[name] = (torch.stack(parts).sum(0) / total).to(tensor.dtype)
    return found
