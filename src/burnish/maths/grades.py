"""Quality on an interval scale from grades by people who are harsh, lenient, cautious, careless or contrary.

`graded_response`: person k gives item i the grade y or more with

    P(y >= m) = sigma(a_k theta_i - c_km),     c_k1 < c_k2 < ...

a_k is how well the person sees (1 careful, 0 guesses, negative grades upside down), c_k1 - c_1 how strict, and
the widths between cut-points are the group's times a factor of their own, so that a person who only uses the middle is
told from one who uses the ends. `many_facet`: everybody sees equally well; strictness of people and criteria adds up:

    log P(y = m) / P(y = m - 1) = a (theta_i - strict_k - hard_d) - tau_m

In both theta_i ~ N(0, 1) is integrated out on a grid (marginal likelihood, Bock & Aitkin 1981), because with a handful
of grades an item a joint fit takes noise for quality; people are at the mode, drawn towards the group. The gradient is
exact (Fisher's identity) and tested by finite differences. An item's stated variance is that of its posterior given
people. Grades are categories in order: nothing assumes that from 1 to 2 is as far as from 4 to 5.
Sources: Samejima 1969; Masters 1982; Linacre 1989.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, logsumexp, softmax

from burnish.errors import InputError
from burnish.maths.choice import islands

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Tables: TypeAlias = tuple[Floats, Callable[[Floats], Floats]]
"""log P(grade | person, quality), shape (K, M, Q), and the way back: expected counts of that shape -> gradient."""

SLOPE_SPREAD = 1.0
"""Standard deviation of people's slopes around the group's, as a share of it."""
STRICT_SPREAD = 1.0
"""Of cut-points, in logits."""
WIDTH_SPREAD = 0.5
"""Of the logarithm of a person's widths between cut-points."""
MOST_GRADES = 12
"""More distinct values are put into that many bins of equal counts: a slider of 101 places has no 100 cut-points."""
_GRID = np.linspace(-4.0, 4.0, 25)
_LOG_PRIOR = -np.square(_GRID) / 2 - logsumexp(-np.square(_GRID) / 2)
_WIDE = 3.0  # standard deviation of the group's own cut-points and of its log slope


@dataclass(frozen=True, slots=True)
class Grades:
    """Checked grades. Made by `grades`."""

    item_N: Ints
    person_N: Ints
    category_N: Ints
    value_M: Floats
    """What a category stands for: its value, or the mean of the values put into it."""
    n_items: int
    n_people: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Posterior of items 0..I-1 and what people 0..K-1 are like."""

    quality_I: Floats
    """Posterior mean of theta: 0 is the average item, 1 one standard deviation above."""
    variance_I: Floats
    grade_I: Floats
    """The grade a careful and average-strict person is expected to give, in units of the grades."""
    grade_variance_I: Floats
    """Posterior variance of that expectation; a single grade would scatter more."""
    slope_K: Floats
    """1 careful, 0 guesses, negative upside down. All 1 in the many-facet model."""
    slope_variance_K: Floats
    strict_K: Floats
    """How much harder than the group, in logits; positive is strict."""
    strict_variance_K: Floats
    criterion_D: Floats
    """How much harder each criterion is, many-facet model only."""
    grid_chance_IQ: Floats
    """Posterior of each item over the grid of qualities."""


def grades(items: ArrayLike, people: ArrayLike, values: ArrayLike, *, n_items: int, n_people: int) -> Grades:
    """Checked grades, one row each. Distinct values become categories in order; unused ones simply do not exist.

    Raises InputError where nobody's grades differ, or where people and items fall into groups that nothing links:
    whether one group is strict or its items are bad cannot be known.
    """
    item_N, person_N = np.asarray(items, dtype=np.int64), np.asarray(people, dtype=np.int64)
    value_N = np.asarray(values, dtype=np.float64)
    if not item_N.shape == person_N.shape == value_N.shape:
        raise InputError(f"grades: {item_N.shape} items, {person_N.shape} people, {value_N.shape} values.")
    if not len(item_N) or not np.isfinite(value_N).all():
        raise InputError("grades: none given, or one is not a finite number. Leave out what was not graded.")
    for what, codes, most in (("item", item_N, n_items), ("person", person_N, n_people)):
        if codes.min() < 0 or codes.max() >= most:
            raise InputError(f"grades: {what}s go from {codes.min()} to {codes.max()}, expected 0 to {most - 1}.")
    value_M, category_N = _categories(value_N)
    if len(value_M) < 2:
        raise InputError(f"grades: all are {value_N[0]:g}, so nothing tells items or people apart.")
    _need_links(item_N, person_N, n_items, n_people)
    return Grades(item_N, person_N, category_N, value_M, n_items, n_people)


def graded_response(given: Grades) -> Quality:
    """Quality of items with each person's slope, strictness and use of the scale."""
    people, cuts = given.n_people, len(given.value_M) - 1
    start = np.concatenate([[0.0], _first_cuts(given), np.ones(people), np.zeros(people * cuts)])
    counts = _counts(given, given.person_N, people)

    def tables(parameters: Floats) -> Tables:
        return _graded_tables(parameters, people, cuts)

    found = _settled(counts, tables, _graded_prior(people, cuts), start)
    slope_K = found[1 + cuts : 1 + cuts + people]
    chance_IQ = _chances(counts, tables(found)[0])
    unit = max(float(slope_K @ slope_K) / max(float(np.abs(slope_K).sum()), 1e-12), 1e-3)
    careful = np.concatenate([found[: 1 + cuts], [unit], np.zeros(cuts)])  # no strictness, the group's widths
    information_K22 = _graded_information(given, chance_IQ, found)
    information_K22 += np.diag([1 / SLOPE_SPREAD**2, 1 / STRICT_SPREAD**2])
    variance_K22 = np.linalg.inv(information_K22)
    strict_K = found[1 + cuts + people :].reshape(people, cuts)[:, 0]
    table_MQ = _graded_tables(careful, 1, cuts)[0][0]
    slopes = slope_K / unit, variance_K22[:, 0, 0] / unit**2, strict_K, variance_K22[:, 1, 1]
    return _quality(given, chance_IQ, table_MQ, slopes, np.zeros(0))


