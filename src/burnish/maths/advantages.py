"""Advantages: how much better a completion did than what was to be expected of its prompt."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from burnish.maths.returns import discounted

Scale = Literal["none", "std", "batch_std"]


def group_relative(rewards_B: Tensor, group_B: Tensor, *, scale: Scale = "none", eps: float = 1e-4) -> Tensor:
    """Advantage of each completion over its group's mean.

    A_i = r_i - mean(r in group); with scale="std" divided by (std of the group + eps), with "batch_std" by the standard
    deviation of all centred rewards + eps (both with Bessel's correction).
    rewards_B: float, shape (B,), NaN = unscored: excluded from every statistic, advantage 0. group_B: int, shape (B,).
    Returns shape (B,), reward units (dimensionless when scaled). A group whose rewards are all equal gets exactly 0.
    Raises ValueError if a group has one completion: its advantage would always be 0.
    Source: DeepSeekMath, arXiv 2402.03300, section 4.1.2; "none" is Dr. GRPO, arXiv 2503.20783.
    """
    numbers, member_B, size_G = torch.unique(group_B, return_inverse=True, return_counts=True)
    if bool((size_G < 2).any()):
        lonely = numbers[size_G < 2].tolist()
        raise ValueError(f"group_relative: groups {lonely} have one completion; draw at least 2 for each prompt.")
    scored_B = torch.isfinite(rewards_B)
    # where, not multiplication: NaN * 0 is NaN
    known_B = torch.where(scored_B, rewards_B, torch.zeros_like(rewards_B))
    count_G = rewards_B.new_zeros(len(numbers)).index_add_(0, member_B, scored_B.to(rewards_B.dtype))
    mean_G = torch.zeros_like(count_G).index_add_(0, member_B, known_B) / count_G.clamp(min=1)
    # one scored completion among unscored ones has nothing to be compared with
    usable_B = scored_B & (count_G[member_B] > 1)
    centred_B = torch.where(usable_B, rewards_B - mean_G[member_B], torch.zeros_like(rewards_B))
    flat_B = (_spread(known_B, scored_B, member_B, len(numbers)) == 0)[member_B]
    centred_B = torch.where(flat_B, torch.zeros_like(centred_B), centred_B)  # rounding of the mean is not a signal
    if scale == "none":
        return centred_B
    square_G = torch.zeros_like(count_G).index_add_(0, member_B, centred_B.square())
    if scale == "std":
        return centred_B / ((square_G / (count_G - 1).clamp(min=1)).sqrt()[member_B] + eps)
    degrees = (usable_B.sum() - 1).clamp(min=1)
    return centred_B / ((centred_B.square().sum() / degrees).sqrt() + eps)


def _spread(known_B: Tensor, scored_B: Tensor, member_B: Tensor, groups: int) -> Tensor:
    """Return max - min of the scored rewards of each group, shape (G,); 0 for a group with none."""
    high = known_B.new_full((groups,), -torch.inf)
    low = known_B.new_full((groups,), torch.inf)
    high = high.scatter_reduce(0, member_B, known_B.masked_fill(~scored_B, -torch.inf), "amax")
    low = low.scatter_reduce(0, member_B, known_B.masked_fill(~scored_B, torch.inf), "amin")
    return torch.where(torch.isfinite(high) & torch.isfinite(low), high - low, torch.zeros_like(high))


def without_advantage(advantages_B: Tensor, group_B: Tensor) -> Tensor:
    """Return, bool (B,), whether no completion of the row's group has an advantage: the policy gradient passes over it.

    Whether the KL of such a group still pulls is then a choice (trap T15). Source: DAPO, arXiv 2503.14476, section 3.2,
    which draws others in their place ("dynamic sampling").
    """
    numbers, member_B = torch.unique(group_B, return_inverse=True)
    most_G = advantages_B.new_zeros(len(numbers)).scatter_reduce(0, member_B, advantages_B.abs(), "amax")
    return (most_G == 0)[member_B]


def leave_one_out(rewards_B: Tensor, group_B: Tensor) -> Tensor:
    """Advantage of each completion over the mean of the *others* of its group: n/(n-1) times `group_relative`.

    rewards_B: float, shape (B,), NaN = unscored (excluded, advantage 0). Returns shape (B,), reward units.
    Source: RLOO, Ahmadian et al. 2024, arXiv 2402.14740, equation 8.
    """
    _, member_B = torch.unique(group_B, return_inverse=True)
    scored_B = torch.isfinite(rewards_B).to(rewards_B.dtype)
    count_G = rewards_B.new_zeros(int(member_B.max()) + 1).index_add_(0, member_B, scored_B)
    count_B = count_G[member_B]
    return group_relative(rewards_B, group_B) * count_B / (count_B - 1).clamp(min=1)


def later_steps(
    token_rewards_BT: Tensor, mask_BT: Tensor, group_B: Tensor, *, scale: Scale = "none", eps: float = 1e-4
) -> Tensor:
    """Advantage of each token from the rewards of single tokens, (B, T): the sum over those from it on, each centred.

    Every reward that is known (not NaN) is one step; it counts less the mean of all steps of its group (with
    scale="std" divided by their standard deviation, with "batch_std" by that of all centred steps). A step alone in its
    group counts 0. Source: DeepSeekMath, arXiv 2402.03300, section 4.1.3 (process supervision).
    """
    known_BT = mask_BT & torch.isfinite(token_rewards_BT)
    centred_BT = torch.zeros_like(token_rewards_BT)
    for number in torch.unique(group_B):
        of_group_BT = known_BT & (group_B == number)[:, None]
        steps_N = token_rewards_BT[of_group_BT]
        steps_N = steps_N - steps_N.mean() if len(steps_N) > 1 else torch.zeros_like(steps_N)
        centred_BT[of_group_BT] = steps_N / (steps_N.std() + eps) if scale == "std" and len(steps_N) > 1 else steps_N
    if scale == "batch_std" and int(known_BT.sum()) > 1:
        centred_BT = centred_BT / (centred_BT[known_BT].std() + eps)
    return discounted(centred_BT, mask_BT, 1.0)
