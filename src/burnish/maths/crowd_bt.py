"""CrowdBT: scores from pairs when each person is right with a probability of their own.

    P(person k says i over j) = eta_k sigma(s_i - s_j) + (1 - eta_k) sigma(s_j - s_i)

eta_k = 1 is a person who chooses as the scores say, 1/2 one who guesses, 0 one who always says the opposite. (s, eta)
and (-s, 1 - eta) explain the same votes; the prior on eta, whose mean is above 1/2, says which of the two is meant.
The slope-and-position model of `burnish.maths.annotators` tells more (a liking for a side, how sharp a person sees);
this one is here to compare with, and because its one number a person is easily told.

We write the gradient out and test it against finite differences, because one widely installed implementation of a
noisy Bradley-Terry model carries a wrong one. Source: Chen, Bennett, Collins-Thompson & Horvitz, WSDM 2013, eq. 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, log_expit, ndtri

from burnish.errors import InputError
from burnish.maths.blocks import Blocks
from burnish.maths.choice import islands, logistic_normal
from burnish.maths.posterior import laplace
from burnish.maths.propagation import Votes
from burnish.records import Interval

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRIOR_RELIABILITY = (4.0, 1.0)
"""Beta prior of eta: as if every person had been seen to be right four times and wrong once."""


@dataclass(frozen=True, slots=True)
class CrowdScores:
    """Fitted scores of items 0..I-1 and reliabilities of people 0..K-1."""

    scores_I: Floats
    """Centred on 0 within each island."""
    covariance_II: Floats
    """Laplace posterior of the scores, people's reliabilities integrated out."""
    reliability_K: Floats
    """eta at the mode."""
    logit_variance_K: Floats
    """Posterior variance of logit(eta)."""
    island_I: Ints

    def interval(self, item: int, *, confidence: float = 0.95) -> Interval:
        """The item's score with its posterior interval."""
        half = float(ndtri(0.5 + confidence / 2) * np.sqrt(self.covariance_II[item, item]))
        score = float(self.scores_I[item])
        return Interval(mean=score, low=score - half, high=score + half, n=len(self.scores_I))


def crowd_bt(
    winners: ArrayLike,
    losers: ArrayLike,
    people: ArrayLike,
    *,
    n_items: int,
    n_people: int,
    ridge: float = 1.0,
    prior: tuple[float, float] = PRIOR_RELIABILITY,
) -> CrowdScores:
    """Scores and reliabilities at the mode of the posterior, scores ~ N(0, 1/ridge), eta ~ Beta(prior).

    One row a vote. Raises InputError where no two people voted on one island of items: whether somebody is reliable
    shows only against others.
    """
    winner_V, loser_V, person_V = (np.asarray(each, dtype=np.int64) for each in (winners, losers, people))
    island_I = _checked(winner_V, loser_V, person_V, n_items, n_people)

    def energy(parameters: Floats) -> tuple[float, Floats]:
        return crowd_energy(parameters, winner_V, loser_V, person_V, n_items=n_items, ridge=ridge, prior=prior)

    start = np.concatenate([np.zeros(n_items), np.full(n_people, np.log(prior[0] / prior[1]))])
    found = laplace(energy, start, name="crowd_bt")
    scores_I, logit_K = found.mode_P[:n_items], found.mode_P[n_items:]
    centre_I = np.bincount(island_I, weights=scores_I)[island_I] / np.bincount(island_I)[island_I]
    spread_P = np.diag(found.covariance_PP)
    covariance_II = found.covariance_PP[:n_items, :n_items]
    return CrowdScores(scores_I - centre_I, covariance_II, expit(logit_K), spread_P[n_items:], island_I)


