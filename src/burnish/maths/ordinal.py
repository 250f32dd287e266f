"""Ratings as ordered categories: the cumulative-logit model with thresholds that are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def cumulative_logit(predicted_BK: Tensor, target_BK: Tensor, levels: Sequence[float], spread: float) -> Tensor:
    """Return -log P(rating) of each predicted reward, (B, K), nats; 0, with no gradient, where the target is NaN.

    P(rating <= level j) = sigma((theta_j - r) / spread), theta_j half way between levels j and j + 1. A target between
    two levels counts as a mixture of the two that has it as its mean; one beyond the ends counts as the end.
    levels: rising, at least 2. spread: rating units. Source: McCullagh 1980, the proportional odds model.
    """
    values_J = predicted_BK.new_tensor(levels)
    theta = (values_J[1:] + values_J[:-1]) / 2
    known_BK = torch.isfinite(target_BK)
    reward_BK1 = torch.where(known_BK, predicted_BK, torch.zeros_like(predicted_BK))[..., None]
    # sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - exp(a - b)), whose last factor is the same for every reward
    up_BKJ = F.logsigmoid((theta - reward_BK1) / spread)
    down_BKJ = F.logsigmoid((reward_BK1 - theta) / spread)
    nothing_BK1 = torch.zeros_like(reward_BK1)
    width = torch.log(-torch.expm1((theta[:-1] - theta[1:]) / spread))
    between = F.pad(width, (1, 1))  # the first and the last level have a threshold on one side only
    log_chance_BKJ = torch.cat([up_BKJ, nothing_BK1], -1) + torch.cat([nothing_BK1, down_BKJ], -1) + between
    mixture_BKJ = _mixture(target_BK.nan_to_num(nan=levels[0]).to(predicted_BK.dtype), values_J)
    return torch.where(known_BK, -(mixture_BKJ * log_chance_BKJ).sum(-1), nothing_BK1[..., 0])


def _mixture(target_BK: Tensor, values_J: Tensor) -> Tensor:
    """Return the share of each level, (B, K, J): all on one, or on the two neighbours of a target between them."""
    target_BK = target_BK.clamp(float(values_J[0]), float(values_J[-1]))
    above_BK = torch.searchsorted(values_J, target_BK.contiguous()).clamp(min=1)
    low_BK, high_BK = values_J[above_BK - 1], values_J[above_BK]
    share_BK1 = ((target_BK - low_BK) / (high_BK - low_BK))[..., None]
    one_hot = torch.eye(len(values_J), dtype=values_J.dtype, device=values_J.device)
    return (1 - share_BK1) * one_hot[above_BK - 1] + share_BK1 * one_hot[above_BK]
