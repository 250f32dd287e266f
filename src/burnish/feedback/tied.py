"""Comparisons where "equally good" is an answer of its own, and not half a vote for each side.

Half a vote each way is right only where ties are as frequent between unequal texts as between equal ones. Davidson's
and Rao and Kupper's models fit how the chance of a tie falls with the gap (`burnish.maths.ties`): its one parameter is
a property of the question and of who answers it, so all prompts share it. Aspects are fitted one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from burnish import progress
from burnish.errors import InputError
from burnish.feedback import crowd
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.maths.ties import IslandTies, Model, ties_by_island


@dataclass(frozen=True, slots=True)
class Tied:
    """Comparisons of one aspect, and what was fitted to them."""

    items: Mapping[str, int]
    """Completion id -> number."""
    found: IslandTies

    def chances(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[float, float, float]]:
        """For pairs of completion ids: mean and variance of the first one's share (its chance to win and half that of a
        tie), and a weight of 1. Raises InputError for a pair that no chain of comparisons links."""
        keys = list(pairs)
        _, mean_P, variance_P = self.found.outcomes(*self._numbers(keys))
        return {key: (m, v, 1.0) for key, m, v in zip(keys, mean_P.tolist(), variance_P.tolist(), strict=True)}

    def tie(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
        """For pairs of completion ids: the chance of a tie."""
        keys = list(pairs)
        outcome_PO, _, _ = self.found.outcomes(*self._numbers(keys))
        return dict(zip(keys, outcome_PO[:, 1].tolist(), strict=True))

    def _numbers(self, keys: Sequence[tuple[str, str]]) -> Sequence[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        return [np.array([self.items[key[side]] for key in keys], dtype=np.int64) for side in (0, 1)]


def fit(answers: Sequence[Answer], config: SignalConfig) -> dict[str, Tied]:
    """The ties of each aspect, by `config.ties`; an aspect is left out, and that is said, where the model has no hold.

    One person's several answers on a pair count as the latest. A preference with a strength is a part of a win for each
    side, as it is without a model of ties.
    """
    by_aspect: dict[str, list[Answer]] = {}
    for answer in answers:
        if "cannot_judge" not in answer.feedback.value:
            by_aspect.setdefault(answer.feedback.aspect, []).append(answer)
    found = {}
    for aspect, given in by_aspect.items():
        try:
            found[aspect] = fit_one(given, config)
        except InputError as error:
            progress.say(f"signals: comparisons{aspect and f' of {aspect}'}: a tie is half a vote here. {error}")
    return found


def fit_one(answers: Sequence[Answer], config: SignalConfig) -> Tied:
    """The ties of one aspect. Raises InputError where all answers are ties, or none is: nothing tells how ties fall
    with the gap."""
    heard = [answer for _, answer in newest((_pair(answer), answer) for answer in answers)]
    ties = sum("tie" in answer.feedback.value for answer in heard)
    if ties in (0, len(heard)):
        raise InputError(
            f"ties: {'none' if not ties else 'all'} of {len(heard)} answers are ties, so nothing tells how ties fall "
            "with the gap. Use ties=half."
        )
    items: dict[str, int] = {}
    rows = [row for answer in heard for row in _rows(answer, items, config)]
    first, second, outcome, weight = zip(*rows, strict=True)
    ridge = 1 / float(polygamma(1, config.prior_votes))  # Beta(a, a) has a logit of variance 2 psi'(a)
    model: Model = "rao_kupper" if config.ties == "rao_kupper" else "davidson"
    return Tied(
        items, ties_by_island(first, second, outcome, n_items=len(items), weights=weight, model=model, ridge=ridge)
    )


def _rows(answer: Answer, items: dict[str, int], config: SignalConfig) -> list[tuple[int, int, int, float]]:
    """(first, second, outcome, weight): one row of a tie or a full vote, two of a part of one."""
    first, second = (items.setdefault(name, len(items)) for name in answer.feedback.completion_ids)
    if "tie" in answer.feedback.value:
        return [(first, second, 0, 1.0)]
    share = crowd.share_of_first(answer, config)
    return [(first, second, outcome, weight) for outcome, weight in ((1, share), (-1, 1 - share)) if weight > 0]


def _pair(answer: Answer) -> tuple[str, ...]:
    return tuple(sorted(answer.feedback.completion_ids))
