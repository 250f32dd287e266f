"""Losses of reward heads: pairwise with a per-pair probability, and from scores. Unreduced, (rows, K)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_bradley_terry(chosen_NK: Tensor, rejected_NK: Tensor, probability_N: Tensor) -> Tensor:
    """Return the cross-entropy between the stated probability and sigma(chosen - rejected), (N, K), in nats.

    loss = -p log sigma(d) - (1 - p) log sigma(-d), d = r(chosen) - r(rejected): Bradley-Terry (1952) with a soft label
    (Christiano et al. 2017, arXiv 1706.03741, equation 1). p = 1 is the usual hard label.
    """
    difference_NK = chosen_NK - rejected_NK
    p_N1 = probability_N[:, None].to(difference_NK.dtype)
    return -p_N1 * F.logsigmoid(difference_NK) - (1 - p_N1) * F.logsigmoid(-difference_NK)


def squared_error(predicted_BK: Tensor, target_BK: Tensor) -> Tensor:
    """Return half the squared error, (B, K); 0, with no gradient, where the target is NaN."""
    known_BK = torch.isfinite(target_BK)
    error_BK = torch.where(known_BK, predicted_BK - target_BK, torch.zeros_like(predicted_BK))
    return 0.5 * error_BK.square()
