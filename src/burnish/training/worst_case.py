"""Adversarial training on embeddings: each slice is learned twice, as it is and as it is read worst nearby.

    g    = d loss / d e                                    e: the embeddings of a text, prompt and completion, (N, H)
    r    = size * s * g / |g|                              s: the deviation of an entry of the embeddings
    loss = loss(e) + loss(e + r)                           r is taken as given: no gradient flows through it

Source: Miyato, Dai & Goodfellow 2017, "Adversarial training methods for semi-supervised text classification", arXiv
1605.07725, equations 2 to 5 (the fast gradient method, FGM).

What is unusual: it stands under every method, for whatever loss the method has; a text is one row of the window, so
that slices change nothing (trap T26); and embeddings are not normalised, as the paper does before training begins:
`size` counts in their deviation instead, which comes to the same. Only what the policy reads is shifted; reference,
teacher and slow copy read the text as it is. The price: a step takes twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from burnish.maths.worst_case import worst_shift


class Shiftable(Protocol):
    """A network whose embeddings can be shifted: `outputs(inputs, shift=...)`."""

    def undisturbed(self, inputs: Any) -> tuple[Tensor, Tensor, float]:
        """Return a shift of zeros that takes a gradient, the text of each of its places, and the unit of its size."""
        ...


Metrics = Mapping[str, Tensor]


class LossAt(Protocol):
    """The loss of a slice, with gradient, and its metrics: as it is, or at a shift of its embeddings."""

    def __call__(self, *, shift: Tensor | None = None) -> tuple[Tensor, Metrics]: ...


def learn_twice(network: Shiftable, inputs: Any, size: float, loss_at: LossAt) -> tuple[dict[str, Tensor], Metrics]:
    """Add the gradients of a slice's loss, as it is and at its worst shift; return both losses, and its metrics as is.

    Where no gradient reaches the embeddings there is nothing to shift, and the loss is learned once.
    """
    shift, text, unit = network.undisturbed(inputs)
    loss, metrics = loss_at(shift=shift)
    torch.autograd.backward(loss)
    losses = {"loss": loss.detach()}
    if shift.grad is not None:
        worst, _ = loss_at(shift=worst_shift(shift.grad, text, size * unit))
        torch.autograd.backward(worst)
        losses["adversarial_loss"] = worst.detach()
    return losses, metrics
