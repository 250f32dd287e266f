"""People who are right with a probability of their own: `SignalConfig.people = "reliable"`, one number a person.

    comparisons   CrowdBT (`burnish.maths.crowd_bt`): the probability that a reliable person prefers the one
    thumbs        Dawid-Skene shrunk by skill (`burnish.maths.dawid_skene`): the probability that the text is good
    rubrics       many-facet (`burnish.maths.grades`): what an average-strict person finds met, each point as hard
                  as it proves

"annotators" has more numbers a person: a side, a sharpness, a use of the scale. This has a truth behind every thumb,
where "plain" and "annotators" have a share of people; it is for questions with a right answer. Ratings and rankings are
put together as by "plain": its mixed-effects model has everybody's leniency already. Where answers cannot tell people
apart everybody counts alike there, and that is said (`burnish.feedback.graders.told_apart`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

from burnish.feedback import crowd, kinds
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.feedback.graders import person_number, told_apart
from burnish.feedback.person import Estimate
from burnish.maths.crowd_bt import IslandCrowd, crowd_by_island
from burnish.maths.dawid_skene import Truth, dawid_skene
from burnish.maths.grades import grades, many_facet
from burnish.records import Author

Ints: TypeAlias = NDArray[np.int64]
Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reliable:
    """Comparisons of one aspect, and what CrowdBT makes of them."""

    items: Mapping[Key, int]
    """(aspect, completion id) -> number."""
    people: tuple[Author, ...]
    found: IslandCrowd

    def chances(self, pairs: Iterable[Key]) -> dict[Key, tuple[float, float, float]]:
        """For pairs of completion ids: mean and variance of P(a reliable person prefers the first), and a weight.

        The weight, in [0, 1], is the share of the prior's variance that the votes took away.
        """
        keys, numbers = list(pairs), {name: number for (_, name), number in self.items.items()}
        first_P, second_P = (np.array([numbers[key[side]] for key in keys], dtype=np.int64) for side in (0, 1))
        mean_P, variance_P = self.found.probabilities(first_P, second_P)
        left_P = self.found.gap_variance(first_P, second_P) / (2 * self.found.prior_variance)
        rows = zip(mean_P.tolist(), variance_P.tolist(), np.clip(1 - left_P, 0.0, 1.0).tolist(), strict=True)
        return dict(zip(keys, rows, strict=True))


def fit(answers: Sequence[Answer], config: SignalConfig) -> dict[str, Reliable]:
    """CrowdBT of each aspect that somebody decided in; left out, and that is said, where it tells nobody apart."""
    by_aspect: dict[str, list[Answer]] = {}
    for answer in answers:
        if "cannot_judge" not in answer.feedback.value:
            by_aspect.setdefault(answer.feedback.aspect, []).append(answer)
    ridge = 1 / float(polygamma(1, config.prior_votes))  # Beta(a, a) has a logit of variance 2 psi'(a)
    found = {}
    for aspect, given in by_aspect.items():
        asked = crowd.gathered(given, config)
        told = told_apart(
            f"comparisons{aspect and f' of {aspect}'}", functools.partial(crowd_by_island, asked.votes, ridge=ridge)
        )
        if told is not None:
            found[aspect] = Reliable(asked.items, asked.people, told)
    return found


def thumbs(
    grouped: Mapping[Key, Sequence[Answer]], otherwise: Callable[[Sequence[Answer]], tuple[float, float]]
) -> list[tuple[float, float]]:
    """Probability that each (completion, aspect) is good, and its variance p (1 - p); aspects are fitted one by one.

    otherwise: the same of one text, for an aspect whose answers do not tell people apart.
    """
    told: dict[Key, tuple[float, float]] = {}
    for aspect in dict.fromkeys(aspect for _, aspect in grouped):
        keys = [key for key in grouped if key[1] == aspect]
        labels = [(key, answer, int(answer.feedback.value["thumb"])) for key in keys for answer in grouped[key]]
        found = told_apart(f"thumbs{aspect and f' of {aspect}'}", functools.partial(classes, labels, 2))
        for key in keys:
            good = None if found is None else float(found.truth.chance_IC[found.items[key], 1])
            told[key] = otherwise(grouped[key]) if good is None else (good, good * (1 - good))
    return [told[key] for key in grouped]


@dataclass(frozen=True, slots=True)
class Classes:
    """Labels that people gave to items, and what Dawid-Skene makes of them."""

    items: Mapping[Hashable, int]
    people: Mapping[tuple[str, str], int]
    """(author kind, author id) -> number; anonymous answers are one person's, the last number."""
    truth: Truth


