"""Comparisons of people who differ: what a careful person would say of each pair, and what each person is like.

Votes of all prompts are put together, because how well somebody sees and whether they like the left side are
properties of the person and not of one prompt (`burnish.maths.annotators`). Aspects are fitted one by one. Anonymous
votes are taken for one person of average habits, because nothing says which of them belong together.

A judge is a person here, with two differences. It says itself how sure it was, and that is the share of its vote. And
it is asked in both orders, so it has no left side; where its orders disagree it "cannot judge", which a person leaves
unanswered, but which still shows how little this judge sees: it counts with its mean probability, about half a vote.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.errors import InputError
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.feedback.graders import person_number, told_apart
from burnish.maths import annotators
from burnish.maths.annotators import Annotators
from burnish.maths.propagation import Votes
from burnish.records import Author, Feedback

Floats: TypeAlias = NDArray[np.float64]

LEAST_SIGHT = 0.05
"""Nobody's ranking counts for less: a model of rankings has no way to turn one round."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes of one aspect, row by row with the answers they come from, and what was fitted to them."""

    answers: tuple[Answer, ...]
    people: tuple[Author, ...]
    """By number; an anonymous author has an empty id and stands for all of them."""
    items: Mapping[tuple[str, str], int]
    """(aspect, completion id) -> number."""
    votes: Votes
    found: Annotators

    def chances(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[float, float, float]]:
        """For pairs of completion ids: mean and variance of P(a careful person prefers the first), and a weight.

        The weight, in [0, 1], is the share of the prior's variance that the votes took away: 0 where only people who
        guess were asked. Raises InputError for a pair that no chain of comparisons links.
        """
        keys = list(pairs)
        by_completion = self._by_completion()
        first_P, second_P = (np.array([by_completion[key[side]] for key in keys], dtype=np.int64) for side in (0, 1))
        mean_P, variance_P = self.found.probabilities(first_P, second_P)
        left_P = self.found.gap_variance(first_P, second_P) / (2 * self.found.score_spread**2)
        weight_P = np.clip(1 - left_P, 0.0, 1.0)
        rows = zip(mean_P.tolist(), variance_P.tolist(), weight_P.tolist(), strict=True)
        return dict(zip(keys, rows, strict=True))

    def _by_completion(self) -> dict[str, int]:
        return {completion: number for (_, completion), number in self.items.items()}


def fit(answers: Sequence[Answer], config: SignalConfig) -> dict[str, Crowd]:
    """One crowd for each aspect that somebody decided in; a person's "cannot judge" is a missing answer.

    One person's several answers on a pair count as the latest. An aspect is left out, and that is said, where no two
    people answered about the same completions.
    """
    by_aspect: dict[str, list[Answer]] = {}
    for answer in answers:
        if is_vote(answer):
            by_aspect.setdefault(answer.feedback.aspect, []).append(answer)
    decided = {answer.feedback.aspect for answer in answers if "cannot_judge" not in answer.feedback.value}
    fitted = {
        aspect: told_apart(f"comparisons{aspect and f' of {aspect}'}", functools.partial(_fit, given, config))
        for aspect, given in by_aspect.items()
        if aspect in decided
    }
    return {aspect: found for aspect, found in fitted.items() if found}


def fit_together(answers: Sequence[Answer], config: SignalConfig) -> Crowd:
    """One crowd of all aspects: what people are like, with a text's merits in each aspect scores of their own."""
    return _fit([answer for answer in answers if is_vote(answer)], config)


def is_vote(answer: Answer) -> bool:
    """Whether a comparison says anything of its pair: all but a "cannot judge" without a judge's probability."""
    return "cannot_judge" not in answer.feedback.value or told_share(answer.feedback) is not None


def told_share(said: Feedback) -> float | None:
    """Share of a judge's answers that went to its first completion; None where it did not say, and of people.

    `share` is what it answered, `probability` what that makes likely with a prior. Records that hold no `share` were
    read off log-probs, where both are one, or are older: then the probability is the careful choice.
    """
    told = said.metadata.get("share", said.metadata.get("probability")) if said.author.kind == "ai" else None
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= 1:
        return None
    return float(told)


def as_votes(answer: Answer) -> Iterator[Answer]:
    """Yield the comparisons an answer holds: itself, or each and the next of a ranking, in the order shown.

    Neighbours only: all pairs of a ranking would count one answer many times over.
    """
    said = answer.feedback
    if said.kind == "comparison" and is_vote(answer):
        yield answer
    elif said.kind == "ranking":
        for above, below in pairwise(said.value["ranking"]):
            first, second = sorted((above[0], below[0]))
            pair = (answer.completions[first], answer.completions[second])
            ids = tuple(each.id for each in pair)
            vote = replace(said, kind="comparison", completion_ids=ids, value={"chosen": int(above[0] == second)})
            yield Answer(answer.prompt, pair, vote)


