"""Scores from pairs with ties as an answer of their own: Davidson and Rao-Kupper, fitted.

Counting a tie as half a win each way is right only when ties are as frequent between unequal items as between equal
ones. These models say how the tie rate falls with the gap, and fit it:

    Davidson      win : tie : lose = exp(d/2) : nu : exp(-d/2)            nu = 0 never ties
    Rao-Kupper    P(win) = sigma(d - eta), P(lose) = sigma(-d - eta)      gaps below eta = log theta are not told apart

d the difference of scores. Both have one tie parameter beside the scores, fitted on its logarithm with a wide normal
prior, so that data without a tie give a small rate and not minus infinity. Sources: Davidson 1970; Rao & Kupper 1967.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, logsumexp

from burnish.errors import InputError
from burnish.maths.choice import PRIOR_RIDGE, Scores, islands
from burnish.maths.posterior import laplace
from burnish.records import Interval

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Model: TypeAlias = Literal["davidson", "rao_kupper"]
Link: TypeAlias = Callable[[Floats, float], tuple[Floats, Floats, Floats]]
"""(d, log of the tie parameter) -> log probabilities of (lose, tie, win) in columns, and their derivatives by each."""

PRIOR_LOG_SPREAD = 2.0
"""Standard deviation of the prior of log nu around 0, and of log eta around log 1/2."""
_CENTRES: dict[Model, float] = {"davidson": 0.0, "rao_kupper": float(np.log(0.5))}


@dataclass(frozen=True, slots=True)
class TieFit:
    """Scores and the tie parameter of a model with ties."""

    scores: Scores
    model: Model
    parameter: float
    """nu of Davidson, theta = exp(eta) of Rao-Kupper: what `davidson` and `rao_kupper` of `maths.choice` take."""
    interval: Interval
    """The parameter with its 95% posterior interval."""


def with_ties(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    n_items: int,
    model: Model = "davidson",
    ridge: float = PRIOR_RIDGE,
) -> TieFit:
    """Scores and tie parameter at the posterior's mode; `outcomes` are 1 first won, 0 tie, -1 second won.

    Scores are centred within islands and have a Laplace covariance and a sandwich of it, each row a cluster of its own.
    Raises InputError for another model, another outcome, or a ridge of 0 or less (then no finite mode need exist).
    """
    first_V, second_V, outcome_V = (np.asarray(each, dtype=np.int64) for each in (first, second, outcomes))
    _check(first_V, second_V, outcome_V, n_items, model, ridge)
    island_I = islands(first_V, second_V, n_items=n_items)

    def energy(parameters: Floats) -> tuple[float, Floats]:
        return tie_energy(parameters, first_V, second_V, outcome_V, model=model, ridge=ridge)

    found = laplace(energy, np.append(np.zeros(n_items), _CENTRES[model]), name=model)
    scores_I, log_tie = found.mode_P[:n_items], float(found.mode_P[n_items])
    rows_VP = _row_gradients(found.mode_P, first_V, second_V, outcome_V, model)
    sandwich_PP = found.covariance_PP @ (rows_VP.T @ rows_VP) @ found.covariance_PP
    centre_I = np.bincount(island_I, weights=scores_I)[island_I] / np.bincount(island_I)[island_I]
    inner = slice(0, n_items)
    scores = Scores(
        scores_I - centre_I,
        found.covariance_PP[inner, inner],
        sandwich_PP[inner, inner],
        island_I,
        len(first_V),
    )
    half = 1.959964 * float(np.sqrt(found.covariance_PP[n_items, n_items]))
    mean, low, high = (_shown(log_tie + move, model) for move in (0.0, -half, half))
    return TieFit(scores, model, mean, Interval(mean=mean, low=low, high=high, n=len(first_V)))


def tie_energy(
    parameters: Floats, first_V: Ints, second_V: Ints, outcome_V: Ints, *, model: Model, ridge: float
) -> tuple[float, Floats]:
    """Negative log posterior at (s_1..s_I, log nu or log eta), and its gradient."""
    scores_I, log_tie = parameters[:-1], float(parameters[-1])
    logs_VO, by_gap_VO, by_tie_VO = _LINKS[model](scores_I[first_V] - scores_I[second_V], log_tie)
    picked = np.arange(len(first_V)), outcome_V + 1
    off = log_tie - _CENTRES[model]
    value = -logs_VO[picked].sum() + ridge / 2 * scores_I @ scores_I + off**2 / (2 * PRIOR_LOG_SPREAD**2)
    by_gap_V = by_gap_VO[picked]
    n = len(scores_I)
    gradient_I = ridge * scores_I - np.bincount(first_V, by_gap_V, n) + np.bincount(second_V, by_gap_V, n)
    return float(value), np.append(gradient_I, off / PRIOR_LOG_SPREAD**2 - by_tie_VO[picked].sum())


def _davidson(gap_V: Floats, log_nu: float) -> tuple[Floats, Floats, Floats]:
    halves_VO = np.stack([-gap_V / 2, np.full_like(gap_V, log_nu), gap_V / 2], axis=1)
    logs_VO = halves_VO - logsumexp(halves_VO, axis=1, keepdims=True)
    chance_VO = np.exp(logs_VO)
    half_O, tie_O = np.array([-0.5, 0.0, 0.5]), np.array([0.0, 1.0, 0.0])
    return logs_VO, half_O - (chance_VO @ half_O)[:, None], tie_O - chance_VO[:, [1]]


def _rao_kupper(gap_V: Floats, log_eta: float) -> tuple[Floats, Floats, Floats]:
    eta = np.exp(log_eta)
    win_V, lose_V = expit(gap_V - eta), expit(-gap_V - eta)
    # P(tie) = (theta^2 - 1) P(win) P(lose), which keeps its digits where 1 - win - lose would lose them
    log_win_V, log_lose_V = log_expit(gap_V - eta), log_expit(-gap_V - eta)
    log_tie_V = np.log(np.expm1(2 * eta)) + log_win_V + log_lose_V
    logs_VO = np.stack([log_lose_V, log_tie_V, log_win_V], axis=1)
    by_gap_VO = np.stack([lose_V - 1, lose_V - win_V, 1 - win_V], axis=1)
    tie = 2 * eta / -np.expm1(-2 * eta)
    by_eta_VO = np.stack([eta * (lose_V - 1), tie - eta * (2 - win_V - lose_V), eta * (win_V - 1)], axis=1)
    return logs_VO, by_gap_VO, by_eta_VO


_LINKS: dict[Model, Link] = {"davidson": _davidson, "rao_kupper": _rao_kupper}


def _row_gradients(parameters: Floats, first_V: Ints, second_V: Ints, outcome_V: Ints, model: Model) -> Floats:
    """Gradient of each row's log likelihood, shape (V, I + 1)."""
    scores_I = parameters[:-1]
    _, by_gap_VO, by_tie_VO = _LINKS[model](scores_I[first_V] - scores_I[second_V], float(parameters[-1]))
    row_V = np.arange(len(first_V))
    rows_VP = np.zeros((len(first_V), len(parameters)))
    rows_VP[row_V, first_V] += by_gap_VO[row_V, outcome_V + 1]
    rows_VP[row_V, second_V] -= by_gap_VO[row_V, outcome_V + 1]
    rows_VP[:, -1] = by_tie_VO[row_V, outcome_V + 1]
    return rows_VP


