"""Several people's ratings of a text as one score with a variance, by a mixed-effects model.

    rating_ik = mu + u_i + v_k + noise,   u_i ~ N(0, item variance), v_k ~ N(0, person variance)

u_i is the text's own quality, v_k the leniency of a person who is named; anonymous ratings have no v_k, because
nothing says which of them are one person's. The posterior mean of mu + u_i is the text's mean (freed of leniency)
shrunk towards the grand mean by item variance / (item variance + noise variance / n): a text rated once says less than
one rated by twenty. The three variances are estimated from the ratings by EM, started and held up by the guesses of
`SignalConfig`, which count as two more texts, people and ratings, so that a handful of ratings gives a sensible
variance too. With `SignalConfig.people = "annotators"` a graded-response model takes its place, in which people differ
in how well they see and how they use the scale, too (`burnish.feedback.graders`).
Source: Henderson 1975 (the estimates); Laird & Ware 1982 (EM).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.feedback import graders
from burnish.feedback.answers import Answer, SignalConfig, newest, rescale
from burnish.records import Score

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

ANONYMOUS = -1
_GUESS_COUNTS = 2.0  # texts (people, ratings) that the guessed variances stand for


@dataclass(frozen=True, slots=True)
class Effects:
    """The fitted model: posterior means and variances of what items and people add to the grand mean."""

    mean: float
    item_I: Floats
    item_variance_I: Floats
    """Variance of mu + u_i given the variances below."""
    person_K: Floats
    person_variance_K: Floats
    between_items: float
    between_people: float
    noise: float

    @property
    def reliability(self) -> float:
        """Share of one rating's variance that is the text's own (the intra-class correlation)."""
        return self.between_items / (self.between_items + self.between_people + self.noise)


def scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    """One score for each rated (completion, aspect), in rating units of `config.scale`.

    `counts` holds how many people gave which rating, on that scale, and `variance` the variance of `value` as an
    estimate of the text's true mean. One person's several ratings of a text count as the latest of them.
    """
    by_aspect: dict[str, list[Answer]] = {}
    for answer in answers:
        by_aspect.setdefault(answer.feedback.aspect, []).append(answer)
    return [score for aspect, given in by_aspect.items() for score in _scores(aspect, given, config)]


def _scores(aspect: str, answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    rated = newest((answer.feedback.completion_ids[0], answer) for answer in answers)
    rating_N = np.array([_rating(answer, config) for _, answer in rated])
    of_item: dict[object, list[int]] = {}
    people: dict[tuple[str, str], int] = {}
    person_N = np.full(len(rated), ANONYMOUS, dtype=np.int64)
    for row, (item, answer) in enumerate(rated):
        of_item.setdefault(item, []).append(row)
        author = answer.feedback.author
        if author.id:
            person_N[row] = people.setdefault((author.kind, author.id), len(people))
    item_N = np.empty(len(rated), dtype=np.int64)
    for item_number, rows in enumerate(of_item.values()):
        item_N[rows] = item_number
    value_I, variance_I = _means(item_N, person_N, rating_N, config, f"ratings{aspect and f' of {aspect}'}")
    made = []
    for item_number, rows in enumerate(of_item.values()):
        first = rated[rows[0]][1]
        made.append(
            Score(
                prompt=first.prompt,
                completion=first.completions[0],
                value=float(value_I[item_number]),
                variance=float(variance_I[item_number]),
                aspect=aspect,
                source="rating",
                counts=tuple(sorted(Counter(rating_N[rows].tolist()).items())),
                feedback_ids=tuple(rated[row][1].feedback.id for row in rows),
            )
        )
    return made


def _means(item_N: Ints, person_N: Ints, rating_N: Floats, config: SignalConfig, what: str) -> tuple[Floats, Floats]:
    """Mean and variance of each text's rating, as `config.people` says."""
    if config.people == "annotators":
        found = graders.told_apart(what, lambda: graders.fit(item_N, person_N, rating_N))
        if found is not None:
            return found
    if config.people == "majority":
        size_I = np.bincount(item_N)
        mean_I = np.bincount(item_N, rating_N) / size_I
        return mean_I, np.maximum(np.bincount(item_N, np.square(rating_N - mean_I[item_N])) / size_I**2, 0.0)
    fitted = effects(item_N, person_N, rating_N, guesses=_guesses(config))
    return np.clip(fitted.mean + fitted.item_I, *config.scale), fitted.item_variance_I