def classes(given: Sequence[tuple[Hashable, Answer, int]], n_classes: int) -> Classes:
    """Dawid-Skene, shrunk by skill, of (item, answer, class); errors as `burnish.maths.dawid_skene` has them."""
    items: dict[Hashable, int] = {}
    people: dict[tuple[str, str], int] = {}
    rows = [(items.setdefault(item, len(items)), person_number(answer, people), label) for item, answer, label in given]
    item_N, person_N, label_N = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    person_N = np.where(person_N < 0, len(people), person_N)
    used = int(person_N.max(initial=0)) + 1
    found = dawid_skene(item_N, person_N, label_N, n_items=len(items), n_people=used, n_classes=n_classes)
    return Classes(items, people, found)


def skills(kind: str, answers: Sequence[Answer]) -> dict[tuple[str, str], Estimate]:
    """How often each named author's thumbs, or words marked good, marked as faults or left alone, are right.

    Dawid-Skene's skill; keys are (author kind, author id). A text's words stand side by side, so what is told of marks
    is told from fewer texts than its spread knows. Errors as `burnish.maths.dawid_skene` has them; nothing of other
    kinds, nor where all say the same.
    """
    own = [answer for answer in answers if answer.feedback.kind == kind and kind in ("thumb", "span")]
    module: Any = kinds.load(kind)
    heard = newest(((answer.feedback.completion_ids[0], answer.feedback.aspect), answer) for answer in own)
    said = [((item, unit), answer, value) for item, answer in heard for unit, value in module.opinions(answer)]
    codes = {value: code for code, value in enumerate(sorted({value for _, _, value in said}))}
    if len(codes) < 2:
        return {}
    found = classes([(item, answer, codes[value]) for item, answer, value in said], len(codes))
    told = zip(found.truth.skill_K.tolist(), found.truth.skill_spread_K.tolist(), strict=True)
    estimates = [Estimate(mean, spread) for mean, spread in told]
    return {who: estimates[number] for who, number in found.people.items()}


def rubrics(
    given: Sequence[tuple[Key, Answer, str, float]],
) -> dict[Key, tuple[float, float]] | None:
    """Mean and variance of what an average-strict person finds met of each item, on criteria of average hardness.

    `given`: (item, answer, criterion, how far it is met from 0 to 1), a pitfall's turned round. None, and that is said,
    where nothing tells people apart.
    """
    items: dict[Key, int] = {}
    people: dict[tuple[str, str], int] = {}
    names: dict[str, int] = {}
    rows = [
        (items.setdefault(item, len(items)), person_number(answer, people), names.setdefault(name, len(names)))
        for item, answer, name, _ in given
    ]
    item_N, person_N, criterion_N = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    person_N = np.where(person_N < 0, len(people), person_N)
    used = int(person_N.max(initial=0)) + 1

    def fitted() -> dict[Key, tuple[float, float]]:
        checked = grades(item_N, person_N, [met for *_, met in given], n_items=len(items), n_people=used)
        found = many_facet(checked, criterion_N, n_criteria=len(names))
        rows = zip(found.grade_I.tolist(), found.grade_variance_I.tolist(), strict=True)
        return dict(zip(items, rows, strict=True))

    return told_apart("rubrics", fitted)
