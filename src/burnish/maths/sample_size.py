"""How many items and how many answers each: the interval one will get, before anybody is asked.

An answer y_ik = mean + item_i + person_k + noise. The mean over n items answered by k people each, out of K people in
all who share the work evenly, has

    Var = item^2 / n + noise^2 / (n k) + person^2 / K

so more answers to one item do nothing about the items' own spread, and no number of items does anything about a handful
of people. What is wanted of single items (their scores, as labels) is another matter: Var_i = (noise^2 + person^2) / k.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError

Floats = NDArray[np.float64]
Z = 1.959964
MOST_ITEMS = 1_000_000


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations of the three sources, in the unit of the answers."""

    item: float
    person: float
    noise: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A number of items, answers to each, and what they give."""

    items: int
    answers_each: int
    people: int
    half_width: float
    """Of the 95% interval of the mean."""
    item_error: float
    """Standard error of one item's own mean."""

    @property
    def answers(self) -> int:
        return self.items * self.answers_each


def plan(items: int, answers_each: int, people: int, spreads: Spreads) -> Plan:
    """Return what so many items and answers give. Raises InputError for more answers to an item than people."""
    if not (items >= 1 and 1 <= answers_each <= people):
        raise InputError(f"sample size: {items} items, {answers_each} answers each by {people} people is no plan.")
    variance = spreads.item**2 / items + spreads.noise**2 / (items * answers_each) + spreads.person**2 / people
    error = math.sqrt((spreads.noise**2 + spreads.person**2) / answers_each)
    return Plan(items, answers_each, people, Z * math.sqrt(variance), error)


def plans(half_width: float, people: int, spreads: Spreads, *, most_each: int = 5) -> list[Plan]:
    """Return for 1, 2, ... answers to an item the fewest items whose mean has the wanted 95% half-width.

    The cheapest is always one answer to each; more answers buy agreement, reports of people, and labels of single
    items. Raises InputError where so few people cannot give it, with the least half-width that they can.
    """
    floor = Z * spreads.person / math.sqrt(people)
    found = []
    for each in range(1, min(most_each, people) + 1):
        left = (half_width / Z) ** 2 - spreads.person**2 / people
        if left <= 0 or (needed := math.ceil((spreads.item**2 + spreads.noise**2 / each) / left)) > MOST_ITEMS:
            raise InputError(
                f"sample size: {people} people cannot give ±{half_width:g}: their spread alone leaves ±{floor:.3g}. "
                "Ask more people, or take a wider interval."
            )
        found.append(plan(max(2, needed), each, people, spreads))
    return found


def spreads_of(answers: ArrayLike, items: Sequence[Hashable], people: Sequence[Hashable]) -> Spreads:
    """Return the three spreads as answers show them: one row an answer, people may answer any of the items.

    By moments (Henderson's method I for two crossed random factors): the mean squared difference of two answers on one
    item by different people is 2 (person^2 + noise^2), by one person on different items 2 (item^2 + noise^2), by
    different people on different items 2 (item^2 + person^2 + noise^2). Negative estimates become 0.
    Raises InputError where no item was answered twice, or nobody answered two items.
    """
    y_N = np.asarray(answers, dtype=np.float64)
    item_N, person_N = (np.unique([repr(each) for each in some], return_inverse=True)[1] for some in (items, people))
    same_item = _mean_square(y_N, item_N)
    same_person = _mean_square(y_N, person_N)
    if same_item is None or same_person is None:
        raise InputError(
            "sample size: no item was answered twice, or nobody answered two items. Ask for overlap first."
        )
    whole = float(2 * y_N.var(ddof=1))
    noise = max(0.0, same_item + same_person - whole) / 2
    person, item = max(0.0, same_item / 2 - noise), max(0.0, same_person / 2 - noise)
    return Spreads(math.sqrt(item), math.sqrt(person), math.sqrt(noise))


def _mean_square(y_N: Floats, codes_N: NDArray[np.int64]) -> float | None:
    """Return the mean squared difference of two answers with one code; None where no two share one."""
    counts = np.bincount(codes_N).astype(np.float64)
    sums, squares = np.bincount(codes_N, weights=y_N), np.bincount(codes_N, weights=y_N**2)
    pairs = float((counts * (counts - 1)).sum())
    return float((2 * (counts * squares - sums**2)).sum() / pairs) if pairs else None
