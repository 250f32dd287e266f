"""The steps by which scores and people are fitted to votes: expectation propagation, EM, and their joint curvature.

The model, its names and its sources are in `burnish.maths.annotators`, which puts these steps together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit

from burnish.maths.blocks import Blocks

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_DAMPING = 0.7  # share of the way that a vote's factor moves in one round; 1 may swing to and fro
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_GUESS = 2.0  # people that the guessed spreads count as
_SLOPE, _SLOPE_SPREAD, _SIDE_SPREAD = 1.0, 1.0, 1.0  # guesses of mu, tau, beta
STEEPEST = 8.0
"""Largest slope and side before the rescaling: people who never disagree would have infinite ones. Scores are ~ N(0, 1)
there, so such a person decides three pairs of four with 97% and more."""
MOST_PEOPLE = 1_000
"""With more, how one person's slope hangs together with another's is left out: a table of all with all is too big."""
_NUMBERS = 4_000_000  # held at once when covariances are put together: 32 MB


@dataclass(frozen=True, slots=True)
class Votes:
    """One row a vote. Made by `votes`, which checks it."""

    left_V: Ints
    right_V: Ints
    person_V: Ints
    share_V: Floats
    """1 the left was chosen, 0 the right, between them ties and votes of less than full strength."""
    sided_V: Floats
    """1 where it is known which stood left, 0 where the order is only that of a file."""
    n_items: int
    n_people: int


@dataclass(frozen=True, slots=True)
class State:
    """The scores' posterior with the factors it is made of, people, and the group's spreads."""

    precision_V: Floats
    """Of each vote's factor in s_left - s_right."""
    shift_V: Floats
    """Precision times mean of the same factor."""
    mean_I: Floats
    cells: Floats
    slope_K: Floats
    side_K: Floats
    variance_K22: Floats
    """Of people given the scores' posterior, for the group's spreads."""
    mu: float
    slope_prior: float
    side_prior: float


@dataclass(frozen=True, slots=True)
class Gaps:
    """Each vote's gap under all votes: its nodes, how likely they are, and the residual and curvature there."""

    gap_VQ: Floats
    weight_VQ: Floats
    residual_VQ: Floats
    """share - sigma(a gap + b)"""
    curvature_VQ: Floats