def _shown(log_tie: float, model: Model) -> float:
    """nu from log nu, theta from log eta = log log theta."""
    return float(np.exp(log_tie) if model == "davidson" else np.exp(np.exp(log_tie)))


def _check(first_V: Ints, second_V: Ints, outcome_V: Ints, n_items: int, model: str, ridge: float) -> None:
    if model not in _LINKS:
        raise InputError(f"ties.model: {model!r} is unknown. Known: {', '.join(_LINKS)}.")
    if not ridge > 0:
        raise InputError(f"ties.ridge: {ridge} is not above 0. Use {PRIOR_RIDGE:.3g} for a flat prior on a pair.")
    if not first_V.shape == second_V.shape == outcome_V.shape:
        raise InputError(f"ties: {first_V.shape} first, {second_V.shape} second, {outcome_V.shape} outcomes.")
    if wrong := sorted(set(outcome_V.tolist()) - {-1, 0, 1}):
        raise InputError(f"ties.outcomes: {wrong[0]} is not 1 (first won), 0 (tie) or -1 (second won).")
    both = np.concatenate([first_V, second_V])
    if len(both) and (both.min() < 0 or both.max() >= n_items):
        raise InputError(f"ties: items go from {both.min()} to {both.max()}, expected 0 to {n_items - 1}.")
    if same := int((first_V == second_V).sum()):
        raise InputError(f"ties: {same} rows compare an item with itself. Leave them out.")
