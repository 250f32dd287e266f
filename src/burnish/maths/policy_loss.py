"""Policy-gradient losses, unreduced, and the three ways to reduce them.

Every reduction divides by a count of the *whole window*, given by the caller, so that slices add up to the same number
(trap T26).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Normaliser = Literal["token", "completion", "constant"]


def clipped_policy_loss(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages_B: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """Return the clipped surrogate of each token, (B, T), and where the clip was active, (B, T) bool.

    loss = -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) with r = pi/pi_old. When old equals current (strictly
    on-policy) r is 1 and the gradient is -A grad log pi.
    Source: PPO, arXiv 1707.06347, equation 7; separate bounds ("clip higher") from DAPO, arXiv 2503.14476, section 3.1.
    """
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT)
    advantage_BT = advantages_B[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    plain, limited = ratio_BT * advantage_BT, clipped_BT * advantage_BT
    return -torch.minimum(plain, limited), limited < plain


def truncated_importance(old_logprobs_BT: Tensor, behaviour_logprobs_BT: Tensor, cap: float) -> Tensor:
    """Return min(pi_old / pi_behaviour, cap) of each token, (B, T), no gradient.

    Corrects for a sampler whose numbers are not quite the trainer's; the cap bounds the variance, at the price of a
    bias towards the sampler's distribution. Source: truncated importance sampling, Ionides 2008, Journal of
    Computational and Graphical Statistics 17(2).
    """
    return torch.exp(old_logprobs_BT.detach() - behaviour_logprobs_BT).clamp(max=cap)


def masked(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the values with 0 where the mask is not set.

    For use before any arithmetic: chosen, not multiplied, since NaN * 0 is NaN in values and gradients alike (trap T9).
    """
    return torch.where(mask_BT, values_BT, torch.zeros_like(values_BT))


def masked_sum(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the sum of each row where the mask is set, (B,)."""
    return masked(values_BT, mask_BT).sum(-1)


def per_completion(
    values_BT: Tensor,
    mask_BT: Tensor,
    *,
    normaliser: Normaliser,
    window_tokens: int,
    window_completions: int,
    constant: int,
) -> Tensor:
    """Return each completion's share of the window's loss, (B,): the sum over all slices of a window is the loss.

    "token": sum / all tokens of the window (DAPO: every token weighs the same).
    "completion": mean over its own tokens / completions (GRPO as published: short completions weigh more per token).
    "constant": sum / (completions * constant), constant = the length limit (Dr. GRPO: no length bias, never the padded
    width).
    """
    sums_B = masked_sum(values_BT, mask_BT)
    if normaliser == "token":
        return sums_B / max(window_tokens, 1)
    if normaliser == "completion":
        return sums_B / mask_BT.sum(-1).clamp(min=1) / max(window_completions, 1)
    return sums_B / (max(window_completions, 1) * constant)
