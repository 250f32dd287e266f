"""Rankings of three and more: several people's become one, with a weight that says how sure the order is.

A ranking is never broken into pairs, which would count one answer K(K-1)/2 times. Rankings of the same completions are
fitted together (Plackett-Luce, MAP, ties as the mean over their orders), which gives the consensus; one person's
ranking is kept as it was given. With `SignalConfig.people = "annotators"` a ranking counts by its author's slope among
all who ranked (`burnish.feedback.crowd.sights`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from scipy.special import polygamma

from burnish.feedback import crowd
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.maths import choice
from burnish.records import Author, Preference

_EQUAL = 1e-6  # scores closer than this differ by rounding: people tied them


def preferences(answers: Sequence[Answer], config: SignalConfig) -> list[Preference]:
    """One ranking for each set of completions that was shown together, in each (prompt, aspect).

    `ranks`: 0 best, equal for ties, None for what nobody placed. `weight`, in (0, 1]: mean of |2 P - 1| over the ranked
    pairs, P the posterior probability that a person drawn at random puts one above the other. One ranking of three
    weighs 0.34, ten that agree 0.80. Rankings that cancel each other out completely hold no order and
    give no signal. Placings that no chain of rankings links are kept as separate rankings.
    """
    shown: dict[tuple[str, str, tuple[str, ...]], list[Answer]] = defaultdict(list)
    for answer in answers:
        said = answer.feedback
        shown[said.prompt_id, said.aspect, tuple(sorted(said.completion_ids))].append(answer)
    sights = crowd.sights(answers, config) if config.people == "annotators" and answers else {}
    return [preference for given in shown.values() for preference in _of_one_set(given, config, sights)]


def _of_one_set(
    answers: Sequence[Answer], config: SignalConfig, sights: Mapping[Author, float]
) -> Iterable[Preference]:
    people = [answer for _, answer in newest((None, answer) for answer in answers)]
    names = people[0].feedback.completion_ids
    numbers = {name: number for number, name in enumerate(names)}
    rankings = [
        [
            [numbers[answer.feedback.completion_ids[each]] for each in group]
            for group in answer.feedback.value["ranking"]
        ]
        for answer in people
    ]
    ridge = 1 / float(polygamma(1, config.prior_votes))
    weights = [sights.get(_author(answer), 1.0) for answer in people]
    fit = choice.plackett_luce(rankings, n_items=len(names), weights=weights, ridge=ridge)
    islands = fit.island_I.tolist()
    for island in sorted(set(islands)):
        members = [number for number in range(len(names)) if islands[number] == island]
        if len(members) < 2:
            continue
        places = _as_given(rankings[0]) if len(people) == 1 else _consensus(fit, members)
        weight = _weight(fit, members)
        if len(set(places.values())) > 1 and weight > 0:
            yield Preference(
                prompt=people[0].prompt,
                completions=people[0].completions,
                ranks=tuple(places.get(number) for number in range(len(names))),
                weight=weight,
                aspect=people[0].feedback.aspect,
                feedback_ids=tuple(answer.feedback.id for answer in people),
            )


def _author(answer: Answer) -> Author:
    return answer.feedback.author if answer.feedback.author.id else Author()


def _as_given(ranking: Sequence[Sequence[int]]) -> dict[int, int]:
    return {number: place for place, group in enumerate(ranking) for number in group}


def _consensus(fit: choice.Scores, members: Sequence[int]) -> dict[int, int]:
    """Place of each member by its fitted score; scores that are equal but for rounding share a place."""
    places: dict[int, int] = {}
    place, above = -1, float("inf")
    for number in sorted(members, key=lambda each: -fit.scores_I[each]):
        if above - fit.scores_I[number] > _EQUAL:
            place += 1
        places[number], above = place, float(fit.scores_I[number])
    return places


def _weight(fit: choice.Scores, members: Sequence[int]) -> float:
    sure = [abs(2 * fit.probability(one, two)[0] - 1) for one, two in combinations(members, 2)]
    return sum(sure) / len(sure)
