"""A reward learned from demonstrations against the policy's own completions: the two sides and how they are weighed."""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.maths.batch import Batch


def sides(batch: Batch, method: str) -> tuple[Tensor, Tensor]:
    """Return (demonstrated_B, drawn_B), bool. Raises ValueError when a batch does not say which rows are fresh."""
    if batch.fresh_B is None:
        raise ValueError(f"{method}: the batch does not say which rows the policy drew (fresh_B).")
    return ~batch.fresh_B, batch.fresh_B


def balanced(weights_BK: Tensor, demonstrated_B: Tensor, drawn_B: Tensor) -> Tensor:
    """Return weights, (B, K), float64, that sum over the window to 1/K for each head on each of the two sides.

    However many there are of each, the two sides pull equally; a head whose bootstrap left one side empty has none.
    """
    heads, weights_BK = weights_BK.shape[1], weights_BK.double()
    totals = [weights_BK[side_B].sum(0) for side_B in (demonstrated_B, drawn_B)]
    usable_K = (totals[0] > 0) & (totals[1] > 0)
    both_BK = torch.where(demonstrated_B[:, None], totals[0], totals[1])
    shared_BK = weights_BK / both_BK.clamp(min=torch.finfo(weights_BK.dtype).tiny) / heads
    return torch.where(usable_K, shared_BK, torch.zeros_like(shared_BK))


def log_partition(log_weight_BK: Tensor, group_B: Tensor, drawn_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return log (1/M sum of exp(log_weight) over the M drawn rows of a group), on each of them, (B, K), and the
    group's effective number of samples, (sum w)^2 / sum w^2, (B,), by the heads' mean; 0 and NaN on other rows.

    With log_weight = r(y) - log q(y) it is the importance-sampled log Z of P(y) = exp(r(y)) / Z; its gradient weighs
    each row by the self-normalised w_i / sum w.
    """
    found_BK = torch.zeros_like(log_weight_BK)
    effective_B = log_weight_BK.new_full((len(group_B),), torch.nan)
    for group in sorted(set(group_B[drawn_B].tolist())):
        own_B = (group_B == group) & drawn_B
        own_MK = log_weight_BK[own_B]
        size = torch.log(own_MK.new_tensor(float(len(own_MK))))
        found_BK = torch.where(own_B[:, None], torch.logsumexp(own_MK, 0) - size, found_BK)
        share_M = torch.softmax(own_MK.detach().mean(-1), 0)
        effective_B = effective_B.masked_fill(own_B, float(1 / share_M.square().sum()))
    return found_BK, effective_B
