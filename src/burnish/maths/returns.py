"""What follows a token, in reward: returns, n-step returns and generalised advantages over the trained tokens of a row.

Tokens that are not trained on (padding, and what a tool or a user said in between) are stepped over: the token after
them follows the token before them, with one decay, whatever stands in their places (trap T11). The last trained token
ends the row: nothing is expected after it, also where the length limit cut it off.
"""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.maths.policy_loss import masked


def following(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Return the value at the next trained token of each, (B, T); 0 after the last, 0 where the mask is not set."""
    found_BT = torch.zeros_like(values_BT)
    next_B = values_BT.new_zeros(len(values_BT))
    for place in reversed(range(values_BT.shape[1])):
        here_B = mask_BT[:, place]
        found_BT[:, place] = masked(next_B, here_B)
        next_B = torch.where(here_B, values_BT[:, place], next_B)
    return found_BT


def generalised_advantages(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, *, discount: float, trace: float
) -> Tensor:
    """Return the generalised advantage estimate of each token, (B, T), reward units; 0 where the mask is not set.

    A_t = sum_k (discount * trace)^k delta_{t+k},   delta_t = r_t + discount * V_{t+1} - V_t,   V = 0 after the end.
    trace = 1 is the return less the value (Monte Carlo), trace = 0 one step (temporal difference). A_t + V_t is the
    lambda-return, what the value head should predict.
    Source: Schulman et al. 2016, arXiv 1506.02438, equation 16.
    """
    values_BT = masked(values_BT, mask_BT)
    delta_BT = masked(rewards_BT, mask_BT) + discount * following(values_BT, mask_BT) - values_BT
    return _decayed(delta_BT, mask_BT, discount * trace)


def discounted(rewards_BT: Tensor, mask_BT: Tensor, discount: float) -> Tensor:
    """Return the rewards from each token on, G_t = sum_k discount^k r_{t+k}, (B, T); 0 where the mask is not set."""
    return _decayed(masked(rewards_BT, mask_BT), mask_BT, discount)


def n_step(rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, *, discount: float, steps: int) -> Tensor:
    """Return r_t + ... + discount^(n-1) r_{t+n-1} + discount^n V_{t+n} with n = steps, (B, T); V = 0 after the end.

    steps = 1 is the temporal-difference target, steps >= T the discounted return.
    Source: Mnih et al. 2016 (A3C), arXiv 1602.01783, section 4.
    """
    rewards_BT = masked(rewards_BT, mask_BT)
    found_BT = masked(values_BT, mask_BT)
    for _ in range(steps):  # the n-step return is one reward and the (n-1)-step return of what follows
        found_BT = masked(rewards_BT + discount * following(found_BT, mask_BT), mask_BT)
    return found_BT


def _decayed(values_BT: Tensor, mask_BT: Tensor, decay: float) -> Tensor:
    """Return x_t = v_t + decay * x_(next trained token), 0 where the mask is not set."""
    found_BT = torch.zeros_like(values_BT)
    carried_B = values_BT.new_zeros(len(values_BT))
    for place in reversed(range(values_BT.shape[1])):
        here_B = mask_BT[:, place]
        carried_B = torch.where(here_B, values_BT[:, place] + decay * carried_B, carried_B)
        found_BT[:, place] = masked(carried_B, here_B)
    return found_BT


def at_last(values_B: Tensor, mask_BT: Tensor) -> Tensor:
    """Return (B, T) with each row's value on its last trained token, 0 elsewhere: where a final reward is paid.

    On the end token, or on the last one drawn where the limit cut the row off; never on padding, never on the tokens of
    a tool that follow (trap T10). A row without trained tokens gets nothing.
    """
    later_BT = mask_BT.flip(-1).cumsum(-1).flip(-1)  # trained tokens from here on
    last_BT = mask_BT & (later_BT == 1)
    return torch.where(last_BT, values_B[:, None], torch.zeros_like(values_B)[:, None])


def whitened(values_BT: Tensor, mask_BT: Tensor, *, eps: float = 1e-8) -> Tensor:
    """Return (v - mean) / (std + eps) over the entries where the mask is set, 0 elsewhere.

    Mean and standard deviation (with Bessel's correction) are of those entries alone: padding and other rows' lengths
    change nothing (trap T12). A single entry has no spread and becomes 0.
    """
    count = mask_BT.sum()
    mean = masked(values_BT, mask_BT).sum() / count.clamp(min=1)
    centred_BT = masked(values_BT - mean, mask_BT)
    std = (centred_BT.square().sum() / (count - 1).clamp(min=1)).sqrt()
    return centred_BT / (std + eps)


def explained_variance(predicted_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor) -> float:
    """Return 1 - var(returns - predicted) / var(returns) over the entries where the mask is set; NaN without spread.

    1 is a perfect prediction, 0 as good as a constant, below 0 worse than that.
    """
    returns_N = returns_BT[mask_BT]
    if len(returns_N) < 2 or float(returns_N.var()) == 0:
        return torch.nan
    return 1.0 - float((returns_N - predicted_BT[mask_BT]).var() / returns_N.var())
