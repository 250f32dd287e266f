"""Scores from pairs with ties as an answer of their own: Davidson and Rao-Kupper, fitted.

Counting a tie as half a win each way is right only when ties are as frequent between unequal items as between equal
ones. These models say how the tie rate falls with the gap, and fit it:

    Davidson      win : tie : lose = exp(d/2) : nu : exp(-d/2)            nu = 0 never ties
    Rao-Kupper    P(win) = sigma(d - eta), P(lose) = sigma(-d - eta)      gaps below eta = log theta are not told apart

d the difference of scores. Both have one tie parameter beside the scores, fitted on its logarithm with a wide normal
prior, so that data without a tie give a small rate and not minus infinity. Sources: Davidson 1970; Rao & Kupper 1967.
`with_ties` is for a leaderboard's few items; `ties_by_island` for many prompts' completions, which share the parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, logsumexp

from burnish.errors import InputError
from burnish.maths.blocks import Blocks
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
_STEP = 1e-5  # central differences of a derivative: error of order step^2 against rounding of order 1e-16 / step
_WIDE_STEP = 0.01  # second differences of a sum over all rows, whose rounding is larger
_SETTLED = 1e-8  # a Newton step that moves no score by more changes no figure that anybody reads
_FAR = 8.0  # the logarithm of a tie parameter is looked for this far from its prior's centre: four standard deviations
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


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
    parameters: Floats,
    first_V: Ints,
    second_V: Ints,
    outcome_V: Ints,
    *,
    model: Model,
    ridge: float,
    weight_V: Floats | None = None,
) -> tuple[float, Floats]:
    """Negative log posterior at (s_1..s_I, log nu or log eta), and its gradient; every row counts 1 by default."""
    scores_I, log_tie = parameters[:-1], float(parameters[-1])
    weight_V = np.ones(len(first_V)) if weight_V is None else weight_V
    logs_VO, by_gap_VO, by_tie_VO = _LINKS[model](scores_I[first_V] - scores_I[second_V], log_tie)
    picked = np.arange(len(first_V)), outcome_V + 1
    off = log_tie - _CENTRES[model]
    value = -weight_V @ logs_VO[picked] + ridge / 2 * scores_I @ scores_I + off**2 / (2 * PRIOR_LOG_SPREAD**2)
    by_gap_V = weight_V * by_gap_VO[picked]
    n = len(scores_I)
    gradient_I = ridge * scores_I - np.bincount(first_V, by_gap_V, n) + np.bincount(second_V, by_gap_V, n)
    return float(value), np.append(gradient_I, off / PRIOR_LOG_SPREAD**2 - weight_V @ by_tie_VO[picked])


# -------------------------------------------------------------------------------------------------------- many islands


@dataclass(frozen=True, slots=True)
class IslandTies:
    """Scores of items on many islands, and the one tie parameter that all of them share."""

    scores_I: Floats
    """Centred on 0 within each island."""
    island_I: Ints
    """Scores of different islands cannot be compared: nobody's answers link them."""
    model: Model
    parameter: float
    """nu of Davidson, theta of Rao-Kupper."""
    interval: Interval
    """The parameter with its 95% posterior interval."""
    log_tie: float
    blocks: Blocks
    cells: Floats
    """Posterior covariances of items of one island; what is not known of the tie parameter is in them."""

    @property
    def variance_I(self) -> Floats:
        """Posterior variance of each score."""
        every = np.arange(len(self.scores_I))
        return self.cells[self.blocks.cell(every, every)]

    def outcomes(self, first_P: Ints, second_P: Ints) -> tuple[Floats, Floats, Floats]:
        """Posterior means, (P, 3), of the chances that the second wins, that it is a tie, that the first wins; then
        mean and variance, (P,), of the first one's share: its chance to win and half that of a tie.

        Raises InputError for a pair on two islands.
        """
        if len(apart := np.flatnonzero(self.island_I[first_P] != self.island_I[second_P])):
            one, two = first_P[apart[0]], second_P[apart[0]]
            raise InputError(
                f"ties: items {one} and {two} are linked by no comparison, so they have no common scale. "
                "Ask for a comparison between their groups."
            )
        first_variance_P, second_variance_P, covariance_P = (
            self.cells[self.blocks.cell(one, two)]
            for one, two in ((first_P, first_P), (second_P, second_P), (first_P, second_P))
        )
        variance_P = np.maximum(first_variance_P + second_variance_P - 2 * covariance_P, 0.0)
        gap_P = self.scores_I[first_P] - self.scores_I[second_P]
        gap_PN = gap_P[:, None] + np.sqrt(variance_P)[:, None] * _NODES
        chance_PNO = np.exp(_LINKS[self.model](gap_PN.ravel(), self.log_tie)[0]).reshape(*gap_PN.shape, 3)
        share_PN = chance_PNO[..., 2] + chance_PNO[..., 1] / 2
        mean_P = share_PN @ _WEIGHTS
        return np.einsum("pno,n->po", chance_PNO, _WEIGHTS), mean_P, np.square(share_PN - mean_P[:, None]) @ _WEIGHTS