def many_facet(given: Grades, criteria: ArrayLike | None = None, *, n_criteria: int = 0) -> Quality:
    """Quality of items with each person's strictness and each criterion's hardness, on one additive scale."""
    people, cuts = given.n_people, len(given.value_M) - 1
    criterion_N = np.zeros_like(given.item_N) if criteria is None else np.asarray(criteria, dtype=np.int64)
    wide = max(1, n_criteria)
    if criterion_N.shape != given.item_N.shape or criterion_N.min() < 0 or criterion_N.max() >= wide:
        raise InputError(f"grades.criteria: expected one of 0 to {wide - 1} for each of {len(given.item_N)} grades.")
    start = np.concatenate([[0.0], np.zeros(cuts), np.zeros(people + wide)])
    counts = _counts(given, given.person_N * wide + criterion_N, people * wide)

    def tables(parameters: Floats) -> Tables:
        return _facet_tables(parameters, people, wide, cuts)

    spreads = np.concatenate([np.full(1 + cuts, _WIDE), np.full(people + wide, STRICT_SPREAD)])
    found = _settled(counts, tables, spreads, start)
    chance_IQ = _chances(counts, tables(found)[0])
    strict_K, hard_D = found[1 + cuts : 1 + cuts + people], found[1 + cuts + people :]
    middle = np.concatenate([found[: 1 + cuts], [0.0], [float(hard_D.mean())]])
    table_MQ = _facet_tables(middle, 1, 1, cuts)[0][0]
    slope = float(np.exp(found[0]))
    expected_Q = np.exp(table_MQ).T @ np.arange(cuts + 1)
    bent_Q = np.exp(table_MQ).T @ np.square(np.arange(cuts + 1)) - expected_Q**2
    told_K = np.bincount(given.person_N, slope**2 * (chance_IQ @ bent_Q)[given.item_N], people)
    flat = np.ones(people), np.zeros(people)
    facets = *flat, strict_K, 1 / (told_K + 1 / STRICT_SPREAD**2)
    return _quality(given, chance_IQ, table_MQ, facets, hard_D - hard_D.mean() if n_criteria else np.zeros(0))


# ------------------------------------------------------------------------------------------------- the two likelihoods


