"""Pairs in a batch: rows 2i and 2i + 1 are the chosen and the rejected completion of pair i, and of one group.

A pair's label is a probability p, that people really prefer the chosen one: its loss is the mean of what it would be
either way, p loss(chosen, rejected) + (1 - p) loss(rejected, chosen), which is the published loss where p = 1.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from burnish.maths.batch import Batch


def check(batch: Batch, method: str) -> None:
    """Raise ValueError when two rows of a pair are not of one group: they came apart."""
    if len(batch) % 2 or not torch.equal(batch.group_B[0::2], batch.group_B[1::2]):
        raise ValueError(f"{method}: rows 2i and 2i + 1 are not one pair; slice whole pairs (`needs(...).together`).")


def probability(batch: Batch) -> Tensor:
    """Return P(chosen preferred) of each pair, (N,); 1 where the batch has none."""
    if batch.probability_B is None:
        return torch.ones(len(batch) // 2, dtype=torch.float64, device=batch.group_B.device)
    return batch.probability_B[0::2]


def smoothed(batch: Batch, flipped: float) -> Tensor:
    """Return the same when a share of the labels is taken to be wrong, p (1 - e) + (1 - p) e, (N,); see `dpo`."""
    stated_N = probability(batch)
    return stated_N * (1 - flipped) + (1 - stated_N) * flipped if flipped else stated_N


def weights(batch: Batch) -> Tensor:
    """Return the weight of each pair, (N,), float64: the first column of weights_BK, 1 without it."""
    if batch.weights_BK is None:
        return torch.ones(len(batch) // 2, dtype=torch.float64, device=batch.group_B.device)
    return batch.weights_BK[0::2, 0].double()


def with_weight(batch: Batch) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]: the sum of its pairs' weights."""
    return replace(batch, scalars={**batch.scalars, "weight": float(weights(batch).sum())})


def sides(values_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of the chosen and of the rejected ones, (N,) each."""
    return values_B[0::2], values_B[1::2]


def expected(stated_N: Tensor, reverse_N: Tensor, probability_N: Tensor) -> Tensor:
    """Return the mean loss of each pair over who is really preferred: p stated + (1 - p) reverse, (N,)."""
    p_N = probability_N.to(stated_N.dtype)
    return p_N * stated_N + (1 - p_N) * reverse_N


def shares(loss_N: Tensor, batch: Batch) -> Tensor:
    """Return each row's share of the window's weighted mean loss, (B,): a pair's stands on its chosen row.

    The denominator is scalars["weight"], the whole window's; a window whose weights are all 0 has loss 0.
    """
    return on_first_row(loss_N * (weights(batch) / (batch.scalars["weight"] or 1.0)).to(loss_N.dtype))


def on_first_row(share_N: Tensor) -> Tensor:
    """Return (B,): the pairs' values on their chosen rows, 0 on the rejected ones."""
    return torch.stack([share_N, torch.zeros_like(share_N)], dim=1).reshape(-1)


def metrics(chosen_N: Tensor, rejected_N: Tensor, probability_N: Tensor) -> dict[str, Tensor]:
    """Return pair_accuracy, margin, chosen_reward and rejected_reward, (B,): a pair's on both its rows. No gradient."""
    chosen_N, rejected_N = chosen_N.detach(), rejected_N.detach()
    values = {
        "pair_accuracy": in_order(chosen_N - rejected_N, probability_N),
        "margin": chosen_N - rejected_N,
        "chosen_reward": chosen_N,
        "rejected_reward": rejected_N,
    }
    return {name: value_N.repeat_interleave(2) for name, value_N in values.items()}


def in_order(difference_N: Tensor, probability_N: Tensor) -> Tensor:
    """Return 1 where the difference has people's sign, 0 where not, NaN where they are even: a tie has no order."""
    right_N = ((difference_N > 0) == (probability_N > 0.5)).float()
    return right_N.masked_fill(probability_N == 0.5, torch.nan)
