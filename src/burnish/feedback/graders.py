"""Ratings and thumbs of people who differ in how well they see, how strict they are and how they use the scale.

The graded-response model of `burnish.maths.grades`; a thumb is a grade of two categories. A text's value is the grade
that a careful and average-strict person is expected to give. All anonymous answers count as one person's of average
habits, since nothing says which of them belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.feedback.answers import Answer
from burnish.maths.grades import graded_response, grades

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


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


def expected(
    grouped: Mapping[tuple[str, str], Sequence[Answer]], value_of: Callable[[Answer], float]
) -> list[tuple[float, float]]:
    """Mean and variance of the expected grade of each (completion, aspect); aspects are fitted one by one."""
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
        mean_I, variance_I = fit(items, persons, values.astype(np.float64))
        told.update(zip(keys, zip(mean_I.tolist(), variance_I.tolist(), strict=True), strict=True))
    return [told[key] for key in grouped]


def person_number(answer: Answer, people: dict[tuple[str, str], int]) -> int:
    """The number of an answer's author among `people`, which grows by those not met before; -1 for anonymous."""
    author = answer.feedback.author
    return people.setdefault((author.kind, author.id), len(people)) if author.id else -1
