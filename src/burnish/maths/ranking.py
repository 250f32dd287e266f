"""Plackett-Luce: how likely a reward makes a ranking, with ties and with what was not compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import torch
from torch import Tensor

MOST_SETS = 70
"""Subsets of a tied group enumerated at one place: exact for ties of up to 8."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a ranking: from these places one was taken next, and this share of the tied orders has it so."""

    members: tuple[int, ...]
    log_weights: tuple[float, ...]
    """0 for a member that is there for sure."""
    share: float


def plackett_luce(
    rewards_BK: Tensor,
    rows: Sequence[Sequence[int]],
    ranks: Sequence[Sequence[int]],
    *,
    rest_unordered: bool = False,
    smoothing: float = 0.0,
) -> Tensor:
    """Return the negative log-likelihood of N rankings under K rewards each, (N, K), nats.

    P(order) = product over places of exp(r of that place) / sum of exp(r) of it and all below. rows[n]: the rows of
    rewards_BK that ranking n is of; ranks[n]: their ranks, 0 best, equal = tied, -1 = not compared, which leaves a row
    out altogether (it did not lose). A tied group counts as the mean of the log-likelihoods of all its orders: a tie of
    two is half a win each way; in groups above 8 the mean over the sets still to be placed is put inside the
    logarithm. rest_unordered: the last rank was left unordered (best of n, top k), which is no tie: it only stands
    below the others. Nothing to choose between costs 0.
    smoothing: e in [0, 1/2] makes it (1 - 2e) of that and 2e of the mean over all rankings there could be
    (`any_order`): then each two stand in the stated order with probability 1 - e, and a ranking of two costs what it
    does in conservative DPO. Spreading a share evenly: Szegedy et al. 2016, arXiv 1512.00567, section 7.
    The conventions are those of `choice.plackett_luce`, which fits free scores in place of a network's.
    Source: Luce 1959; Plackett 1975.
    """
    stated_NK = _cost(rewards_BK, rows, [choices(each, rest_unordered=rest_unordered) for each in ranks])
    if smoothing == 0:
        return stated_NK
    even_NK = _cost(rewards_BK, rows, [any_order(each, rest_unordered=rest_unordered) for each in ranks])
    return (1 - 2 * smoothing) * stated_NK + 2 * smoothing * even_NK


Taken = Sequence[tuple[int, float]]
"""The places that were taken, each with the share of the orders in which it was."""


def _cost(rewards_BK: Tensor, rows: Sequence[Sequence[int]], found: Sequence[tuple[list[Choice], Taken]]) -> Tensor:
    """Return what these choices cost together, (N, K): what was chosen from, less what was taken."""
    flat = [(n, choice) for n, (made, _) in enumerate(found) for choice in made]
    placed = [(n, rows[n][i], share) for n, (_, taken) in enumerate(found) for i, share in taken]
    total_NK = rewards_BK.new_zeros(len(rows), rewards_BK.shape[1]) + rewards_BK[:0].sum(0)  # with a gradient, though 0
    if not flat:
        return total_NK
    width = max(len(choice.members) for _, choice in flat)
    member_SM = torch.tensor([_padded([rows[n][i] for i in c.members], width, rows[n][0]) for n, c in flat])
    weight_SM = rewards_BK.new_tensor([_padded(c.log_weights, width, -math.inf) for _, c in flat])
    share_S = rewards_BK.new_tensor([choice.share for _, choice in flat])
    chosen_from_SK = torch.logsumexp(rewards_BK[member_SM] + weight_SM[..., None], 1) * share_S[:, None]
    device = rewards_BK.device
    total_NK = total_NK.index_add(0, torch.tensor([n for n, _ in flat], device=device), chosen_from_SK)
    taken_PK = (
        rewards_BK[[row for _, row, _ in placed]] * rewards_BK.new_tensor([share for *_, share in placed])[:, None]
    )
    return total_NK.index_add(0, torch.tensor([n for n, *_ in placed], device=device), -taken_PK)


def _padded(values: Sequence[float], width: int, empty: float) -> list[float]:
    return [*values, *[empty] * (width - len(values))]


def choices(ranks: Sequence[int], *, rest_unordered: bool = False) -> tuple[list[Choice], Taken]:
    """Return every choice that a ranking stands for, and the places that were taken in them."""
    groups = [[i for i, rank in enumerate(ranks) if rank == place] for place in sorted({r for r in ranks if r >= 0})]
    made: list[Choice] = []
    taken: list[int] = []
    for place, group in enumerate(groups):
        below = [i for later in groups[place + 1 :] for i in later]
        if not below and (rest_unordered or len(group) == 1):
            break
        made += _of_tie(group, below)
        taken += group
    return made, [(i, 1.0) for i in taken]


def any_order(ranks: Sequence[int], *, rest_unordered: bool = False) -> tuple[list[Choice], Taken]:
    """Return the choices, and the places taken, of all rankings of what was compared, each as likely as the others.

    rest_unordered: as many as now are left unordered, whichever they are. Its mean cost is least where all are equal.
    """
    compared = [i for i, rank in enumerate(ranks) if rank >= 0]
    last = max((ranks[i] for i in compared), default=0)
    left = sum(ranks[i] == last for i in compared) if rest_unordered else 0
    share = (len(compared) - left) / max(len(compared), 1)
    return _of_tie(compared, [], left), [(i, share) for i in compared if share]


def _of_tie(group: list[int], below: list[int], left: int = 0) -> list[Choice]:
    """Return the choices while a tied group is placed above `below`, each with its share of the group's orders.

    With n of the group still to be placed, every subset of n is equally likely over its orders. left: how many of the
    group are not placed at all.
    """
    made = []
    for n in range(len(group), left, -1):
        sets = comb(len(group), n)
        if sets > MOST_SETS:
            weights = (math.log(n / len(group)),) * len(group) + (0.0,) * len(below)
            made.append(Choice((*group, *below), weights, 1.0))
            continue
        size = n + len(below)
        made += [Choice((*some, *below), (0.0,) * size, 1 / sets) for some in combinations(group, n)]
    return made


def agreement(rewards: Sequence[float], ranks: Sequence[int]) -> tuple[float, float]:
    """Return (share of untied pairs in the ranking's order, 1.0 if a best-ranked one has the highest reward else 0.0).

    NaN where nothing is told apart. Equal rewards are in no order.
    """
    known = [(rank, rewards[i]) for i, rank in enumerate(ranks) if rank >= 0]
    pairs = [(a, b) if a[0] < b[0] else (b, a) for a, b in combinations(known, 2) if a[0] != b[0]]
    if not pairs:
        return float("nan"), float("nan")
    in_order = sum(better[1] > worse[1] for better, worse in pairs) / len(pairs)
    best = min(rank for rank, _ in known)
    return in_order, float(max(known, key=lambda each: each[1])[0] == best)