def crowd_energy(
    parameters: Floats,
    winner_V: Ints,
    loser_V: Ints,
    person_V: Ints,
    *,
    n_items: int,
    ridge: float,
    prior: tuple[float, float],
    weight_V: Floats | None = None,
) -> tuple[float, Floats]:
    """Negative log posterior at (s_1..s_I, logit eta_1..logit eta_K), and its gradient.

    With w = eta sigma(d) + (1 - eta) sigma(-d), d = s_winner - s_loser:
    d log w / d d = (2 eta - 1) sigma(d) sigma(-d) / w
    d log w / d logit eta = (sigma(d) - sigma(-d)) eta (1 - eta) / w
    The prior's density is taken over logit eta, so that the mode does not run to 0 or 1. `weight_V`: of votes, all 1
    by default.
    """
    scores_I, logit_K = parameters[:n_items], parameters[n_items:]
    gap_V = scores_I[winner_V] - scores_I[loser_V]
    eta_V = expit(logit_K)[person_V]
    up_V, down_V = expit(gap_V), expit(-gap_V)
    chance_V = eta_V * up_V + (1 - eta_V) * down_V
    a, b = prior
    log_prior = (a * log_expit(logit_K) + b * log_expit(-logit_K)).sum() - len(logit_K) * betaln(a, b)
    counts_V = np.ones(len(winner_V)) if weight_V is None else weight_V
    value = -(counts_V * np.log(chance_V)).sum() - log_prior + ridge / 2 * scores_I @ scores_I
    by_gap_V = counts_V * (2 * eta_V - 1) * up_V * down_V / chance_V
    by_logit_V = counts_V * (up_V - down_V) * eta_V * (1 - eta_V) / chance_V
    gradient_I = np.bincount(winner_V, by_gap_V, n_items) - np.bincount(loser_V, by_gap_V, n_items)
    eta_K = expit(logit_K)
    gradient_K = np.bincount(person_V, by_logit_V, len(logit_K)) + a * (1 - eta_K) - b * eta_K
    return float(value), np.concatenate([ridge * scores_I - gradient_I, -gradient_K])


@dataclass(frozen=True, slots=True)
class IslandCrowd:
    """The same over many small islands, such as prompts: covariances of items of one island only."""

    scores_I: Floats
    """Centred on 0 within each island."""
    variance_I: Floats
    reliability_K: Floats
    island_I: Ints
    prior_variance: float
    """Of a score, before anybody voted."""
    cells: Floats
    blocks: Blocks

    def gap_variance(self, first_P: Ints, second_P: Ints) -> Floats:
        """Posterior variance of s_first - s_second; both of a pair must be on one island."""
        shared_P = self.cells[self.blocks.cell(first_P, second_P)]
        return np.maximum(self.variance_I[first_P] + self.variance_I[second_P] - 2 * shared_P, 0.0)

    def probabilities(self, first_P: Ints, second_P: Ints) -> tuple[Floats, Floats]:
        """Mean and variance of the probability that a reliable person prefers the first of each pair.

        Raises InputError for a pair on two islands: nobody's answers link them.
        """
        if (self.island_I[first_P] != self.island_I[second_P]).any():
            raise InputError("crowd_bt: a pair is linked by no comparison. Ask for one between their groups.")
        return logistic_normal(self.scores_I[first_P] - self.scores_I[second_P], self.gap_variance(first_P, second_P))