def beyond_chance(votes: Votes) -> Floats | None:
    """How far each person's votes go with the order that votes they had no part in show, in standard errors.

    Half of the votes, drawn at random, are fitted; every other vote is held against that fit, and the other way round.
    z = sum (share - 1/2) e / sqrt(sum ((share - 1/2) e)^2), e = 2 P(left | other half) - 1: about normal for somebody
    who guesses, whatever the fit made of chance. None where a half shows nothing.
    """
    half_V = np.random.default_rng(0).random(len(votes.left_V)) < 0.5
    product_V = np.zeros(len(half_V))
    for fitted, held in ((half_V, ~half_V), (~half_V, half_V)):
        try:
            found = annotators.fit(_part(votes, fitted))
        except InputError:
            return None
        left_V, right_V = votes.left_V[held], votes.right_V[held]
        linked_V = found.island_I[left_V] == found.island_I[right_V]
        lean_V = np.tanh((found.scores_I[left_V] - found.scores_I[right_V]) / 2) * linked_V
        product_V[held] = (votes.share_V[held] - 0.5) * lean_V
    total_K = np.bincount(votes.person_V, product_V, votes.n_people)
    spread_K = np.sqrt(np.bincount(votes.person_V, product_V**2, votes.n_people))
    return np.where(spread_K > 0, total_K / np.maximum(spread_K, 1e-12), 0.0)


def _part(votes: Votes, rows: NDArray[np.bool_]) -> Votes:
    columns = (votes.left_V, votes.right_V, votes.person_V, votes.share_V)
    left_V, right_V, person_V, share_V = (column[rows] for column in columns)
    return annotators.votes(
        left_V,
        right_V,
        person_V,
        share_V,
        n_items=votes.n_items,
        n_people=votes.n_people,
        sided=votes.sided_V[rows],
    )


def sights(answers: Sequence[Answer], config: SignalConfig) -> dict[Author, float]:
    """How much each author's answer counts beside a careful person's: the slope, between `LEAST_SIGHT` and 1."""
    votes = [vote for answer in answers for vote in as_votes(answer)]
    found = told_apart("rankings", lambda: fit_together(votes, config))
    if found is None:
        return {}
    slopes = np.clip(found.found.slope_K, LEAST_SIGHT, 1.0)
    return dict(zip(found.people, slopes.tolist(), strict=True))


def share_of_first(answer: Answer, config: SignalConfig) -> float:
    """Share of a vote that goes to the completion shown first: 1, 0, 1/2 for a tie, between them by strength.

    A judge says itself how sure it was, by log-probs, by repeats or as a panel (`burnish.judges`): that share.
    """
    value = answer.feedback.value
    if "tie" in value:
        return 0.5
    if (told := told_share(answer.feedback)) is not None:
        return told
    strength = value.get("strength")
    share = 1.0 if strength is None else config.strength_votes[strength - 1]
    return share if value["chosen"] == 0 else 1 - share


@dataclass(frozen=True, slots=True)
class Gathered:
    """Votes row by row with their answers, the people and the items by number."""

    answers: tuple[Answer, ...]
    people: tuple[Author, ...]
    items: Mapping[tuple[str, str], int]
    votes: Votes


def _fit(answers: Sequence[Answer], config: SignalConfig) -> Crowd:
    given = gathered(answers, config)
    return Crowd(given.answers, given.people, given.items, given.votes, annotators.fit(given.votes))


def gathered(answers: Sequence[Answer], config: SignalConfig) -> Gathered:
    """The votes of comparisons, one person's several on a pair as the latest, for a model of people."""
    heard = tuple(answer for _, answer in newest((_question(answer), answer) for answer in answers))
    items: dict[tuple[str, str], int] = {}
    numbers: dict[tuple[str, str], int] = {}
    rows = []
    for answer in heard:
        said = answer.feedback
        left, right = (items.setdefault((said.aspect, name), len(items)) for name in said.completion_ids)
        sided = 0.0 if said.value.get("order") == "unknown" or said.exposure.get("orders") == "both" else 1.0
        rows.append((left, right, person_number(answer, numbers), share_of_first(answer, config), sided))
    left_V, right_V, person_V, share_V, sided_V = (np.array(column) for column in zip(*rows, strict=True))
    # kind: out of an Author's own, kept as plain text in the key
    people = [Author(name, kind) for kind, name in numbers]  # type: ignore[arg-type]
    if (person_V < 0).any():
        person_V = np.where(person_V < 0, len(people), person_V)
        people.append(Author())
    votes = annotators.votes(
        left_V, right_V, person_V, share_V, n_items=len(items), n_people=len(people), sided=sided_V
    )
    return Gathered(heard, tuple(people), items, votes)


def _question(answer: Answer) -> tuple[str, ...]:
    return (answer.feedback.aspect, *sorted(answer.feedback.completion_ids))
