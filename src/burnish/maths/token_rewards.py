"""Rewards of single tokens, held to labels at places of a completion; K heads with a weight each."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.maths.batch import Batch
from burnish.maths.preference_loss import squared_error

Against = Literal["cross_entropy", "squared"]
Whole = Literal["sum", "product", "min", "mean", "last"]


def label_loss(predicted_BTK: Tensor, label_BT: Tensor, against: Against) -> Tensor:
    """Return the loss of each place and head, (B, T, K); 0, with no gradient, where the label is NaN.

    cross_entropy: -y log sigma(r) - (1 - y) log sigma(-r), y a probability, r its logit. squared: (r - y)^2 / 2.
    """
    label_BTK = label_BT[..., None].to(predicted_BTK.dtype).expand_as(predicted_BTK)
    if against == "squared":
        return squared_error(predicted_BTK, label_BTK)
    known_BTK = torch.isfinite(label_BTK)
    logit_BTK = torch.where(known_BTK, predicted_BTK, 0.0)
    y_BTK = torch.where(known_BTK, label_BTK, 0.0)
    loss_BTK = -y_BTK * F.logsigmoid(logit_BTK) - (1 - y_BTK) * F.logsigmoid(-logit_BTK)
    return torch.where(known_BTK, loss_BTK, 0.0)


def last_token(start: int, end: int, places: Sequence[tuple[int, int]]) -> int | None:
    """Return the last token that holds a character from `start` to before `end`; None where there is none.

    places: characters (start, end) of each token. Where a part of a text is complete, and what it is worth is paid:
    Wu et al. 2023, arXiv 2306.01693 (`models.spans.spread` with how="end" does the same).
    """
    behind = bisect.bisect_left(places, end, key=lambda place: place[0])  # tokens from there on begin later
    held = (t for t in reversed(range(behind)) if max(start, places[t][0]) < min(end, places[t][1]))
    return next(held, None)


def added(chances_SK: Tensor, whole: Whole) -> Tensor:
    """Return what each of S steps adds to what the text is worth so far, (S, K); a column's sum is the whole's worth.

    chances_SK: how likely each step is right. Worth: their sum, product, minimum or mean, or the last one; nothing yet
    is worth 0. What a step changes is paid where it ends, so that no step answers for one before it.
    """
    if whole == "sum":
        return chances_SK
    steps = len(chances_SK)
    count_S1 = torch.arange(1, steps + 1, dtype=chances_SK.dtype, device=chances_SK.device)[:, None]
    worth_SK = {
        "product": lambda: chances_SK.clamp(0, 1).cumprod(0),  # held to squares, a reading may leave [0, 1]
        "min": lambda: chances_SK.cummin(0).values,
        "mean": lambda: chances_SK.cumsum(0) / count_S1,
        "last": lambda: chances_SK,
    }[whole]()
    return worth_SK.diff(dim=0, prepend=torch.zeros_like(chances_SK[:1]))


def head_weights(batch: Batch, heads: int) -> Tensor:
    """Return the weight of each row for each head, (B, K), 1 where the batch has none."""
    if batch.weights_BK is None:
        return torch.ones(len(batch), heads, dtype=torch.float64, device=batch.group_B.device)
    return batch.weights_BK


def total_weight(place_BT: Tensor, weights_BK: Tensor) -> float:
    """Return what a window's loss is divided by: the sum of the weights of places, rows and heads."""
    return float((place_BT.double().sum(-1) * weights_BK.double().sum(-1)).sum())


def shares(loss_BTK: Tensor, place_BT: Tensor, weights_BK: Tensor, total: float) -> Tensor:
    """Return each row's share of the window's weighted mean loss, (B,); place_BT: weight of each place."""
    row_BK = (loss_BTK * place_BT[..., None].to(loss_BTK.dtype)).sum(1)
    return (row_BK * weights_BK.to(row_BK.dtype)).sum(-1) / (total or 1.0)


def per_completion(place_BT: Tensor) -> Tensor:
    """Return the places' weights divided by their completion's sum, (B, T): every completion weighs the same."""
    return place_BT / place_BT.sum(-1, keepdim=True).clamp(min=torch.finfo(place_BT.dtype).tiny)