def ties_by_island(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    n_items: int,
    weights: ArrayLike | None = None,
    model: Model = "davidson",
    ridge: float = PRIOR_RIDGE,
) -> IslandTies:
    """Scores and tie parameter of items that fall into many small islands, as the completions of prompts do.

    The tie parameter is the mode of its own posterior, the scores summed out (by Laplace's method), and the scores are
    the mode beside it: at the mode of all together, as in `with_ties`, thousands of scores that rest on a few answers
    each would draw it aside (Neyman & Scott 1948). The work grows with the islands, not with the square of the items.
    `weights`: of the rows, 1 by default. Raises InputError as `with_ties` does.
    """
    first_V, second_V, outcome_V = (np.asarray(each, dtype=np.int64) for each in (first, second, outcomes))
    _check(first_V, second_V, outcome_V, n_items, model, ridge)
    weight_V = np.ones(len(first_V)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight_V.shape != first_V.shape or not (np.isfinite(weight_V) & (weight_V > 0)).all():
        raise InputError("ties: a row's weight is not a positive number. Leave such rows out.")
    island_I = islands(first_V, second_V, n_items=n_items)
    posterior = _GivenTies(first_V, second_V, outcome_V, weight_V, model, ridge, Blocks(island_I))
    reach = (_CENTRES[model] - _FAR, _CENTRES[model] + _FAR)
    log_tie = float(minimize_scalar(posterior.surprise, bounds=reach, method="bounded", options={"xatol": 1e-5}).x)
    below, here, above = (posterior.surprise(log_tie + move) for move in (-_WIDE_STEP, 0.0, _WIDE_STEP))
    spread = _WIDE_STEP**2 / max(below - 2 * here + above, (_WIDE_STEP / PRIOR_LOG_SPREAD) ** 2)
    scores_I = posterior.scores(log_tie)
    low_I, high_I = (posterior.scores(log_tie + move) for move in (-_WIDE_STEP, _WIDE_STEP))
    slope_I = (high_I - low_I) / (2 * _WIDE_STEP)  # the scores go along with the parameter
    row, column = posterior.blocks.ends()
    cells = posterior.blocks.inverse(posterior.curvature(scores_I, log_tie)) + spread * slope_I[row] * slope_I[column]
    centre_I = np.bincount(island_I, weights=scores_I)[island_I] / np.bincount(island_I)[island_I]
    half = 1.959964 * float(np.sqrt(spread))
    mean, low, high = (_shown(log_tie + move, model) for move in (0.0, -half, half))
    return IslandTies(
        scores_I - centre_I,
        island_I,
        model,
        mean,
        Interval(mean=mean, low=low, high=high, n=len(first_V)),
        log_tie,
        posterior.blocks,
        posterior.blocks.centred(cells),
    )


class _GivenTies:
    """The posterior of the scores at a given tie parameter: convex, with a matrix of one block for each island."""

    def __init__(
        self,
        first_V: Ints,
        second_V: Ints,
        outcome_V: Ints,
        weight_V: Floats,
        model: Model,
        ridge: float,
        blocks: Blocks,
    ) -> None:
        self.rows = first_V, second_V, outcome_V
        self.weight_V, self.model, self.ridge, self.blocks = weight_V, model, ridge, blocks
        self._start_I = np.zeros(len(blocks.base_I))

    def scores(self, log_tie: float) -> Floats:
        """Scores at the mode, by Newton's method from where the last ones were found."""
        scores_I = self._start_I
        for _ in range(100):
            value, gradient_I = self._energy(scores_I, log_tie)
            step_I = self.blocks.times(self.blocks.inverse(self.curvature(scores_I, log_tie)), gradient_I)
            if np.abs(step_I).max(initial=0.0) < _SETTLED:
                break
            size, most = 1.0, value + 1e-12 * abs(value)  # rounding is no way uphill
            while size > _SETTLED and self._energy(scores_I - size * step_I, log_tie)[0] > most:
                size /= 2
            scores_I = scores_I - size * step_I
        self._start_I = scores_I
        return scores_I

    def surprise(self, log_tie: float) -> float:
        """Negative log posterior of the tie parameter with the scores summed out: E + log det A / 2, but a constant."""
        scores_I = self.scores(log_tie)
        return self._energy(scores_I, log_tie)[0] + self.blocks.log_determinant(self.curvature(scores_I, log_tie)) / 2

    def curvature(self, scores_I: Floats, log_tie: float) -> Floats:
        """Cells of the second derivatives by the scores."""
        first_V, second_V, outcome_V = self.rows
        gap_V, picked = scores_I[first_V] - scores_I[second_V], (np.arange(len(first_V)), outcome_V + 1)
        below_V, above_V = (_LINKS[self.model](gap_V + move, log_tie)[1][picked] for move in (-_STEP, _STEP))
        curve_V = self.weight_V * (below_V - above_V) / (2 * _STEP)
        return self.blocks.laplacian(first_V, second_V, curve_V, self.ridge)

    def _energy(self, scores_I: Floats, log_tie: float) -> tuple[float, Floats]:
        at = np.append(scores_I, log_tie)
        value, gradient = tie_energy(at, *self.rows, model=self.model, ridge=self.ridge, weight_V=self.weight_V)
        return value, gradient[:-1]


# ---------------------------------------------------------------------------------------------------------- the models


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