def crowd_by_island(given: Votes, *, ridge: float = 1.0, prior: tuple[float, float] = PRIOR_RELIABILITY) -> IslandCrowd:
    """`crowd_bt` of votes with shares (a tie is half a vote for each), its Laplace posterior taken island by island.

    With H the Hessian, S scores and L reliabilities: cov S = A + A G M G' A, A = H_SS^-1, one block an island,
    G = H_SL, M = (H_LL - G' A G)^-1. The side where a text stood plays no part. InputError as in `crowd_bt`.
    """
    share_V, people = given.share_V, given.n_people
    winner_V = np.concatenate([given.left_V, given.right_V])
    loser_V, person_V = np.concatenate([given.right_V, given.left_V]), np.tile(given.person_V, 2)
    weight_V = np.concatenate([share_V, 1 - share_V])
    island_I = _checked(winner_V, loser_V, person_V, given.n_items, people)

    def energy(parameters: Floats) -> tuple[float, Floats]:
        return crowd_energy(
            parameters, winner_V, loser_V, person_V, n_items=given.n_items, ridge=ridge, prior=prior, weight_V=weight_V
        )

    start = np.concatenate([np.zeros(given.n_items), np.full(people, np.log(prior[0] / prior[1]))])
    found = minimize(energy, start, jac=True, method="L-BFGS-B", options={"maxiter": 2_000, "gtol": 1e-6})
    scores_I, eta_K = found.x[: given.n_items], expit(found.x[given.n_items :])
    by_gap_V, mixed_V, by_logit_V = _curvature(scores_I[winner_V] - scores_I[loser_V], eta_K[person_V])
    blocks = Blocks(island_I)
    cells = blocks.inverse(blocks.laplacian(winner_V, loser_V, weight_V * by_gap_V, ridge))
    cross_IK = np.zeros((given.n_items, people))
    np.add.at(cross_IK, (winner_V, person_V), weight_V * mixed_V)
    np.add.at(cross_IK, (loser_V, person_V), -weight_V * mixed_V)
    own_K = np.bincount(person_V, weight_V * by_logit_V, people) + sum(prior) * eta_K * (1 - eta_K)
    through_IK = np.stack([blocks.times(cells, column) for column in cross_IK.T], axis=1)
    unsure_KK = np.linalg.inv(np.diag(own_K) - cross_IK.T @ through_IK)
    row, column = blocks.ends()
    cells = cells + ((through_IK @ unsure_KK)[row] * through_IK[column]).sum(axis=1)
    every = np.arange(given.n_items)
    centre_I = np.bincount(island_I, weights=scores_I)[island_I] / np.bincount(island_I)[island_I]
    variance_I = cells[blocks.cell(every, every)]
    return IslandCrowd(scores_I - centre_I, variance_I, eta_K, island_I, 1 / ridge, cells, blocks)


def _curvature(gap_V: Floats, eta_V: Floats) -> tuple[Floats, Floats, Floats]:
    """Second derivatives of -log w, w as in `crowd_energy`, by the gap twice, by gap and logit, by the logit twice."""
    up_V, down_V, bent_V = expit(gap_V), expit(-gap_V), eta_V * (1 - eta_V)
    slope_V = up_V * down_V
    chance_V = eta_V * up_V + (1 - eta_V) * down_V
    gap_1, logit_1 = (2 * eta_V - 1) * slope_V / chance_V, (up_V - down_V) * bent_V / chance_V
    gap_2 = (2 * eta_V - 1) * slope_V * (down_V - up_V) / chance_V
    return gap_1**2 - gap_2, gap_1 * logit_1 - 2 * slope_V * bent_V / chance_V, logit_1**2 - logit_1 * (1 - 2 * eta_V)


def _checked(winner_V: Ints, loser_V: Ints, person_V: Ints, n_items: int, n_people: int) -> Ints:
    """Islands of the items; InputError where nothing tells reliable people from others."""
    if not winner_V.shape == loser_V.shape == person_V.shape:
        raise InputError(f"crowd_bt: {winner_V.shape} winners, {loser_V.shape} losers, {person_V.shape} people.")
    for what, numbers, most in (("item", np.concatenate([winner_V, loser_V]), n_items), ("person", person_V, n_people)):
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= most):
            raise InputError(f"crowd_bt: {what}s go from {numbers.min()} to {numbers.max()}, expected 0 to {most - 1}.")
    if same := int((winner_V == loser_V).sum()):
        raise InputError(f"crowd_bt: {same} votes compare an item with itself. Leave them out.")
    island_I = islands(winner_V, loser_V, n_items=n_items)
    met = np.unique(np.stack([island_I[winner_V], person_V], axis=1), axis=0)
    if not (np.bincount(met[:, 0]) > 1).any():
        raise InputError(
            "crowd_bt: no two people voted on the same items, so nothing tells who is reliable. "
            "Let people answer some of the same questions, or use `bradley_terry`."
        )
    return island_I
