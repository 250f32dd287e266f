"""Losses that make the tokens of a completion likelier, unreduced, and the ways to average them over a window."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from burnish.maths.batch import Batch
from burnish.maths.policy_loss import masked

ImitationNormaliser = Literal["token", "completion"]


def log_complement(logprob: Tensor) -> Tensor:
    """Return log(1 - exp(logprob)) without loss of digits: the log-probability of anything else. Any shape.

    A probability that rounds to 1 is taken for 1 - eps: the result stays finite, and its gradient is 0 there.
    """
    nearest_one = torch.log1p(torch.tensor(-torch.finfo(logprob.dtype).eps, dtype=logprob.dtype))
    x = logprob.clamp(max=float(nearest_one))
    # two forms, each exact on its side of 1/2 (Maechler 2012, "Accurately computing log(1 - exp(-|a|))")
    likely = x > -0.6931471805599453
    return torch.where(
        likely,
        torch.log(-torch.expm1(torch.where(likely, x, -0.5))),
        torch.log1p(-torch.exp(torch.where(likely, -1.0, x))),
    )


def token_nll(logprobs_BT: Tensor, mask_BT: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return each token's loss in nats, (B, T), 0 where the mask is not set: -log p, or smoothed

        -(1 - e) log p - e log(1 - p)

    whose minimum is at p = 1 - e. The gradient is that of the cross-entropy with a target that gives the token 1 - e
    and spreads e over the other tokens in the proportions the model itself has them in; uniform smoothing (Szegedy et
    al. 2016) spreads it evenly and would need the whole distribution.
    """
    logprobs_BT = masked(logprobs_BT, mask_BT)
    if smoothing == 0:
        return -logprobs_BT
    other_BT = masked(log_complement(torch.where(mask_BT, logprobs_BT, -1.0)), mask_BT)
    return -(1 - smoothing) * logprobs_BT - smoothing * other_BT


def row_weights(batch: Batch) -> Tensor:
    """Return the weight of each row, (B,), float64: the first column of weights_BK, 1 without it."""
    if batch.weights_BK is None:
        return torch.ones(len(batch), dtype=torch.float64, device=batch.group_B.device)
    return batch.weights_BK[:, 0].double()


def total_weight(batch: Batch, normaliser: ImitationNormaliser, tokens_BT: Tensor | None = None) -> float:
    """Return what a window's loss is divided by: the weighted count of its tokens, or of its completions.

    tokens_BT: weight of each token; without it all weigh 1.
    """
    lengths_B = _lengths(batch, tokens_BT)
    per_row_B = lengths_B if normaliser == "token" else (lengths_B > 0).double()
    return float((row_weights(batch) * per_row_B).sum())


def shares(loss_BT: Tensor, batch: Batch, normaliser: ImitationNormaliser, tokens_BT: Tensor | None = None) -> Tensor:
    """Return each completion's share of the window's loss, (B,), given scalars["weight"] = `total_weight` of it."""
    lengths_B = _lengths(batch, tokens_BT)
    if tokens_BT is not None:
        loss_BT = loss_BT * tokens_BT.to(loss_BT.dtype)
    # a completion of no tokens has no loss either, so that it may be divided by anything
    scale_B = row_weights(batch) if normaliser == "token" else row_weights(batch) / lengths_B.where(lengths_B > 0, 1.0)
    return loss_BT.sum(-1) * (scale_B / (batch.scalars["weight"] or 1.0)).to(loss_BT.dtype)


def _lengths(batch: Batch, tokens_BT: Tensor | None) -> Tensor:
    """How many tokens each completion has, (B,), float64, each counted as much as it weighs."""
    if tokens_BT is None:
        return batch.completion_mask_BT.sum(-1).double()
    return (batch.completion_mask_BT * tokens_BT.double()).sum(-1)


def token_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the mean of each row where the mask is set, (B,); 0 for an empty one."""
    return masked(values_BT, mask_BT).sum(-1) / mask_BT.sum(-1).clamp(min=1)


def mean_nll(logprobs_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of each completion's tokens, (B,), no gradient; NaN for an empty one."""
    return torch.where(mask_BT.any(-1), -token_mean(logprobs_BT.detach(), mask_BT), torch.nan)
