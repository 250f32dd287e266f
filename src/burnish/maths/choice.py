"""Latent scores from choices: Bradley-Terry for pairs, Plackett-Luce for rankings, Davidson and Rao-Kupper for ties.

Items are a handful of completions of one prompt, or a leaderboard's models; people may contradict each other. Fits are
maximum a posteriori with a ridge (a normal prior), by Newton's method, and say which items they cannot compare: scores
of items that no chain of comparisons links are on different scales ("islands"), and without a ridge an item that never
lost has no finite score at all (Ford 1957). Numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_expit, logsumexp

from burnish.errors import InputError
from burnish.records import Interval

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRIOR_RIDGE = 6 / np.pi**2
"""Ridge at which a difference of two scores has variance pi^2/3, that of the logit of a uniform probability: one vote
then moves a pair to 0.668, as one vote moves Beta(1, 1) to 2/3."""

_MOST_SETS = 70  # subsets of a tied group enumerated at one place: exact for ties of up to 8
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Scores:
    """Fitted latent scores of items 0..I-1 and how sure they are."""

    scores_I: Floats
    """Centred on 0 within each island."""
    covariance_II: Floats
    """Laplace posterior: the inverse of the negative log posterior's Hessian."""
    sandwich_II: Floats
    """Covariance that stays right when the model is not: H^-1 G H^-1, G from the clusters' own gradients."""
    island_I: Ints
    """Items with the same number are linked by comparisons; scores of different islands cannot be compared."""
    votes: int

    def probability(self, first: int, second: int) -> tuple[float, float]:
        """Mean and variance, under the posterior, of the probability that the first is preferred to the second.

        Raises InputError for items on different islands: nobody's answers link them.
        """
        if self.island_I[first] != self.island_I[second]:
            raise InputError(
                f"choice: items {first} and {second} are linked by no comparison, so they have no common scale. "
                "Ask for a comparison between their groups."
            )
        covariance = self.covariance_II
        spread = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
        mean, variance = logistic_normal(self.scores_I[first] - self.scores_I[second], spread)
        return float(mean), float(variance)

    def interval(self, item: int) -> Interval:
        """The item's score with a 95% interval from the sandwich covariance."""
        half = 1.959964 * float(np.sqrt(self.sandwich_II[item, item]))
        score = float(self.scores_I[item])
        return Interval(mean=score, low=score - half, high=score + half, n=self.votes)