def _graded_tables(parameters: Floats, people: int, cuts: int) -> Tables:
    """Parameters: log slope of the group; its first cut and log widths; slopes; strictness and log width factors."""
    scale = np.exp(parameters[0])
    group_C, slope_K = parameters[1 : 1 + cuts], parameters[1 + cuts : 1 + cuts + people]
    own_KC = parameters[1 + cuts + people :].reshape(people, cuts)
    step_KC = group_C + own_KC
    step_KC[:, 1:] = np.exp(step_KC[:, 1:])
    cut_KC = np.cumsum(step_KC, axis=1)
    level_KCQ = scale * slope_K[:, None, None] * _GRID - cut_KC[:, :, None]
    above_KCQ = expit(level_KCQ)
    ends = np.ones((people, 1, len(_GRID)))
    chance_KMQ = np.maximum(-np.diff(np.concatenate([ends, above_KCQ, 0 * ends], axis=1), axis=1), 1e-12)

    def back(count_KMQ: Floats) -> Floats:
        share_KMQ = count_KMQ / chance_KMQ
        by_level_KCQ = above_KCQ * (1 - above_KCQ) * np.diff(share_KMQ, axis=1)
        by_slope_K = scale * (by_level_KCQ.sum(axis=1) @ _GRID)
        by_cut_KC = -by_level_KCQ.sum(axis=2)
        by_step_KC = np.cumsum(by_cut_KC[:, ::-1], axis=1)[:, ::-1].copy()
        by_step_KC[:, 1:] *= step_KC[:, 1:]
        return np.concatenate([[by_slope_K @ slope_K], by_step_KC.sum(axis=0), by_slope_K, by_step_KC.ravel()])

    return np.log(chance_KMQ), back


def _graded_prior(people: int, cuts: int) -> Floats:
    """Standard deviation of each parameter around its start's place: 1 for slopes, 0 for all others."""
    own_C = np.concatenate([[STRICT_SPREAD], np.full(cuts - 1, WIDTH_SPREAD)])
    return np.concatenate([np.full(1 + cuts, _WIDE), np.full(people, SLOPE_SPREAD), np.tile(own_C, people)])


def _facet_tables(parameters: Floats, people: int, criteria: int, cuts: int) -> Tables:
    """Parameters: log slope; cut-points tau; strictness of people; hardness of criteria."""
    scale = np.exp(parameters[0])
    tau_C = parameters[1 : 1 + cuts]
    strict_K, hard_D = parameters[1 + cuts : 1 + cuts + people], parameters[1 + cuts + people :]
    reach_FQ = (_GRID - (strict_K[:, None] + hard_D).reshape(-1, 1)).reshape(people * criteria, -1)
    grade_M = np.arange(cuts + 1.0)
    paid_M = np.concatenate([[0.0], np.cumsum(tau_C)])
    level_FMQ = scale * grade_M[:, None] * reach_FQ[:, None] - paid_M[:, None]
    log_FMQ = level_FMQ - logsumexp(level_FMQ, axis=1, keepdims=True)

    def back(count_FMQ: Floats) -> Floats:
        by_level_FMQ = count_FMQ - np.exp(log_FMQ) * count_FMQ.sum(axis=1, keepdims=True)
        by_reach_FQ = scale * np.einsum("fmq,m->fq", by_level_FMQ, grade_M)
        by_facet_KD = -by_reach_FQ.sum(axis=1).reshape(people, criteria)
        by_paid_M = -by_level_FMQ.sum(axis=(0, 2))
        by_tau_C = np.cumsum(by_paid_M[::-1])[::-1][1:]
        by_scale = float((by_reach_FQ * reach_FQ).sum())
        return np.concatenate([[by_scale], by_tau_C, by_facet_KD.sum(axis=1), by_facet_KD.sum(axis=0)])

    return log_FMQ, back


# -------------------------------------------------------------------------------------------------- what both stand on


def energy(
    parameters: Floats, counts: csr_array, tables: Callable[[Floats], Tables], spreads: Floats, centre: Floats
) -> tuple[float, Floats]:
    """Negative log of (marginal likelihood x prior) and its gradient.

    Fisher's identity: the gradient of the marginal log likelihood is that of the complete one, averaged over the
    items' posterior, so expected counts are all that goes back.
    """
    table_KMQ, back = tables(parameters)
    log_IQ = counts @ table_KMQ.reshape(-1, len(_GRID)) + _LOG_PRIOR
    evidence_I = logsumexp(log_IQ, axis=1)
    expected_KMQ = (counts.T @ np.exp(log_IQ - evidence_I[:, None])).reshape(table_KMQ.shape)
    off = (parameters - centre) / spreads
    return float(off @ off / 2 - evidence_I.sum()), off / spreads - back(expected_KMQ)


