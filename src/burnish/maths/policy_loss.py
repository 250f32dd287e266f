"""Policy-gradient losses, unreduced, and the three ways to reduce them.

Every reduction divides by a count of the *whole window*, given by the caller, so that slices add up to the same number
(trap T26).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Normaliser = Literal["token", "completion", "constant"]
Whole = Literal["sum", "mean"]


def clipped_policy_loss(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """Return the clipped surrogate of each token, (B, T), and where the clip was active, (B, T) bool.

    loss = -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) with r = pi/pi_old. When old equals current (strictly
    on-policy) r is 1 and the gradient is -A grad log pi.
    advantages: one for each completion, (B,), or for each token, (B, T).
    Source: PPO, arXiv 1707.06347, equation 7; separate bounds ("clip higher") from DAPO, arXiv 2503.14476, section 3.1.
    """
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT)
    advantage_BT = advantages if advantages.ndim == 2 else advantages[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    plain, limited = ratio_BT * advantage_BT, clipped_BT * advantage_BT
    return -torch.minimum(plain, limited), limited < plain


def whole_ratio(logprobs_BT: Tensor, old_logprobs_BT: Tensor, mask_BT: Tensor, how: Whole) -> Tensor:
    """Return one log-ratio for each completion, the same at all its tokens, (B, T): what is clipped together.

    "sum": log of the whole completion's pi / pi_old, the true importance weight (RLOO, arXiv 2402.14740).
    "mean": that over its length, the geometric mean of its tokens' ratios (GSPO, arXiv 2507.18071, equation 7): of the
    same size for long and short completions, and close to 1, so that its clip is about a hundred times narrower.
    """
    log_ratio_B = masked_sum(logprobs_BT - old_logprobs_BT, mask_BT)
    if how == "mean":
        log_ratio_B = log_ratio_B / mask_BT.sum(-1).clamp(min=1)
    return log_ratio_B[:, None].expand(mask_BT.shape)


def clipped_value_loss(values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, clip: float) -> Tensor:
    """Return half the squared error of predicted values, clipped, (B, T), reward units squared.

    loss = 1/2 max( (V - R)^2, (V_old + clip(V - V_old, -clip, clip) - R)^2 ): the larger of the two, so that a value
    that moved further than `clip` away from the return is still pulled back, and one that moved towards it is held.
    (With the smaller of the two a value that ran away would have no gradient: trap T31.) clip = 0 leaves it out.
    Source: Schulman et al., the released code of PPO; OpenAI baselines `ppo2/model.py`.
    """
    plain_BT = (values_BT - returns_BT).square()
    if clip == 0:
        return 0.5 * plain_BT
    held_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip, clip)
    return 0.5 * torch.maximum(plain_BT, (held_BT - returns_BT).square())


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