class Model:
    """The votes with their places in the blocks of the scores' precision, and one step of each kind."""

    def __init__(self, given: Votes, island_I: Ints) -> None:
        self.given, self.island_I = given, island_I
        self.blocks = blocks = Blocks(island_I)
        left_V, right_V = given.left_V, given.right_V
        self.cell_V = (blocks.cell(left_V, left_V), blocks.cell(right_V, right_V), blocks.cell(left_V, right_V))

    def start(self) -> State:
        """Everyone careful, no side liked, no vote heard yet."""
        given, none_V = self.given, np.zeros(len(self.given.left_V))
        cells = self.blocks.laplacian(given.left_V, given.right_V, none_V, 1.0)  # the prior's, its own inverse
        flat, zero = np.ones(given.n_people), np.zeros(given.n_people)
        variance_K22 = np.zeros((given.n_people, 2, 2))
        spreads = _SLOPE, _SLOPE_SPREAD**2, _SIDE_SPREAD**2
        return State(none_V, none_V, np.zeros(given.n_items), cells, flat, zero, variance_K22, *spreads)

    def scores(self, state: State) -> State:
        """One round of expectation propagation for these people: every vote's factor moves towards its moments."""
        given = self.given
        mean_V, variance_V = self.beside(state)
        vote = self._tilted(state, mean_V, variance_V)
        tilted_V = (vote.weight_VQ * vote.gap_VQ).sum(axis=1)
        spread_V = (vote.weight_VQ * np.square(vote.gap_VQ - tilted_V[:, None])).sum(axis=1)
        precision_V = np.maximum(1 / spread_V - 1 / variance_V, 0.0)
        shift_V = tilted_V / spread_V - mean_V / variance_V
        precision_V = state.precision_V + _DAMPING * (precision_V - state.precision_V)
        shift_V = state.shift_V + _DAMPING * (shift_V - state.shift_V)
        cells = self.blocks.inverse(self.blocks.laplacian(given.left_V, given.right_V, precision_V, 1.0))
        n = given.n_items
        force_I = np.bincount(given.left_V, shift_V, n) - np.bincount(given.right_V, shift_V, n)
        mean_I = self.blocks.times(cells, force_I.astype(np.float64))
        return replace(state, precision_V=precision_V, shift_V=shift_V, mean_I=mean_I, cells=cells)

    def people(self, state: State) -> State:
        """One Newton step of every person towards the mode of the expected log posterior (the M step of EM)."""
        vote = self._tilted(state, *self.beside(state))
        sided_V = self.given.sided_V
        residual_V = (vote.weight_VQ * vote.residual_VQ).sum(axis=1)
        by_gap_V = (vote.weight_VQ * vote.residual_VQ * vote.gap_VQ).sum(axis=1)
        force_K2 = np.stack(
            [
                self._summed(by_gap_V) - (state.slope_K - state.mu) / state.slope_prior,
                self._summed(residual_V * sided_V) - state.side_K / state.side_prior,
            ],
            axis=1,
        )
        variance_K22 = np.linalg.inv(self._information(state, vote)).astype(np.float64)
        step_K2 = np.clip(np.einsum("kij,kj->ki", variance_K22, force_K2), -1, 1)
        slope_K = np.clip(state.slope_K + step_K2[:, 0], -STEEPEST, STEEPEST)
        side_K = np.clip(state.side_K + step_K2[:, 1], -STEEPEST, STEEPEST)
        return replace(state, slope_K=slope_K, side_K=side_K, variance_K22=variance_K22)

    def group(self, state: State) -> State:
        """The group's mean slope and the spreads of slopes and sides, held up by guesses that count as two people."""
        n = self.given.n_people
        mu = (state.slope_K.sum() + _GUESS * _SLOPE) / (n + _GUESS)
        off = np.square(state.slope_K - mu) + state.variance_K22[:, 0, 0]
        slope_prior = (off.sum() + _GUESS * ((mu - _SLOPE) ** 2 + _SLOPE_SPREAD**2)) / (n + _GUESS)
        side = np.square(state.side_K) + state.variance_K22[:, 1, 1]
        side_prior = (side.sum() + _GUESS * _SIDE_SPREAD**2) / (n + _GUESS)
        return replace(state, mu=float(mu), slope_prior=float(slope_prior), side_prior=float(side_prior))

    def joint(self, state: State) -> tuple[Floats, Floats]:
        """Covariances of each person's (slope, side) and of the items of each island, from scores and people together.

        With A the precision of the scores, C of the people and B between them, S = C - B' A^-1 B: cov(people) = S^-1,
        cov(scores) = A^-1 + A^-1 B S^-1 B' A^-1, cov(scores, people) = -A^-1 B S^-1. Of that the stretch of slopes
        against scores is taken out to first order: of s' = s u and a' = a / u, u a careful person's slope. The prior
        of the slopes says nothing of their common size, because the group's mean and spread were fitted.
        """
        given, n = self.given, self.given.n_people
        vote = self._tilted(state, *self.beside(state))
        if n > MOST_PEOPLE:
            own_K22 = np.linalg.inv(self._information(state, vote)).astype(np.float64)
            return own_K22, self.blocks.centred(state.cells)
        weight_V = (vote.weight_VQ * vote.curvature_VQ).sum(axis=1)
        by_gap_V = (vote.weight_VQ * vote.curvature_VQ * vote.gap_VQ).sum(axis=1)
        slope_K, slope_V = state.slope_K, state.slope_K[given.person_V]
        inner = self.blocks.inverse(self.blocks.laplacian(given.left_V, given.right_V, weight_V * slope_V**2, 1.0))
        between = self._between(slope_V * by_gap_V, slope_V * weight_V * given.sided_V)
        told = csr_array(self.blocks.matrix(inner) @ between)
        people = _spread_out(self._information(state, vote))
        people[:n, :n] -= np.outer(slope_K, slope_K) / (state.slope_prior * float(slope_K @ slope_K))
        covariance = np.linalg.inv(people - (between.T @ told).toarray())
        unit = careful(slope_K)
        along = covariance @ np.concatenate([careful_slopes(slope_K), np.zeros(n)]) / unit  # with log u
        of_unit = float(careful_slopes(slope_K) @ along[:n]) / unit
        cells = state.cells + self._spread(told, covariance)
        centred_I, with_unit_I = state.mean_I - island_means(state.mean_I, self.island_I), -(told @ along)
        one, two = self.blocks.ends()
        cells += centred_I[one] * with_unit_I[two] + with_unit_I[one] * centred_I[two]
        cells += centred_I[one] * centred_I[two] * of_unit
        stretch = np.concatenate([slope_K, np.zeros(n)])
        covariance -= np.outer(stretch, along) + np.outer(along, stretch) - np.outer(stretch, stretch) * of_unit
        return _gathered(covariance), self.blocks.centred(cells)

    def beside(self, state: State) -> tuple[Floats, Floats]:
        """Mean and variance of s_left - s_right of each vote, its own factor divided out."""
        left, right, both = self.cell_V
        mean_V = state.mean_I[self.given.left_V] - state.mean_I[self.given.right_V]
        variance_V = state.cells[left] + state.cells[right] - 2 * state.cells[both]
        left_V = np.maximum(1 - state.precision_V * variance_V, 1e-6)  # share of the precision that others bring
        return (mean_V - state.shift_V * variance_V) / left_V, variance_V / left_V

    def _tilted(self, state: State, mean_V: Floats, variance_V: Floats) -> Gaps:
        """The gap of each vote as all others see it, times the vote itself."""
        given = self.given
        gap_VQ = mean_V[:, None] + np.sqrt(variance_V)[:, None] * _NODES
        slope_V, side_V = state.slope_K[given.person_V], state.side_K[given.person_V] * given.sided_V
        chance_VQ = expit(slope_V[:, None] * gap_VQ + side_V[:, None])
        share_V1 = given.share_V[:, None]
        # sigma(x)^y sigma(-x)^(1 - y); whole votes need no powers
        likely_VQ = np.where(share_V1 == 1, chance_VQ, 1 - chance_VQ)
        split = np.flatnonzero((given.share_V > 0) & (given.share_V < 1))
        likely_VQ[split] = chance_VQ[split] ** share_V1[split] * (1 - chance_VQ[split]) ** (1 - share_V1[split])
        weight_VQ = likely_VQ * _WEIGHTS
        weight_VQ /= weight_VQ.sum(axis=1, keepdims=True)
        return Gaps(gap_VQ, weight_VQ, share_V1 - chance_VQ, chance_VQ * (1 - chance_VQ))

    def _information(self, state: State, vote: Gaps) -> Floats:
        """Precision of each person's (slope, side) given the scores' posterior, prior included: shape (K, 2, 2)."""
        sided_V, bent_VQ = self.given.sided_V, vote.weight_VQ * vote.curvature_VQ
        precision_K22 = np.zeros((self.given.n_people, 2, 2))
        precision_K22[:, 0, 0] = self._summed((bent_VQ * vote.gap_VQ**2).sum(axis=1)) + 1 / state.slope_prior
        precision_K22[:, 1, 1] = self._summed(bent_VQ.sum(axis=1) * sided_V) + 1 / state.side_prior
        both_K = self._summed((bent_VQ * vote.gap_VQ).sum(axis=1) * sided_V)
        precision_K22[:, 0, 1] = precision_K22[:, 1, 0] = both_K
        return precision_K22

    def _between(self, by_slope_V: Floats, by_side_V: Floats) -> csr_array:
        """Precision between scores (rows) and people's slopes and sides (columns)."""
        given, n = self.given, self.given.n_people
        rows = np.concatenate([given.left_V, given.right_V, given.left_V, given.right_V])
        columns = np.concatenate([given.person_V, given.person_V, given.person_V + n, given.person_V + n])
        values = np.concatenate([by_slope_V, -by_slope_V, by_side_V, -by_side_V])
        return csr_array((values, (rows, columns)), shape=(given.n_items, 2 * n))

    def _spread(self, told: csr_array, covariance: Floats) -> Floats:
        """Cells of told covariance told', a slice of rows at a time."""
        one, two = self.blocks.ends()
        spread = np.empty(self.blocks.cells)
        step = max(1, _NUMBERS // covariance.shape[1])
        for start in range(0, len(one), step):
            here = slice(start, start + step)
            spread[here] = ((told[one[here]] @ covariance) * told[two[here]].toarray()).sum(axis=1)
        return spread

    def _summed(self, value_V: Floats) -> Floats:
        return np.bincount(self.given.person_V, value_V, self.given.n_people).astype(np.float64)


def careful(slope_K: Floats) -> float:
    """Mean |slope| over votes weighed by what they tell of the scores, the information a^2: sum |a|^3 / sum a^2.

    Weighed by |a| instead, the noise in guessers' slopes pulled it down by a tenth, and with it every score: 90%
    intervals then held 87% of the truth; with a^2 they hold 88% to 89% (300 seeds of `benchmarks/people.py scores`).
    """
    size_K = np.abs(slope_K)
    return max(float((size_K**3).sum()) / max(float(size_K @ size_K), 1e-12), 1e-3)


def careful_slopes(slope_K: Floats) -> Floats:
    """Derivatives of `careful` by each slope, (3 a |a| - 2 a u) / sum a^2, at slopes that are u at most.

    Who stands far above the others is mostly noise: taken as they are, the unit would be theirs, and their slope sure.
    """
    size_K = np.minimum(np.abs(slope_K), careful(slope_K))
    total = max(float(size_K @ size_K), 1e-12)
    return np.asarray(np.sign(slope_K) * size_K * (3 * size_K - 2 * careful(size_K)) / total)


def _spread_out(square_K22: Floats) -> Floats:
    """One matrix over all slopes and then all sides, from each person's own 2 x 2."""
    rows = [np.concatenate([np.diag(square_K22[:, row, column]) for column in (0, 1)], axis=1) for row in (0, 1)]
    return np.concatenate(rows)


def _gathered(matrix: Floats) -> Floats:
    """Each person's own 2 x 2 out of a matrix over all slopes and then all sides."""
    n = len(matrix) // 2
    every = np.arange(n)
    return np.stack([np.stack([matrix[every + i * n, every + j * n] for j in (0, 1)], axis=1) for i in (0, 1)], axis=1)


def island_means(value_I: Floats, island_I: Ints) -> Floats:
    return np.asarray((np.bincount(island_I, value_I) / np.bincount(island_I))[island_I])