def _settled(counts: csr_array, tables: Callable[[Floats], Tables], spreads: Floats, start: Floats) -> Floats:
    """Mode of the marginal posterior. The prior is centred where the start is, but for the group's cut-points at 0."""
    found = minimize(
        energy,
        start,
        args=(counts, tables, spreads, np.where(spreads == _WIDE, 0.0, start)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxcor": 20, "ftol": 1e-8},
    )
    return np.asarray(found.x, dtype=np.float64)


def _counts(given: Grades, facet_N: Ints, facets: int) -> csr_array:
    """How often item i was given category m by facet f, shape (I, facets x M)."""
    n_categories = len(given.value_M)
    column_N = facet_N * n_categories + given.category_N
    shape = (given.n_items, facets * n_categories)
    return csr_array((np.ones(len(facet_N)), (given.item_N, column_N)), shape=shape)


def _chances(counts: csr_array, table_KMQ: Floats) -> Floats:
    """Posterior of every item over the grid."""
    return np.asarray(softmax(counts @ table_KMQ.reshape(-1, len(_GRID)) + _LOG_PRIOR, axis=1), dtype=np.float64)


def _graded_information(given: Grades, chance_IQ: Floats, parameters: Floats) -> Floats:
    """Information of the grades on each person's slope and strictness, qualities integrated out: shape (K, 2, 2).

    Sum over a person's grades of the outer product of the marginal score (Berndt, Hall, Hall & Hausman 1974).
    """
    people, cuts = given.n_people, len(given.value_M) - 1
    scale, slope_K = np.exp(parameters[0]), parameters[1 + cuts : 1 + cuts + people]
    step_KC = parameters[1 : 1 + cuts] + parameters[1 + cuts + people :].reshape(people, cuts)
    step_KC[:, 1:] = np.exp(step_KC[:, 1:])
    above_KCQ = expit(scale * slope_K[:, None, None] * _GRID - np.cumsum(step_KC, axis=1)[:, :, None])
    # d log P(y) / d level is 1 - F_y - F_(y+1), the same for a move of all cut-points
    edge = np.ones((people, 1, len(_GRID)))
    fence_KMQ = np.concatenate([edge, above_KCQ, 0 * edge], axis=1)
    slope_KMQ = 1 - fence_KMQ[:, :-1] - fence_KMQ[:, 1:]
    score_NQ = slope_KMQ[given.person_N, given.category_N] * chance_IQ[given.item_N]
    score_N2 = np.stack([scale * (score_NQ @ _GRID), -score_NQ.sum(axis=1)], axis=1)
    told_K22 = np.zeros((people, 2, 2))
    np.add.at(told_K22, given.person_N, score_N2[:, :, None] * score_N2[:, None, :])
    return told_K22


def _quality(
    given: Grades,
    chance_IQ: Floats,
    table_MQ: Floats,
    people: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    criterion_D: Floats,
) -> Quality:
    expected_Q = np.exp(table_MQ).T @ given.value_M
    quality_I, grade_I = chance_IQ @ _GRID, chance_IQ @ expected_Q
    return Quality(
        quality_I,
        chance_IQ @ np.square(_GRID) - quality_I**2,
        grade_I,
        np.maximum(chance_IQ @ np.square(expected_Q) - grade_I**2, 0.0),
        *people,
        criterion_D,
        chance_IQ,
    )


def _categories(value_N: Floats) -> tuple[Floats, Ints]:
    """Values of the categories in ascending order and the category of each row."""
    value_M, code_N = np.unique(value_N, return_inverse=True)
    if len(value_M) <= MOST_GRADES:
        return value_M, code_N.astype(np.int64)
    edges = np.unique(np.quantile(value_N, np.linspace(0, 1, MOST_GRADES + 1)[1:-1]))
    bin_N = np.unique(np.searchsorted(edges, value_N, side="left"), return_inverse=True)[1].astype(np.int64)
    return np.bincount(bin_N, value_N) / np.bincount(bin_N), bin_N


def _first_cuts(given: Grades) -> Floats:
    """Cut-points that give everybody's counts at quality 0, as a first cut and log widths."""
    above_C = 1 - np.cumsum(np.bincount(given.category_N))[:-1] / len(given.category_N)
    cut_C = -np.log(above_C / (1 - above_C))
    return np.concatenate([cut_C[:1], np.log(np.maximum(np.diff(cut_C), 0.05))])


def _need_links(item_N: Ints, person_N: Ints, n_items: int, n_people: int) -> None:
    island = islands(item_N, person_N + n_items, n_items=n_items + n_people)
    used = np.unique(person_N)
    groups = [used[island[used + n_items] == each].tolist() for each in np.unique(island[used + n_items])]
    if len(groups) > 1:
        shown = "; ".join(str(group[:8]) for group in groups[:3])
        raise InputError(
            f"grades: people fall into {len(groups)} groups that graded no common item (people {shown}). Nothing says "
            "whether a group is strict or its items are bad. Let some items be graded by both groups."
        )
