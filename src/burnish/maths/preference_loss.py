"""Losses of rewards, learned by heads or implied by a policy: pairwise, and from scores. Unreduced."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Smoothing = Literal["conservative", "robust"]


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


def implicit_reward(logprob_B: Tensor, reference_logprob_B: Tensor, beta: float) -> Tensor:
    """Return the reward whose best policy this one is, up to a term of the prompt alone: beta * log(pi / ref), (B,).

    Log-probs are of whole completions, in nats. Source: DPO, arXiv 2305.18290, equation 5.
    """
    return beta * (logprob_B - reference_logprob_B)


def smoothed(probability_N: Tensor, flipped: float, how: Smoothing) -> Tensor:
    """Return the target q that stands for P(preferred) = p when a share `flipped` of the labels may be wrong, (N,).

    "conservative": p (1 - e) + (1 - p) e, what would be observed (Mitchell 2023). "robust": (p - e) / (1 - 2e), its
    inverse, in [-e, 1 - e] / (1 - 2e): the cross-entropy with it is that with the true label in expectation (arXiv
    2403.00409). flipped in [0, 0.5); 0 returns p.
    """
    if how == "conservative":
        return probability_N * (1 - flipped) + (1 - probability_N) * flipped
    return (probability_N - flipped) / (1 - 2 * flipped)
