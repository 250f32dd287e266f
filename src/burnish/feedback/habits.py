"""What the order and the pace of one person's answers show: the same answer again and again, drift, haste.

Numbers in, numbers out: who the person is and what was asked stays with the caller. Chance levels are of people who
answer each question for itself; a small one says that the pattern is not chance, not that the person is at fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import kolmogorov

READING_SPEED = 60.0
"""Characters a second, about 700 words a minute: nobody reads faster and judges what was read."""


@dataclass(frozen=True, slots=True)
class Run:
    """The longest run of one answer."""

    answer: Hashable
    length: int
    of: int
    chance: float
    """Of a run this long or longer somewhere, if answers fell as everybody's do: a bound."""


def longest_run(answers: Sequence[Hashable], shares: Mapping[Hashable, float]) -> Run | None:
    """The longest run in answers in the order given, None where there are fewer than two.

    `shares`: how often everybody gives each answer. With share p and n answers, P(a run of L or more of it) is at most
    p^L (1 + (n - L) (1 - p)), the expected number of such runs' beginnings.
    """
    if len(answers) < 2:
        return None
    answer, length = max(((key, len(list(group))) for key, group in groupby(answers)), key=lambda run: run[1])
    share, n = min(max(shares.get(answer, 0.0), 1e-6), 1 - 1e-6), len(answers)
    return Run(answer, length, n, float(min(1.0, share**length * (1 + (n - length) * (1 - share)))))


def drift(surprises: ArrayLike) -> float | None:
    """Chance level of a change over time in what should be noise around zero, in the order of time.

    max |S_t| / sqrt(sum e^2), S the running sum of e less its mean, against the Brownian bridge; None below ten values
    or where all are equal. `surprises` of a person's votes: (share - probability) times the gap others see, which tips
    one way when the person follows the common order less and less. Source: Page 1954; Ploberger & Kraemer 1992.
    """
    value_T = np.asarray(surprises, dtype=np.float64)
    if len(value_T) < 10:
        return None
    value_T = value_T - value_T.mean()
    if (spread := float(value_T @ value_T)) <= 1e-12:
        return None
    return float(kolmogorov(np.abs(np.cumsum(value_T)).max() / np.sqrt(spread)))


def too_fast(seconds: Sequence[float], characters: Sequence[int]) -> float:
    """Share of answers given in less time than the texts take to read at `READING_SPEED`."""
    if not seconds:
        return 0.0
    hurried = sum(spent < length / READING_SPEED for spent, length in zip(seconds, characters, strict=True))
    return hurried / len(seconds)


def shares_of(answers: Sequence[Hashable]) -> dict[Hashable, float]:
    """How often each answer was given."""
    counts = Counter(answers)
    return {answer: number / len(answers) for answer, number in counts.items()}
