"""What a comment is worth in grades: weights of the whole and of each aspect, fitted to the same people's own grades.

    grade_i = b + w_0 whole_i + sum_a w_a aspect_ia + u_person(i) + noise

whole and aspects are the readings' values, 0 where nothing was said of them. Priors: w_0 ~ N(1, s^2), the others and b
~ N(0, s^2), u ~ N(0, person variance): with no grades at all a comment is worth what was read in it, and every grade
moves that a little. The noise variance is estimated by EM, held up by a guess that counts as five grades. A prediction
states its whole variance: noise, the person's leniency, and what the fit does not know of its weights, so that a
comment unlike all that were graded comes out unsure.

Ridge regression as a posterior: Bishop 2006, §3.3; EM for the noise: §9.3.4. People are eliminated first (Schur
complement: each is one diagonal entry), so the cost grows with the number of grades and not with people cubed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.errors import InputError
from burnish.feedback.words.reading import Estimate, Reading

Floats: TypeAlias = NDArray[np.float64]

PRIOR_SD = 0.3
"""Standard deviation of the weights before the grades."""
PRIOR_PERSON_VARIANCE = 0.25
GUESSED_NOISE = 2.5
"""Noise variance before the grades, on the scale from -4 to 4: a reading's (`reading.VARIANCES`) and a person's."""
_GUESS_COUNTS = 5.0  # with fewer, ten grades that happen to agree make ranges far too narrow


@dataclass(frozen=True)
class GradeWeights:
    """The fitted weights with their covariance; a pure value that can be asked for predictions."""

    names: tuple[str, ...]
    """Empty for the whole, then the aspects, in the order of the weights; the offset b stands last."""
    mean_P: Floats
    covariance_PP: Floats
    noise: float
    people: Mapping[str, float]
    """Leniency of each person, for a report: how far above the others they grade the same words."""
    graded: int
    """Grades that it was fitted to."""

    def weight(self, aspect: str) -> Estimate:
        """How much one point of an aspect (empty: of the whole) is worth in the grade."""
        place = self.names.index(aspect)
        return Estimate(float(self.mean_P[place]), float(self.covariance_PP[place, place]))

    def predict(self, reading: Reading) -> Estimate | None:
        """The grade that a person drawn at random would give beside this comment; None where nothing could be read."""
        if reading.whole is None:
            return None
        row_P = _row(reading, self.names)
        variance = self.noise + PRIOR_PERSON_VARIANCE + float(row_P @ self.covariance_PP @ row_P)
        return Estimate(float(np.clip(row_P @ self.mean_P, -4, 4)), variance)


def fit(
    readings: Sequence[Reading], grades: Sequence[float], people: Sequence[str], *, aspects: Sequence[str] | None = None
) -> GradeWeights:
    """The weights after the grades (from -4 to 4) that the comments' own authors gave; none is a fit to nothing.

    `people`: who gave each, empty for anonymous. `aspects`: those that have a weight (default: all that were read).
    Comments in which nothing was read are left out. Raises InputError where the three differ in length.
    """
    if not len(readings) == len(grades) == len(people):
        raise InputError(f"grades.fit: {len(readings)} readings, {len(grades)} grades, {len(people)} people.")
    kept = [row for row, reading in enumerate(readings) if reading.whole is not None]
    spoken = sorted({aspect for row in kept for aspect in readings[row].aspects})
    names = ("", *(spoken if aspects is None else aspects))
    x_NP = np.array([_row(readings[row], names) for row in kept]).reshape(len(kept), len(names) + 1)
    y_N = np.array([grades[row] for row in kept], dtype=np.float64)
    known = sorted({people[row] for row in kept} - {""})
    # an anonymous grade has a person of its own, whose leniency is part of its noise
    person_N = np.array([known.index(people[row]) if people[row] else -1 for row in kept], dtype=np.int64)
    prior_P = np.zeros(len(names) + 1)
    prior_P[0] = 1.0
    noise = GUESSED_NOISE
    for _ in range(200):
        mean_P, covariance_PP, person_K, person_variance_K = _solve(x_NP, y_N, person_N, len(known), prior_P, noise)
        left_N = y_N - x_NP @ mean_P - np.append(person_K, 0.0)[person_N]
        unsure = np.einsum("np,pq,nq->", x_NP, covariance_PP, x_NP) + np.append(person_variance_K, 0.0)[person_N].sum()
        updated = (left_N @ left_N + unsure + _GUESS_COUNTS * GUESSED_NOISE) / (len(y_N) + _GUESS_COUNTS)
        settled, noise = abs(updated / noise - 1) < 1e-4, float(updated)
        if settled:
            break
    return GradeWeights(
        names, mean_P, covariance_PP, noise, dict(zip(known, person_K.tolist(), strict=True)), len(kept)
    )


def _row(reading: Reading, names: Sequence[str]) -> Floats:
    whole = reading.whole.value if reading.whole else 0.0
    spoken = [reading.aspects[name].value if name in reading.aspects else 0.0 for name in names[1:]]
    return np.array([whole, *spoken, 1.0])


def _solve(
    x_NP: Floats, y_N: Floats, person_N: NDArray[np.int64], people: int, prior_P: Floats, noise: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Posterior means and covariance of the weights, means and variances of the people's leniency, given the noise."""
    named = person_N >= 0
    # anonymous grades carry the person's variance as noise
    weight_N = 1 / (noise + np.where(named, 0.0, PRIOR_PERSON_VARIANCE))
    d_K = np.bincount(person_N[named], weights=weight_N[named], minlength=people) + 1 / PRIOR_PERSON_VARIANCE
    b_KP = np.zeros((people, x_NP.shape[1]))
    np.add.at(b_KP, person_N[named], x_NP[named] * weight_N[named, None])
    seen_K = np.bincount(person_N[named], weights=(weight_N * y_N)[named], minlength=people)
    precision_PP = (x_NP * weight_N[:, None]).T @ x_NP + np.eye(x_NP.shape[1]) / PRIOR_SD**2
    reduced_PP = precision_PP - b_KP.T @ (b_KP / d_K[:, None])
    covariance_PP: Floats = np.linalg.inv(reduced_PP).astype(np.float64)
    target_P = x_NP.T @ (weight_N * y_N) + prior_P / PRIOR_SD**2 - b_KP.T @ (seen_K / d_K)
    mean_P: Floats = covariance_PP @ target_P
    person_K: Floats = (seen_K - b_KP @ mean_P) / d_K
    variance_K: Floats = 1 / d_K
    return mean_P, covariance_PP, person_K, variance_K
