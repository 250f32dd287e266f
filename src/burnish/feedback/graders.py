"""Ratings and thumbs of people who differ in how well they see, how strict they are and how they use the scale.

The graded-response model of `burnish.maths.grades`; a thumb is a grade of two categories. A text's value is the grade
that a careful and average-strict person is expected to give. All anonymous answers count as one person's of average
habits, since nothing says which of them belong together.

Where answers cannot tell people apart (one person alone, all grades equal, nothing that links two groups), everybody
counts alike there, and that is said (`told_apart`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from burnish import progress
from burnish.errors import InputError
from burnish.feedback.answers import Answer
from burnish.maths.grades import graded_response, grades

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Found = TypeVar("Found")


def fit(item_N: Ints, person_N: Ints, value_N: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the expected grade of items 0..I-1; person -1 is anonymous.

    Raises InputError where people and items fall into groups that nothing links, or where all grades are equal.
    """
    people = int(person_N.max(initial=-1)) + 1
    named_N = np.where(person_N < 0, people, person_N)
    numbers_N = np.unique(named_N, return_inverse=True)[1].astype(np.int64)
    given = grades(
        item_N, numbers_N, value_N, n_items=int(item_N.max()) + 1, n_people=int(numbers_N.max(initial=-1)) + 1
    )
    found = graded_response(given)
    return found.grade_I, found.grade_variance_I


def told_apart(what: str, fitted: Callable[[], Found]) -> Found | None:
    """Return what a model of people finds in some answers; None, with a word about it, where it cannot be known."""
    try:
        return fitted()
    except InputError as error:
        progress.say(f"signals: {what}: all people count alike here. {error}")
        return None


def expected(
    grouped: Mapping[tuple[str, str], Sequence[Answer]],
    value_of: Callable[[Answer], float],
    otherwise: Callable[[Sequence[Answer]], tuple[float, float]],
) -> list[tuple[float, float]]:
    """Mean and variance of the expected grade of each (completion, aspect); aspects are fitted one by one.

    otherwise: the same of one text, for an aspect whose answers do not tell people apart.
    """
    told: dict[tuple[str, str], tuple[float, float]] = {}
    for aspect in dict.fromkeys(aspect for _, aspect in grouped):
        keys = [key for key in grouped if key[1] == aspect]
        people: dict[tuple[str, str], int] = {}
        rows = [
            (item, person_number(answer, people), value_of(answer))
            for item, key in enumerate(keys)
            for answer in grouped[key]
        ]
        items, persons, values = (np.array(column) for column in zip(*rows, strict=True))
        told.update(
            zip(keys, _fitted(items, persons, values, aspect) or [otherwise(grouped[key]) for key in keys], strict=True)
        )
    return [told[key] for key in grouped]


def _fitted(item_N: Ints, person_N: Ints, value_N: Floats, aspect: str) -> list[tuple[float, float]] | None:
    what = f"thumbs{aspect and f' of {aspect}'}"
    found = told_apart(what, lambda: fit(item_N, person_N, value_N.astype(np.float64)))
    return None if found is None else list(zip(found[0].tolist(), found[1].tolist(), strict=True))


def person_number(answer: Answer, people: dict[tuple[str, str], int]) -> int:
    """The number of an answer's author among `people`, which grows by those not met before; -1 for anonymous."""
    author = answer.feedback.author
    return people.setdefault((author.kind, author.id), len(people)) if author.id else -1
