"""Plackett-Luce: how likely a reward makes a ranking, with ties and with what was not compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import torch
from torch import Tensor

MOST_SETS = 70
"""Subsets of a tied group enumerated at one place: exact for ties of up to 8."""


def plackett_luce(rewards_MK: Tensor, ranks: Sequence[int], *, rest_unordered: bool = False) -> Tensor:
    """Return the negative log-likelihood of one ranking of M completions under K rewards each, (K,), nats.

    P(order) = product over places of exp(r of that place) / sum of exp(r) of it and all below. ranks: 0 best, equal =
    tied, -1 = not compared, which leaves a completion out altogether (it did not lose). A tied group counts as the mean
    of the log-likelihoods of all its orders, so that a tie of two is half a win each way; in groups above 8 the mean
    over the sets still to be placed is put inside the logarithm. rest_unordered: the last rank was left unordered (best
    of n, top k), which is no tie: it only stands below the others. Nothing to choose between costs 0.
    The conventions are those of `choice.plackett_luce`, which fits free scores in place of a network's.
    Source: Luce 1959; Plackett 1975.
    """
    places = sorted({rank for rank in ranks if rank >= 0})
    groups = [[i for i, rank in enumerate(ranks) if rank == place] for place in places]
    total_K = rewards_MK[:0].sum(0)  # 0, and with a gradient even where nothing is compared
    for place, group in enumerate(groups):
        below = [i for later in groups[place + 1 :] for i in later]
        if rest_unordered and not below:
            break
        total_K = total_K + _chosen_from(rewards_MK, group, below) - rewards_MK[group].sum(0)
    return total_K


def _chosen_from(rewards_MK: Tensor, group: list[int], below: list[int]) -> Tensor:
    """Return the log of what is chosen from, (K,), summed over the places of a tied group and averaged over its orders.

    With n of the group still to be placed, every subset of n is equally likely over the group's orders.
    """
    total_K = rewards_MK.new_zeros(rewards_MK.shape[1])
    for n in range(len(group), 0, -1):
        sets = comb(len(group), n)
        if sets > MOST_SETS:
            rest_K = torch.logsumexp(rewards_MK[group], 0) + torch.log(rewards_MK.new_tensor(n / len(group)))
            total_K = total_K + torch.logsumexp(torch.cat([rest_K[None], rewards_MK[below]]), 0)
            continue
        for subset in combinations(group, n):
            total_K = total_K + torch.logsumexp(rewards_MK[[*subset, *below]], 0) / sets
    return total_K


def agreement(rewards_M: Tensor, ranks: Sequence[int]) -> tuple[float, float]:
    """Return (share of untied pairs in the ranking's order, 1.0 if a best-ranked one has the highest reward else 0.0).

    NaN where nothing is told apart. Equal rewards are in no order.
    """
    known = [(rank, float(rewards_M[i])) for i, rank in enumerate(ranks) if rank >= 0]
    pairs = [(a, b) if a[0] < b[0] else (b, a) for a, b in combinations(known, 2) if a[0] != b[0]]
    if not pairs:
        return float("nan"), float("nan")
    in_order = sum(better[1] > worse[1] for better, worse in pairs) / len(pairs)
    best = min(rank for rank, _ in known)
    return in_order, float(max(known, key=lambda each: each[1])[0] == best)
