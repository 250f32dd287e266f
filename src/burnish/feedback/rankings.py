"""Rankings of three and more: several people's become one, with a weight that says how sure the order is.

A ranking is never broken into pairs, which would count one answer K(K-1)/2 times. Rankings of the same completions are
fitted together (Plackett-Luce, MAP, ties as the mean over their orders), which gives the consensus; one person's
ranking is kept as it was given. With `SignalConfig.people = "annotators"` a ranking counts by its author's slope among
all who ranked (`burnish.feedback.crowd.sights`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from scipy.special import polygamma

from burnish.feedback import crowd
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.maths import choice
from burnish.records import Author, Preference

_TOLD_APART = 0.025
"""Gap of two scores, in its posterior standard deviations, below which they share a place: the chance that it has this
sign is less than 51 in 100."""


def preferences(answers: Sequence[Answer], config: SignalConfig) -> list[Preference]:
    """One ranking for each set of completions that was shown together, in each (prompt, aspect).

    `ranks`: 0 best, equal for ties, None for what nobody placed. `weight`, in (0, 1]: mean of |2 P - 1| over the ranked
    pairs, P the posterior probability that a person drawn at random puts one above the other. One ranking of three
    weighs 0.34, ten that agree 0.80. `variance`: mean over those pairs of the posterior variance of P, from the
    information that the rankings hold on the scores; there is no one `probability` of a ranking, and it is None.
    Rankings that cancel each other out completely hold no order and
    give no signal. Placings that no chain of rankings links are kept as separate rankings.
    """
    return [preference for given in fitted(answers, config) for preference in _preferences(given)]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rankings of one set of completions, and what was fitted to them."""

    answers: tuple[Answer, ...]
    """One for each person; the completions are numbered as the first one's."""
    fit: choice.Scores

    @property
    def groups(self) -> list[list[int]]:
        """Numbers of the completions that a chain of rankings links, the smallest first in each; two and more."""
        islands = self.fit.island_I.tolist()
        found = [[number for number, island in enumerate(islands) if island == each] for each in sorted(set(islands))]
        return [members for members in found if len(members) > 1]


def fitted(answers: Sequence[Answer], config: SignalConfig) -> list[Fitted]:
    """One fit for each set of completions that was shown together, in each (prompt, aspect)."""
    shown: dict[tuple[str, str, tuple[str, ...]], list[Answer]] = defaultdict(list)
    for answer in answers:
        said = answer.feedback
        shown[said.prompt_id, said.aspect, tuple(sorted(said.completion_ids))].append(answer)
    sights = crowd.sights(answers, config) if config.people == "annotators" and answers else {}
    return [_fit(given, config, sights) for given in shown.values()]


def _fit(answers: Sequence[Answer], config: SignalConfig, sights: Mapping[Author, float]) -> Fitted:
    people = tuple(answer for _, answer in newest((None, answer) for answer in answers))
    names = people[0].feedback.completion_ids
    numbers = {name: number for number, name in enumerate(names)}
    ridge = 1 / float(polygamma(1, config.prior_votes))
    weights = [sights.get(_author(answer), 1.0) for answer in people]
    rankings = [_in_numbers(answer, numbers) for answer in people]
    return Fitted(people, choice.plackett_luce(rankings, n_items=len(names), weights=weights, ridge=ridge))


def _in_numbers(answer: Answer, numbers: Mapping[str, int]) -> list[list[int]]:
    ids = answer.feedback.completion_ids
    return [[numbers[ids[each]] for each in group] for group in answer.feedback.value["ranking"]]


def _preferences(given: Fitted) -> Iterable[Preference]:
    first, fit = given.answers[0], given.fit
    for members in given.groups:
        as_given = _as_given(first.feedback.value["ranking"])
        places = as_given if len(given.answers) == 1 else _consensus(fit, members)
        weight, variance = weight_and_variance(fit, members)
        if len(set(places.values())) > 1 and weight > 0:
            yield Preference(
                prompt=first.prompt,
                completions=first.completions,
                ranks=tuple(places.get(number) for number in range(len(first.completions))),
                variance=variance,
                weight=weight,
                aspect=first.feedback.aspect,
                feedback_ids=tuple(answer.feedback.id for answer in given.answers),
            )


def _author(answer: Answer) -> Author:
    return answer.feedback.author if answer.feedback.author.id else Author()


def _as_given(ranking: Sequence[Sequence[int]]) -> dict[int, int]:
    return {number: place for place, group in enumerate(ranking) for number in group}


def _consensus(fit: choice.Scores, members: Sequence[int]) -> dict[int, int]:
    """Place of each member by its fitted score; those that are as good as equal share one."""
    order = sorted(members, key=lambda each: -fit.scores_I[each])
    places = {order[0]: 0}
    for above, below in pairwise(order):
        places[below] = places[above] + _are_apart(fit, above, below)
    return places


def _are_apart(fit: choice.Scores, above: int, below: int) -> bool:
    covariance = fit.covariance_II
    variance = covariance[above, above] + covariance[below, below] - 2 * covariance[above, below]
    return bool(fit.scores_I[above] - fit.scores_I[below] > _TOLD_APART * math.sqrt(max(variance, 0.0)))


def weight_and_variance(fit: choice.Scores, members: Sequence[int]) -> tuple[float, float]:
    """Means over the pairs of |2 P - 1| and of P's variance."""
    told = [fit.probability(one, two) for one, two in combinations(members, 2)]
    sure = sum(abs(2 * mean - 1) for mean, _ in told) / len(told)
    return sure, sum(variance for _, variance in told) / len(told)