def effects(item_N: Ints, person_N: Ints, rating_N: Floats, *, guesses: tuple[float, float, float]) -> Effects:
    """The fitted mixed-effects model of N ratings of I items (0..I-1, each rated) by K people (-1 is anonymous).

    `guesses`: standard deviations between items, between people and of the noise, before the data. Variances are
    settled when none moves by more than one part in ten thousand.
    """
    items, people = int(item_N.max()) + 1, int(person_N.max(initial=-1)) + 1
    guessed = np.square(np.asarray(guesses, dtype=np.float64))
    model = _Model(item_N, person_N, rating_N, items, people)
    between_items, between_people, noise = (float(variance) for variance in guessed)
    solution = np.zeros(1 + people)
    for _ in range(500):
        solution, item_I = model.solve(noise / between_items, noise / between_people, solution)
        item_variance_I = 1 / (model.size_I / noise + 1 / between_items)
        person_variance_K = 1 / (model.size_K / noise + 1 / between_people)
        left_N = rating_N - model.fixed(solution) - item_I[item_N]
        unsure = float(model.size_I @ item_variance_I + model.size_K @ person_variance_K)
        updated = np.array(
            [
                _pooled(float(item_I @ item_I + item_variance_I.sum()), items, guessed[0]),
                _pooled(float(solution[1:] @ solution[1:] + person_variance_K.sum()), people, guessed[1]),
                _pooled(float(left_N @ left_N) + unsure, len(rating_N), guessed[2]),
            ]
        )
        moved = np.abs(updated / (between_items, between_people, noise) - 1).max()
        between_items, between_people, noise = (float(variance) for variance in updated)
        if moved < 1e-4:
            break
    solution, item_I = model.solve(noise / between_items, noise / between_people, solution)
    person_variance_K = 1 / (model.size_K / noise + 1 / between_people)
    precision_I = model.precision(noise, person_variance_K)
    own_I = 1 / (precision_I + 1 / between_items)
    # what is not known of the grand mean is not known of a text to the extent that it is shrunk
    mean_variance = 1 / (1 / (between_items + 1 / precision_I)).sum()
    shrunk_I = own_I / between_items
    return Effects(
        mean=float(solution[0]),
        item_I=item_I,
        item_variance_I=own_I + shrunk_I**2 * mean_variance,
        person_K=solution[1:],
        person_variance_K=person_variance_K,
        between_items=between_items,
        between_people=between_people,
        noise=noise,
    )


class _Model:
    """The ratings as linear equations in (mu, v_1 .. v_K), the items' effects eliminated."""

    def __init__(self, item_N: Ints, person_N: Ints, rating_N: Floats, items: int, people: int) -> None:
        self.item_N, self.rating_N = item_N, rating_N
        self.named_N = np.flatnonzero(person_N >= 0)
        self.person_M = person_N[self.named_N]
        self.size_I = np.bincount(item_N, minlength=items).astype(np.float64)
        self.size_K = np.bincount(self.person_M, minlength=people).astype(np.float64)

    def fixed(self, solution: Floats) -> Floats:
        """mu + v_k for every rating."""
        level_N = np.full(len(self.item_N), solution[0])
        level_N[self.named_N] += solution[1:][self.person_M]
        return level_N

    def items(self, left_N: Floats, ratio: float) -> Floats:
        """Best u_i for what is left of each rating: its sum over the item / (n_i + noise/item variance)."""
        summed_I: Floats = np.bincount(self.item_N, weights=left_N, minlength=len(self.size_I)).astype(np.float64)
        return summed_I / (self.size_I + ratio)

    def solve(self, item_ratio: float, person_ratio: float, start: Floats) -> tuple[Floats, Floats]:
        """(mu, v) and u that solve the mixed-model equations, by conjugate gradients from `start`."""

        def pushed(level_N: Floats) -> Floats:
            """Transposed design times the part of the ratings' levels that items do not take up."""
            left_N = level_N - self.items(level_N, item_ratio)[self.item_N]
            people_K = np.bincount(self.person_M, weights=left_N[self.named_N], minlength=len(self.size_K))
            return np.concatenate([[left_N.sum()], people_K])

        penalty = np.concatenate([[0.0], np.full(len(self.size_K), person_ratio)])
        scale = np.concatenate([[(self.size_I * item_ratio / (self.size_I + item_ratio)).sum()], self.size_K]) + penalty
        target = pushed(self.rating_N)
        solution = start.copy()
        left = target - pushed(self.fixed(solution)) - penalty * solution
        direction, enough = np.zeros_like(solution), 1e-16 * max(float(target @ (target / scale)), 1e-300)
        steepness = 1.0
        for _ in range(10 * len(solution) + 50):
            eased = left / scale
            steepness, before = float(left @ eased), steepness
            if steepness <= enough:
                break
            direction = eased + (steepness / before) * direction
            bent = pushed(self.fixed(direction)) + penalty * direction
            step = steepness / float(direction @ bent)
            solution = solution + step * direction
            left = left - step * bent
        return solution, self.items(self.rating_N - self.fixed(solution), item_ratio)

    def precision(self, noise: float, person_variance_K: Floats) -> Floats:
        """What the ratings of each item say of it, as 1/variance; a person's unsure leniency blurs what they say."""
        variance_N = np.full(len(self.item_N), noise)
        variance_N[self.named_N] += person_variance_K[self.person_M]
        return np.bincount(self.item_N, weights=1 / variance_N, minlength=len(self.size_I)).astype(np.float64)


def _pooled(squares: float, count: int, guess: float) -> float:
    return (squares + _GUESS_COUNTS * guess) / (count + _GUESS_COUNTS)


def _guesses(config: SignalConfig) -> tuple[float, float, float]:
    width = config.width
    return width * config.prior_item_share, width * config.prior_person_share, width * config.prior_noise_share


def _rating(answer: Answer, config: SignalConfig) -> float:
    value = answer.feedback.value
    return rescale(value["rating"], value["scale"], config.scale)
