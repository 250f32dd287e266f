"""Scores from pairs judged by people who differ: a slope and a liking for the left side, one of each a person.

    logit P(person k chooses the left) = a_k (s_left - s_right) + b_k

a_k says how closely a person follows the order that the whole shows: 1 as a careful person does, 0 guesses, below 0
says the opposite. b_k is the pull of the left side (0 where it is not known who stood left). Both are drawn towards the
group, a_k ~ N(mu, tau^2) and b_k ~ N(0, beta^2) with mu, tau and beta fitted (partial pooling): a person of three votes
is taken to be like the others, one of three hundred speaks for themself. Scores are s ~ N(0, 1) before the rescaling.

Scores are integrated out, people and the group's spreads are at the mode of what is left (empirical Bayes). The scores'
posterior is found by expectation propagation: every vote is replaced by a normal factor in s_left - s_right that gives
the same mean and variance as the vote itself would, beside all others (Minka 2001). We tried variational normals first,
whose steps are closed-form: with three votes a pair they take the spread of the scores to be half of what it is. People
are fitted by EM on those means; stated variances take in how unsure people's own slopes are.

Slopes and scores may be stretched against each other without changing any probability. We fix that at the end: a
slope of 1 is that of the person behind a vote drawn in proportion to the information in it, sum |a|^3 / sum a^2, so
that s_i - s_j is in logits of a careful person. (-s, -a) fits as well as (s, a): that most slopes are positive is
assumed.
Sources: Bradley & Terry 1952; slopes as in Birnbaum 1968; irrelevant features as in Bugakova et al. 2019, 1906.03711.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from burnish.errors import InputError
from burnish.maths.blocks import Blocks
from burnish.maths.choice import islands, logistic_normal
from burnish.maths.propagation import Model, State, Votes, careful, island_means
from burnish.records import Interval

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MOST_LINKED = 2_000
"""Items on one island; the time grows with the third power, minutes from here on."""
_ROUNDS = 400
_SETTLED = 1e-4  # largest move in one round of a slope or a side; ten times that of a score, in logits


@dataclass(frozen=True, slots=True)
class Annotators:
    """Fitted scores of items 0..I-1 and slopes and side offsets of people 0..K-1."""

    scores_I: Floats
    """In logits of a careful person, centred on 0 within each island."""
    variance_I: Floats
    slope_K: Floats
    """1 careful, 0 guesses, negative says the opposite."""
    slope_variance_K: Floats
    side_K: Floats
    """Logit of choosing the left of two equal items; 0 has no liking."""
    side_variance_K: Floats
    slope_mean: float
    """mu and tau of the group, on the same scale."""
    slope_spread: float
    side_spread: float
    score_spread: float
    """Standard deviation of the scores before anybody voted."""
    island_I: Ints
    rounds: int
    others_mean_V: Floats
    """s_left - s_right of each vote as all other votes have it (its cavity): a vote is never its own witness."""
    others_variance_V: Floats
    cells: Floats
    """Covariances of items of one island; `covariance` reads them."""
    blocks: Blocks

    def covariance(self, one: Ints, two: Ints) -> Floats:
        """Posterior covariances of pairs of items, each pair on one island."""
        return self.cells[self.blocks.cell(one, two)]

    def probability(self, first: int, second: int) -> tuple[float, float]:
        """Mean and variance of the probability that a careful person prefers the first to the second.

        Raises InputError for items on different islands: nobody's answers link them.
        """
        mean_P, variance_P = self.probabilities(np.array([first]), np.array([second]))
        return float(mean_P[0]), float(variance_P[0])

    def probabilities(self, first_P: Ints, second_P: Ints) -> tuple[Floats, Floats]:
        """`probability` of many pairs at once."""
        apart = np.flatnonzero(self.island_I[first_P] != self.island_I[second_P])
        if len(apart):
            raise InputError(
                f"annotators: items {first_P[apart[0]]} and {second_P[apart[0]]} are linked by no comparison, so they "
                "have no common scale. Ask for a comparison between their groups."
            )
        return logistic_normal(self.scores_I[first_P] - self.scores_I[second_P], self.gap_variance(first_P, second_P))

    def others_say(self) -> Floats:
        """For each vote, the probability that a careful person would choose the left, from all other votes."""
        return logistic_normal(self.others_mean_V, self.others_variance_V)[0]

    def gap_variance(self, first_P: Ints, second_P: Ints) -> Floats:
        """Posterior variance of s_first - s_second."""
        spread = self.variance_I[first_P] + self.variance_I[second_P] - 2 * self.covariance(first_P, second_P)
        return np.maximum(spread, 0.0)

    def interval(self, item: int, *, confidence: float = 0.95) -> Interval:
        """The item's score with its posterior interval."""
        half = float(ndtri(0.5 + confidence / 2) * np.sqrt(self.variance_I[item]))
        score = float(self.scores_I[item])
        return Interval(mean=score, low=score - half, high=score + half, n=len(self.scores_I))


