"""Reward model from rankings: Plackett-Luce over all completions of an example at once.

    loss = - log prod over places [ exp(r of that place) / sum of exp(r) of it and all below ]      mean over rankings
    tied completions: the mean of the loss over all their orders;  not compared: left out, neither won nor lost
    a pair with a probability p: p loss(chosen first) + (1 - p) loss(rejected first), which is `reward`'s
    with label_smoothing e:  (1 - 2e) of it  +  2e of the mean of the loss over all rankings of the same completions

Sources: Luce 1959; Plackett 1975, "The analysis of permutations"; as a neural loss (ListMLE): Xia et al. 2008, ICML.
The convention for ties is that of `maths/choice.py`, with which rankings of several people become one. Smoothing, a
share spread evenly over all labels (rankings, here): Szegedy et al. 2016, arXiv 1512.00567, section 7.

What is unusual: a ranking is never broken into pairs, which would count one answer k(k-1)/2 times; it weighs as one
observation. Ties of up to 8 are exact. last="unordered" is for best-of-n and top-k, where the rest was not ordered.
Smoothed, each two of a ranking are taken to stand the other way round with probability e, so that a pair costs what it
does in `reward` (exact for up to 8 completions); rewards of one ranking then cannot drift apart without end.

Use it when people order three completions or more. It fails when they order the best and guess the rest: the places
below the first then teach noise (last="unordered" after import as best of n). Watch `top_accuracy` beside
`pair_accuracy`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from burnish.errors import InputError
from burnish.maths import ranking
from burnish.maths.batch import Batch, Outputs
from burnish.maths.token_rewards import head_weights
from burnish.methods import Needs, smooths
from burnish.records import Preference

METRICS: Mapping[str, str] = {
    "pair_accuracy": "Share of a ranking's untied pairs in people's order: rises from 0.5.",
    "top_accuracy": "Share of rankings whose best has the highest reward: rises from 1 over their length.",
}


@dataclass(frozen=True)
class Config:
    """Settings of the ranking reward."""

    heads: int = 5
    """K, the members of the ensemble. At least 1."""
    last: Literal["tied", "unordered"] = "tied"
    """What equal last ranks mean: tied (thought equal), unordered (best of n, top k: below the others, no more)."""
    label_smoothing: float = 0.0
    """Share of any two that are thought to stand in the wrong order, in [0, 0.5); 0 takes rankings at their word."""

    def __post_init__(self) -> None:
        smooths(self)
        if self.heads < 1:
            raise InputError(f"heads: {self.heads} is not a whole number from 1 up. Use 5.")


def needs(config: Config) -> Needs:
    """Preferences (pairs are rankings of two) whose rows stay together, and K reward heads."""
    return Needs(eats=(Preference,), heads={"reward": config.heads}, together=True, noise=True, policy=False)


def targets(batch: Batch, config: Config) -> Batch:
    """Return the batch with the window's denominator, scalars["weight"]: over rankings and heads. Pure, no gradient."""
    assert batch.ranks_B is not None
    weights_BK = head_weights(batch, config.heads)
    ranks = batch.ranks_B.tolist()
    total = sum(float(weights_BK[rows[0]].double().sum()) for rows in _rankings(batch) if _says_anything(rows, ranks))
    return replace(batch, scalars={**batch.scalars, "weight": total})


def loss(batch: Batch, outputs: Outputs, config: Config) -> tuple[Tensor, dict[str, Tensor]]:
    """Return each row's share of the window's mean loss, (B,): a ranking's stands on its first row.

    batch.group_B: rows of one ranking share a number. batch.ranks_B: 0 best, equal tied, -1 not compared.
    batch.weights_BK: weights of the heads, the same for all rows of a ranking. batch.scalars["weight"]: see `targets`.
    """
    assert batch.ranks_B is not None
    assert outputs.rewards_BK is not None
    stated = _stated(batch)
    loss_NK = ranking.plackett_luce(
        outputs.rewards_BK,
        [each.rows for each in stated],
        [each.ranks for each in stated],
        rest_unordered=config.last == "unordered",
        smoothing=config.label_smoothing,
    )
    first_N = torch.tensor([each.rows[0] for each in stated], device=loss_NK.device)
    weights_NK = head_weights(batch, config.heads)[first_N].to(loss_NK.dtype)
    chance_N = loss_NK.new_tensor([each.chance for each in stated])
    share_N = (loss_NK * weights_NK).sum(-1) * chance_N / (batch.scalars["weight"] or 1.0)
    share_B = loss_NK.new_zeros(len(batch)).index_add(0, first_N, share_N)
    return share_B, _metrics(outputs.rewards_BK.detach().mean(-1), stated)


def _metrics(reward_B: Tensor, stated: list[Stated]) -> dict[str, Tensor]:
    rewards = reward_B.tolist()
    found = [(math.nan, math.nan)] * len(rewards)
    for each in stated:
        if each.chance >= 0.5:  # a pair's likelier order, and the only one of a longer ranking
            agreed = ranking.agreement([rewards[row] for row in each.rows], each.ranks)
            for row in each.rows:
                found[row] = agreed
    pair_B, top_B = torch.tensor(found).unbind(1)
    return {"pair_accuracy": pair_B, "top_accuracy": top_B}


@dataclass(frozen=True, slots=True)
class Stated:
    """A ranking of some rows, and how likely people really hold it."""

    rows: list[int]
    ranks: list[int]
    chance: float = 1.0


def _stated(batch: Batch) -> list[Stated]:
    """Return the rankings of a batch; a pair with a probability is two, one for each order."""
    assert batch.ranks_B is not None
    ranks = batch.ranks_B.tolist()
    found = []
    for rows in _rankings(batch):
        own = [ranks[row] for row in rows]
        chance = _probability(batch, rows)
        if chance is None:
            found.append(Stated(rows, own))
            continue
        order = [0, 1] if own[0] <= own[1] else [1, 0]
        found += [Stated(rows, order, chance), Stated(rows, order[::-1], 1 - chance)]
    return found


def _probability(batch: Batch, rows: list[int]) -> float | None:
    """Return the probability of a pair's stated order; None for longer rankings, and where nobody gave one."""
    if batch.probability_B is None or len(rows) != 2:
        return None
    value = float(batch.probability_B[rows[0]])
    return value if value == value else None  # NaN: not a pair


def _rankings(batch: Batch) -> list[list[int]]:
    """Return the rows of each ranking, in the order in which the rankings begin."""
    found: dict[int, list[int]] = {}
    for row, group in enumerate(batch.group_B.tolist()):
        found.setdefault(group, []).append(row)
    return list(found.values())


def _says_anything(rows: list[int], ranks: list[int]) -> bool:
    """Two completions that were compared, at least."""
    return sum(ranks[row] >= 0 for row in rows) > 1