def bradley_terry(
    winners: ArrayLike,
    losers: ArrayLike,
    *,
    n_items: int,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    ridge: float = PRIOR_RIDGE,
) -> Scores:
    """Scores from pairs: P(i beats j) = sigmoid(s_i - s_j), with a normal prior of precision `ridge` on every score.

    `winners`, `losers`: item numbers, one row a vote; a tie is two rows of weight 1/2. `weights`: of the rows, 1 by
    default. `clusters`: one label a row; rows of one cluster (a person, a prompt, a tie's two halves) count as one
    observation in the sandwich. Raises InputError for a ridge of 0 where no finite estimate exists.
    Source: Bradley & Terry 1952; sandwich: White 1982; existence: Ford 1957.
    """
    winner_V, loser_V = np.asarray(winners, dtype=np.int64), np.asarray(losers, dtype=np.int64)
    weight_V = np.ones(len(winner_V)) if weights is None else np.asarray(weights, dtype=np.float64)
    _check_votes(winner_V, loser_V, weight_V, n_items)
    wins_II = np.zeros((n_items, n_items))
    np.add.at(wins_II, (winner_V, loser_V), weight_V)
    island_I = _islands(wins_II, ridge)
    played_II = wins_II + wins_II.T

    def objective(scores: Floats) -> float:
        return float(-(wins_II * log_expit(scores[:, None] - scores[None])).sum() + ridge / 2 * scores @ scores)

    def slopes(scores: Floats) -> tuple[Floats, Floats]:
        chance_II = expit(scores[:, None] - scores[None])
        gradient = (played_II * chance_II - wins_II).sum(axis=1) + ridge * scores
        curve_II = played_II * chance_II * (1 - chance_II)
        return gradient, np.diag(curve_II.sum(axis=1) + ridge) - curve_II

    scores_I, hessian_II = _newton(n_items, objective, slopes, island_I)
    surprise_V = weight_V * expit(scores_I[loser_V] - scores_I[winner_V])
    codes = np.arange(len(winner_V)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    gradient_CI = np.zeros((int(codes.max(initial=-1)) + 1, n_items))
    np.add.at(gradient_CI, (codes, winner_V), surprise_V)
    np.add.at(gradient_CI, (codes, loser_V), -surprise_V)
    return _finished(scores_I, hessian_II, gradient_CI, island_I, len(winner_V))


Ranking: TypeAlias = Sequence[Sequence[int]]
"""Groups of item numbers, best first; items of one group are tied, items in no group were not compared."""


def plackett_luce(
    rankings: Sequence[Ranking],
    *,
    n_items: int,
    weights: ArrayLike | None = None,
    ridge: float = PRIOR_RIDGE,
    rest_unordered: bool = False,
) -> Scores:
    """Scores from rankings: P(order) = prod over places of exp(s of that place) / sum of exp(s) of it and all below.

    A ranking may leave items out (they are not losers) and may tie items: a tied group counts as the mean of the log
    likelihoods of all its orders, so that a tie of two is half a win each way, as in `bradley_terry`; in groups above
    8 the mean over the sets still to be placed is put inside the logarithm. `rest_unordered`: the last group of every
    ranking was left unordered (best of n, top k), which is no tie. Prior and islands as in `bradley_terry`; in the
    sandwich each ranking is one observation. Source: Luce 1959; Plackett 1975; existence without a ridge: Hunter 2004.
    """
    weight_R = np.ones(len(rankings)) if weights is None else np.asarray(weights, dtype=np.float64)
    placed_RI = np.zeros((len(rankings), n_items))
    above_II = np.zeros((n_items, n_items))
    sets: list[tuple[Floats, float, int]] = []
    for number, ranking in enumerate(rankings):
        _check_ranking(ranking, n_items)
        groups = [list(group) for group in ranking if group]
        for place, group in enumerate(groups):
            below = [item for later in groups[place + 1 :] for item in later]
            if rest_unordered and place == len(groups) - 1:
                continue
            placed_RI[number, group] = 1.0
            above_II[np.ix_(group, group + below)] += weight_R[number]
            sets.extend((row, share, number) for row, share in _choice_sets(group, below, n_items))
    np.fill_diagonal(above_II, 0)
    island_I = _islands(above_II, ridge)
    member_TI = np.array([row for row, _, _ in sets]).reshape(-1, n_items)
    share_T = np.array([share for _, share, _ in sets])
    ranking_T = np.array([number for _, _, number in sets], dtype=np.int64)
    weight_T = share_T * weight_R[ranking_T]
    placed_I = weight_R @ placed_RI
    with np.errstate(divide="ignore"):
        log_member_TI = np.log(member_TI)

    def objective(scores: Floats) -> float:
        chosen_from_T = logsumexp(log_member_TI + scores, axis=1) if len(sets) else np.zeros(0)
        return float(weight_T @ chosen_from_T - placed_I @ scores + ridge / 2 * scores @ scores)

    def slopes(scores: Floats) -> tuple[Floats, Floats]:
        chance_TI = _chances(log_member_TI + scores)
        weighed_TI = weight_T[:, None] * chance_TI
        gradient = weighed_TI.sum(axis=0) - placed_I + ridge * scores
        return gradient, np.diag(weighed_TI.sum(axis=0) + ridge) - chance_TI.T @ weighed_TI

    scores_I, hessian_II = _newton(n_items, objective, slopes, island_I)
    gradient_RI = weight_R[:, None] * placed_RI
    np.subtract.at(gradient_RI, ranking_T, weight_T[:, None] * _chances(log_member_TI + scores_I))
    return _finished(scores_I, hessian_II, gradient_RI, island_I, len(rankings))


def davidson(difference: ArrayLike, nu: float) -> tuple[Floats, Floats, Floats]:
    """(P(first wins), P(tie), P(second wins)) for a difference of scores; nu = 0 never ties, nu = 1 ties 1/3 at 0.

    With d the difference: exp(d/2) : nu : exp(-d/2). Source: Davidson 1970, after dividing by sqrt(pi_i pi_j).
    """
    if not nu >= 0:
        raise InputError(f"davidson.nu: {nu} is negative. Use 0 for no ties.")
    half = np.asarray(difference, dtype=np.float64) / 2
    with np.errstate(divide="ignore"):
        logs = np.stack([half, np.broadcast_to(np.log(nu), half.shape), -half])
    win, tie, lose = np.exp(logs - logsumexp(logs, axis=0))
    return win, tie, lose


def rao_kupper(difference: ArrayLike, theta: float) -> tuple[Floats, Floats, Floats]:
    """(P(first wins), P(tie), P(second wins)) where differences below a threshold log(theta) are not told apart.

    P(first wins) = sigmoid(d - log theta); theta = 1 never ties. Source: Rao & Kupper 1967.
    """
    if not theta >= 1:
        raise InputError(f"rao_kupper.theta: {theta} is below 1. Use 1 for no ties.")
    gap = np.asarray(difference, dtype=np.float64)
    win, lose = expit(gap - np.log(theta)), expit(-gap - np.log(theta))
    return win, np.maximum(0.0, 1 - win - lose), lose


def logistic_normal(mean: ArrayLike, variance: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and variance of sigmoid(x) for x normal with this mean and variance, by 40-node Gauss-Hermite quadrature."""
    centre, spread = np.asarray(mean, dtype=np.float64), np.sqrt(np.asarray(variance, dtype=np.float64))
    chances = expit(centre[..., None] + spread[..., None] * _NODES)
    expected = chances @ _WEIGHTS
    return expected, np.square(chances - expected[..., None]) @ _WEIGHTS


def islands(first: ArrayLike, second: ArrayLike, *, n_items: int) -> Ints:
    """Number of the island each item is on: items are on one island when comparisons link them, whoever won."""
    ends = (np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64))
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(n_items, n_items))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


# -------------------------------------------------------------------------------------------------------- inner parts


def _islands(wins_II: Floats, ridge: float) -> Ints:
    """Islands of a win matrix; InputError where ridge = 0 and an island's win graph is not strongly connected."""
    if not ridge >= 0:
        raise InputError(
            f"choice.ridge: {ridge} is not a precision. Use 0 for none, {PRIOR_RIDGE:.3g} for a flat prior."
        )
    weak = np.asarray(connected_components(wins_II > 0, directed=False)[1], dtype=np.int64)
    if ridge == 0:
        strong = connected_components(wins_II > 0, connection="strong")[1]
        for island in range(int(weak.max(initial=-1)) + 1):
            parts = np.unique(strong[weak == island])
            if len(parts) > 1:
                shown = "; ".join(str(np.flatnonzero(strong == part).tolist()) for part in parts[:4])
                raise InputError(
                    "choice: no finite scores exist, because wins go only one way between these groups of items: "
                    f"{shown}. Use a ridge above 0, or ask for more comparisons."
                )
    return weak


def _newton(
    n_items: int,
    objective: Callable[[Floats], float],
    slopes: Callable[[Floats], tuple[Floats, Floats]],
    island_I: Ints,
) -> tuple[Floats, Floats]:
    """Minimiser of a convex objective and the Hessian there, centred on 0 within islands (the flat direction)."""
    scores = np.zeros(n_items)
    value = objective(scores)
    for _ in range(200):
        gradient, hessian = slopes(scores)
        if np.abs(gradient).max(initial=0.0) < 1e-9:
            break
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        size = 1.0
        while (ahead := objective(scores - size * step)) > value and size > 1e-8:
            size /= 2
        scores, value, moved = scores - size * step, ahead, size * np.abs(step).max(initial=0.0)
        if moved < 1e-12:
            break
    else:
        raise RuntimeError(f"choice: Newton's method did not settle on {n_items} items in 200 steps")
    size_I = np.bincount(island_I)[island_I] if n_items else np.zeros(0)
    centre_I = np.bincount(island_I, weights=scores)[island_I] / size_I if n_items else np.zeros(0)
    return scores - centre_I, slopes(scores)[1]


def _finished(scores_I: Floats, hessian_II: Floats, gradient_CI: Floats, island_I: Ints, votes: int) -> Scores:
    inverse_II: Floats = np.linalg.pinv(hessian_II, rcond=1e-10, hermitian=True).astype(
        np.float64
    )  # ridge 0 leaves one flat direction an island
    meat_II = gradient_CI.T @ gradient_CI
    return Scores(scores_I, inverse_II, inverse_II @ meat_II @ inverse_II, island_I, votes)


def _chances(logits_TI: Floats) -> Floats:
    if not len(logits_TI):
        return np.zeros_like(logits_TI)
    raised = np.exp(logits_TI - logits_TI.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _choice_sets(group: list[int], below: list[int], n_items: int) -> list[tuple[Floats, float]]:
    """Sets of items chosen from while a tied group is placed above `below`, and the share of orders with each set.

    With r of the group still to be placed, every subset of r is equally likely over the group's orders.
    """
    sets: list[tuple[Floats, float]] = []
    for remaining in range(len(group), 0, -1):
        if comb(len(group), remaining) > _MOST_SETS:
            row = np.zeros(n_items)
            row[group], row[below] = remaining / len(group), 1.0
            sets.append((row, 1.0))
            continue
        for subset in combinations(group, remaining):
            row = np.zeros(n_items)
            row[list(subset)], row[below] = 1.0, 1.0
            sets.append((row, 1 / comb(len(group), remaining)))
    return sets


def _check_votes(winner_V: Ints, loser_V: Ints, weight_V: Floats, n_items: int) -> None:
    if not winner_V.shape == loser_V.shape == weight_V.shape:
        raise InputError(f"choice: {winner_V.shape} winners, {loser_V.shape} losers, {weight_V.shape} weights.")
    for name, items in (("winner", winner_V), ("loser", loser_V)):
        if len(items) and (items.min() < 0 or items.max() >= n_items):
            raise InputError(f"choice: {name}s go from {items.min()} to {items.max()}, expected 0 to {n_items - 1}.")
    if same := int((winner_V == loser_V).sum()):
        raise InputError(f"choice: {same} votes compare an item with itself. Leave them out.")
    if not (np.isfinite(weight_V) & (weight_V > 0)).all():
        raise InputError("choice: a vote's weight is not a positive number. Leave such votes out.")


def _check_ranking(ranking: Ranking, n_items: int) -> None:
    items = [item for group in ranking for item in group]
    if len(set(items)) < len(items):
        raise InputError(f"choice: ranking {ranking} places an item twice.")
    if items and (min(items) < 0 or max(items) >= n_items):
        raise InputError(f"choice: ranking {ranking} names items outside 0 to {n_items - 1}.")