def votes(
    left: ArrayLike,
    right: ArrayLike,
    people: ArrayLike,
    shares: ArrayLike,
    *,
    n_items: int,
    n_people: int,
    sided: ArrayLike | None = None,
) -> Votes:
    """Checked votes. Raises InputError for numbers out of range, shapes that differ, or shares outside [0, 1].

    `sided`: whether the order of a row is the order of the screen; all are by default.
    """
    left_V, right_V, person_V = (np.asarray(each, dtype=np.int64) for each in (left, right, people))
    share_V = np.asarray(shares, dtype=np.float64)
    sided_V = np.ones(len(left_V)) if sided is None else np.asarray(sided, dtype=np.float64)
    if not left_V.shape == right_V.shape == person_V.shape == share_V.shape == sided_V.shape:
        raise InputError(
            f"annotators: {left_V.shape} left, {right_V.shape} right, {person_V.shape} people, {share_V.shape} shares."
        )
    if not len(left_V):
        raise InputError("annotators: no votes. Collect some first.")
    for what, numbers, most in (("item", np.concatenate([left_V, right_V]), n_items), ("person", person_V, n_people)):
        if numbers.min() < 0 or numbers.max() >= most:
            raise InputError(
                f"annotators: {what}s go from {numbers.min()} to {numbers.max()}, expected 0 to {most - 1}."
            )
    if same := int((left_V == right_V).sum()):
        raise InputError(f"annotators: {same} votes compare an item with itself. Leave them out.")
    if not ((share_V >= 0) & (share_V <= 1)).all():
        raise InputError("annotators: a vote's share is outside [0, 1]. 1 is the left, 0 the right, 1/2 a tie.")
    return Votes(left_V, right_V, person_V, share_V, sided_V, n_items, n_people)


def fit(given: Votes) -> Annotators:
    """Scores, slopes and side offsets of the votes.

    Raises InputError where no two people voted on one island of items: nothing then tells a careful person from a
    careless one, and a fit would only give the prior back; and where an island holds more than `MOST_LINKED` items.
    """
    island_I = islands(given.left_V, given.right_V, n_items=given.n_items)
    _need_company(given, island_I)
    if (largest := int(np.bincount(island_I).max())) > MOST_LINKED:
        raise InputError(
            f"annotators: comparisons link {largest:,} items with each other, at most {MOST_LINKED:,} are fitted "
            'together. Give what is compared prompts of its own, or use people = "plain".'
        )
    model = Model(given, island_I)
    state = model.start()
    rounds, moved, before = 0, np.inf, _told(state)
    while rounds < _ROUNDS and moved > _SETTLED:
        state, rounds = model.group(model.people(model.scores(state))), rounds + 1
        now = _told(state)
        moved, before = float(np.abs(now - before).max()), now
    state = model.scores(state)
    unit = careful(state.slope_K)
    variance_K22, cells = model.joint(state)
    centred_I = state.mean_I - island_means(state.mean_I, island_I)
    every = np.arange(given.n_items)
    others_mean_V, others_variance_V = model.beside(state)
    return Annotators(
        scores_I=centred_I * unit,
        variance_I=cells[model.blocks.cell(every, every)] * unit**2,
        slope_K=state.slope_K / unit,
        slope_variance_K=variance_K22[:, 0, 0] / unit**2,
        side_K=state.side_K,
        side_variance_K=variance_K22[:, 1, 1],
        slope_mean=state.mu / unit,
        slope_spread=float(np.sqrt(state.slope_prior)) / unit,
        side_spread=float(np.sqrt(state.side_prior)),
        score_spread=unit,
        island_I=island_I,
        rounds=rounds,
        others_mean_V=others_mean_V * unit,
        others_variance_V=others_variance_V * unit**2,
        cells=cells * unit**2,
        blocks=model.blocks,
    )


def _told(state: State) -> Floats:
    """What is told in the end, free of the stretch between slopes and scores, which may still creep."""
    unit = careful(state.slope_K)
    return np.concatenate([state.slope_K / unit, state.side_K, 0.1 * unit * state.mean_I])


def _need_company(given: Votes, island_I: Ints) -> None:
    met = np.unique(np.stack([island_I[given.left_V], given.person_V], axis=1), axis=0)
    if not (np.bincount(met[:, 0]) > 1).any():
        raise InputError(
            "annotators: no two people voted on the same items, so nothing tells a careful person from a careless one. "
            'Let people answer some of the same questions, or use people = "plain".'
        )
