"""Pairs out of scores: two rated texts, and how often a rating drawn for the one beats a rating drawn for the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from burnish.errors import InputError
from burnish.records import Preference, Score

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRIOR_RATINGS = 2.0
"""Ratings that every text is taken to have had already, spread as all texts' ratings are. With thumbs that are half up
this is Beta(1, 1)."""
_PAIRS_AT_ONCE = 20_000


def of_one_prompt(score: Score) -> Hashable:
    """The group a score belongs to by default: texts of one prompt in one respect."""
    return score.prompt.id, score.aspect


def preferences_from_scores(
    scores: Sequence[Score],
    *,
    n_pairs: int,
    within: Callable[[Score], Hashable] = of_one_prompt,
    seed: int = 0,
) -> list[Preference]:
    """Distinct pairs of scored texts, drawn uniformly from all pairs within groups, the better text chosen.

    probability = P(a rating drawn for A > one drawn for B) + P(equal)/2, each text's ratings (`Score.counts`) mixed
    with two that are spread as all texts' ratings are; variance is its posterior variance (Dirichlet) to first order.
    Scores without counts (a reward model's) take P(A > B) for normal distributions with their values and variances,
    and the variance is left open. An exact 1/2 is a tie, ranks (0, 0). All pairs there are, if fewer than `n_pairs`.
    Scores without a value are passed over. Raises InputError where a group mixes prompts: no pair answers one question.
    """
    if n_pairs < 1:
        raise InputError(f"preferences_from_scores: {n_pairs} pairs were asked for. Ask for at least one.")
    scored = [score for score in scores if score.value is not None]
    first_P, second_P = _draw(scored, within, n_pairs, np.random.default_rng(seed))
    if not len(first_P):
        return []
    counted = np.array([bool(score.counts) for score in scored])
    chance_P, variance_P = np.empty(len(first_P)), np.full(len(first_P), np.nan)
    by_counts_P = counted[first_P] & counted[second_P]
    if by_counts_P.any():
        chances, variances = _from_counts(scored, first_P[by_counts_P], second_P[by_counts_P])
        chance_P[by_counts_P], variance_P[by_counts_P] = chances, variances
    if not by_counts_P.all():
        chance_P[~by_counts_P] = _from_spread(scored, first_P[~by_counts_P], second_P[~by_counts_P])
    rows = zip(first_P.tolist(), second_P.tolist(), chance_P.tolist(), variance_P.tolist(), strict=True)
    return [_preference(scored[first], scored[second], chance, variance) for first, second, chance, variance in rows]


def _preference(first: Score, second: Score, chance: float, variance: float) -> Preference:
    if chance < 0.5:
        first, second, chance = second, first, 1 - chance
    return Preference(
        prompt=first.prompt,
        completions=(first.completion, second.completion),
        ranks=(0, 0) if chance == 0.5 else (0, 1),
        probability=chance,
        variance=None if variance != variance else variance,  # NaN is the one number unequal to itself
        weight=min(first.weight, second.weight),
        aspect=first.aspect,
        feedback_ids=first.feedback_ids + second.feedback_ids,
    )


def _draw(
    scored: Sequence[Score], within: Callable[[Score], Hashable], n_pairs: int, generator: np.random.Generator
) -> tuple[Ints, Ints]:
    """Numbers of the first and second text of each pair: every pair within a group equally likely, none twice."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for number, score in enumerate(scored):
        groups[within(score)].append(number)
    for members in groups.values():
        if len(asked := {scored[number].prompt.id for number in members}) > 1:
            raise InputError(
                f"preferences_from_scores: a group holds texts of {len(asked)} prompts, which no one preference can. "
                "Group by prompt, or train on the scores themselves."
            )
    sizes = np.array([len(members) for members in groups.values()], dtype=np.int64)
    order = np.array([number for members in groups.values() for number in members], dtype=np.int64)
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    total = int(ends[-1]) if len(ends) else 0
    picked = np.arange(total) if total <= n_pairs else _distinct(total, n_pairs, generator)
    group_P = np.searchsorted(ends, picked, side="right")
    within_P = picked - np.concatenate([[0], ends])[group_P]
    # pair number t of a group is (i, j), i < j, where j (j - 1) / 2 <= t
    later = np.floor((1 + np.sqrt(1 + 8 * within_P.astype(np.float64))) / 2).astype(np.int64)
    later -= later * (later - 1) // 2 > within_P  # rounding of the root
    later += (later + 1) * later // 2 <= within_P
    earlier = within_P - later * (later - 1) // 2
    start_P = (np.cumsum(sizes) - sizes)[group_P]
    swap = generator.random(len(picked)) < 0.5  # so that a tie's order carries nothing
    one, two = np.where(swap, later, earlier), np.where(swap, earlier, later)
    return order[start_P + one], order[start_P + two]


def _distinct(total: int, n: int, generator: np.random.Generator) -> Ints:
    """n distinct numbers below total, every set equally likely, in random order."""
    if total < 4 * n:
        return generator.permutation(total)[:n]
    drawn: Ints = np.zeros(0, dtype=np.int64)
    while len(drawn) < n:
        more = np.concatenate([drawn, generator.integers(total, size=n)])
        _, place = np.unique(more, return_index=True)
        drawn = more[np.sort(place)]
    return drawn[:n]


def _from_counts(scored: Sequence[Score], first_P: Ints, second_P: Ints) -> tuple[Floats, Floats]:
    """Probability that a rating drawn for the first beats one drawn for the second, and its variance."""
    used = np.unique(np.concatenate([first_P, second_P]))
    rows, ratings, numbers = [], [], []
    for row, number in enumerate(used.tolist()):
        for rating, n in scored[number].counts:
            rows.append(row)
            ratings.append(rating)
            numbers.append(n)
    values_V, codes = np.unique(np.array(ratings, dtype=np.float64), return_inverse=True)
    count_SV = np.zeros((len(used), len(values_V)))
    np.add.at(count_SV, (np.array(rows), codes), np.array(numbers))
    everyone_V = count_SV.sum(axis=0) / count_SV.sum()
    size_S = count_SV.sum(axis=1) + PRIOR_RATINGS
    share_SV = (count_SV + PRIOR_RATINGS * everyone_V) / size_S[:, None]
    beaten_SV = np.cumsum(share_SV, axis=1) - share_SV / 2  # P(a rating drawn for the text < v) + half of P(= v)
    first_S, second_S = np.searchsorted(used, first_P), np.searchsorted(used, second_P)
    chances, variances = np.empty(len(first_P)), np.empty(len(first_P))
    for start in range(0, len(first_P), _PAIRS_AT_ONCE):
        here = slice(start, start + _PAIRS_AT_ONCE)
        one, two = first_S[here], second_S[here]
        chances[here] = np.einsum("pv,pv->p", share_SV[one], beaten_SV[two])
        variances[here] = sum(
            (
                np.einsum("pv,pv->p", share_SV[a], np.square(beaten_SV[b]))
                - np.einsum("pv,pv->p", share_SV[a], beaten_SV[b]) ** 2
            )
            / (size_S[a] + 1)
            for a, b in ((one, two), (two, one))
        )
    even = np.abs(chances - 0.5) < 1e-12
    return np.where(even, 0.5, chances), np.maximum(variances, 0.0)


def _from_spread(scored: Sequence[Score], first_P: Ints, second_P: Ints) -> Floats:
    """Probability that the first's value is the higher one, for normal posteriors."""
    unsure = [score for score in scored if not score.counts and score.variance is None]
    if unsure:
        raise InputError(
            f"preferences_from_scores: a score from {unsure[0].source or 'an unnamed source'} has neither counts nor a "
            "variance, so nothing says how sure it is. Give it one of them."
        )
    value_S = np.array([score.value for score in scored], dtype=np.float64)
    variance_S = np.array([score.variance or 0.0 for score in scored], dtype=np.float64)
    gap_P = value_S[first_P] - value_S[second_P]
    spread_P = np.sqrt(variance_S[first_P] + variance_S[second_P])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread_P > 0, ndtr(gap_P / spread_P), 0.5 + 0.5 * np.sign(gap_P)).astype(np.float64)
