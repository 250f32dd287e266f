"""Losses of rewards, learned by heads or implied by a policy: pairwise, and from scores. Unreduced."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from burnish.maths.imitation import log_complement

Smoothing = Literal["conservative", "robust"]


def soft_bradley_terry(
    chosen_NK: Tensor, rejected_NK: Tensor, probability_N: Tensor, margin_N: Tensor | float = 0.0
) -> Tensor:
    """Return the cross-entropy between the stated probability and sigma(chosen - rejected), in nats.

    (N, K) of K heads, or (N,) of rewards that a policy implies.

    loss = -p log sigma(d - m) - (1 - p) log sigma(-d - m), d = r(chosen) - r(rejected): Bradley-Terry (1952) with a
    soft label (Christiano et al. 2017, arXiv 1706.03741, equation 1). p = 1 is the usual hard label. m is the lead that
    whoever is preferred should have (Llama 2, arXiv 2307.09288, equation 2), 0 for none.
    """
    difference_NK = chosen_NK - rejected_NK
    pairs_N1 = (-1, *[1] * (difference_NK.ndim - 1))
    p_N1 = probability_N.view(pairs_N1).to(difference_NK.dtype)
    lead = margin_N.view(pairs_N1).to(difference_NK.dtype) if isinstance(margin_N, Tensor) else margin_N
    return -p_N1 * F.logsigmoid(difference_NK - lead) - (1 - p_N1) * F.logsigmoid(-difference_NK - lead)


def identity_preference(log_ratio_N: Tensor, probability_N: Tensor, beta: float) -> Tensor:
    """Return the loss of IPO, (N,): p (h - 1/(2 beta))^2 + (1 - p) (h + 1/(2 beta))^2, nats squared.

    h: log-ratio of the chosen to the reference less that of the rejected, nats. Its best value is (2p - 1)/(2 beta):
    finite however sure people are. Source: Azar et al., arXiv 2310.12036, equation 17 (beta is tau there).
    """
    p_N = probability_N.to(log_ratio_N.dtype)
    lead = 1 / (2 * beta)
    return p_N * (log_ratio_N - lead).square() + (1 - p_N) * (log_ratio_N + lead).square()


def log_odds(logprob: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of log-probabilities, nats; any shape. Finite also where p rounds to 1."""
    return logprob - log_complement(logprob)


def prospect(reward_B: Tensor, point: float, good_B: Tensor, gain: float, loss: float) -> Tensor:
    """Return the loss of KTO for each completion, (B,): how little people would value it, seen from a reference point.

    good: gain (1 - sigma(r - z)). Bad: loss (1 - sigma(z - r)). good_B: the probability that it is good, which mixes
    the two. r: implied reward; z: the point, beta times a KL. Source: arXiv 2402.01306, equations 7 and 8.
    """
    good_B = good_B.to(reward_B.dtype)
    lead_B = reward_B - point
    return good_B * gain * torch.sigmoid(-lead_B) + (1 - good_B) * loss * torch.sigmoid(lead_B)


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
