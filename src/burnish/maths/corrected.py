"""What a judge's answers on many items say about people's, once people have answered some of the same items.

A judge that calls 60% of the texts good has not found that 60% are good: it errs, and more often one way than the
other. Two corrections, each with an interval that holds both samplings (of the judged items and of people's):

    Rogan-Gladen            a rate, from the judge's errors on people's items (sensitivity and specificity)
    prediction-powered      any mean, from the judge's mean error on people's items

Both need people's items drawn like the others; a judge that is no better than a coin corrects nothing, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, ndtri

from burnish.errors import InputError
from burnish.records import Interval

Floats = NDArray[np.float64]

WEAKEST = 0.1
"""Least sensitivity + specificity - 1 that is corrected with: below it the interval is wider than what is known."""
SHRINK = 1.0
"""Pseudo-items each way in sensitivity and specificity: none of 20 wrong is not proof of no error."""
RIDGE = 1e-3
"""Precision of the normal prior on `Recalibration`'s slope about 1 and offset about 0: keeps separable data finite."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected mean and what the judge alone would have said."""

    corrected: Interval
    uncorrected: float
    gain: float
    """Variance of the mean of people's answers alone / variance of the corrected one: above 1 the judge helps."""


def rogan_gladen(judged: ArrayLike, judge: ArrayLike, people: ArrayLike, *, confidence: float = 0.95) -> Corrected:
    """Share of items that people would call good, from what a judge calls so.

    theta = (p + q0 - 1) / (q1 + q0 - 1) with p the judge's share among `judged` (0 or 1, the items people did not see),
    q1 its share of yes where people say yes and q0 its share of no where they say no (`judge`, `people`: the same
    items). Var = [p(1-p)/n + (1-theta)^2 q0(1-q0)/m0 + theta^2 q1(1-q1)/m1] / (q0+q1-1)^2, clipped to [0, 1].
    Raises InputError where people's items hold only one answer, or the judge is hardly better than a coin.
    Source: Rogan & Gladen 1978; the variance with both samplings: Lang & Reiczigel 2014, and arXiv 2511.21140.
    """
    judged_N, judge_M, people_M = (_binary(each) for each in (judged, judge, people))
    _same_length(judge_M, people_M)
    m1, m0 = float(people_M.sum()), float((1 - people_M).sum())
    if not (m1 and m0):
        raise InputError(
            "corrected: people gave the same answer to every item, so the judge's errors the other way are unknown. "
            "Let people answer items of both kinds."
        )
    q1 = float((judge_M @ people_M + SHRINK) / (m1 + 2 * SHRINK))
    q0 = float(((1 - judge_M) @ (1 - people_M) + SHRINK) / (m0 + 2 * SHRINK))
    informs = q0 + q1 - 1
    if informs < WEAKEST:
        raise InputError(
            f"corrected: the judge is right on {q1:.0%} of people's yes and {q0:.0%} of their no, hardly better than a "
            "coin. Nothing can be corrected with it; take people's answers alone, or another judge."
        )
    n = len(judged_N)
    p = float(judged_N.mean())
    theta = (p + q0 - 1) / informs
    inside = min(1.0, max(0.0, theta))
    spread = p * (1 - p) / n + (1 - inside) ** 2 * q0 * (1 - q0) / m0 + inside**2 * q1 * (1 - q1) / m1
    variance = spread / informs**2
    share = m1 / (m0 + m1)
    alone = share * (1 - share) / (m0 + m1)
    found = _normal(inside, variance, n + len(judge_M), confidence)
    return Corrected(found, p, alone / variance if variance else np.inf)


def prediction_powered(
    judged: ArrayLike, judge: ArrayLike, people: ArrayLike, *, confidence: float = 0.95
) -> Corrected:
    """Mean of people's answers over all items, from a judge's on all and people's on some.

    theta = mean(people) + w (mean(judged) - mean(judge)), w = cov(people, judge) / [(1 + n/N) var(judge)]: the weight
    of least variance, 0 for a judge that tells nothing (then it is people's mean alone). `judged`: shape (N,), items
    that people did not see; `judge`, `people`: shape (n,), the items they did. Any scale, the same for all. Raises
    InputError for fewer than three of people's items. Source: PPI++, Angelopoulos, Duchi & Zrnic 2023, arXiv
    2311.01453, equations 3 and 6 for the mean.
    """
    judged_N, judge_n, people_n = (_finite(each) for each in (judged, judge, people))
    _same_length(judge_n, people_n)
    n, big = len(people_n), len(judged_N)
    if n < 3 or not big:
        raise InputError(f"corrected: {n} items of people and {big} others. Take at least three and one.")
    spread = float(judge_n.var(ddof=1))
    weight = float(np.cov(people_n, judge_n)[0, 1]) / ((1 + n / big) * spread) if spread else 0.0
    theta = float(people_n.mean() + weight * (judged_N.mean() - judge_n.mean()))
    beside = float(judged_N.var(ddof=1)) if big > 1 else spread
    variance = float((people_n - weight * judge_n).var(ddof=1)) / n + weight**2 * beside / big
    alone = float(people_n.var(ddof=1)) / n
    found = _normal(theta, variance, n + big, confidence)
    return Corrected(found, float(judged_N.mean()), alone / variance if variance else np.inf)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A judge's probability put right: sigmoid(slope * logit(p) + offset)."""

    slope: float
    """Below 1 the judge was too sure."""
    offset: float
    """Not 0: it leaned one way."""

    def __call__(self, probabilities: ArrayLike) -> Floats:
        """Return the recalibrated probabilities."""
        return np.asarray(expit(self.slope * _logit(probabilities) + self.offset), dtype=np.float64)


def recalibrate(probabilities: ArrayLike, people: ArrayLike) -> Recalibration:
    """Slope and offset that make a judge's probabilities match how often people say so.

    `people`: 0 or 1, or a share of people, for the same items. Maximum likelihood by Newton's method with a weak prior
    at (1, 0), each step halved until it does not lose: a judge that says 99% and is right in 77% would throw a full
    step far past the top and back. Source: Platt 1999; the step, Lin, Lin & Weng 2007, "A note on Platt's probabilistic
    outputs", algorithm 1; temperature scaling (offset 0), Guo et al. 2017, arXiv 1706.04599.
    """
    x_N, y_N = _logit(probabilities), _finite(people)
    _same_length(x_N, y_N)
    features_N2 = np.stack([x_N, np.ones_like(x_N)], axis=1)
    prior = np.array([1.0, 0.0])
    weights = prior.copy()
    loss = _loss(weights, prior, features_N2, y_N)
    for _ in range(50):
        chance_N = expit(features_N2 @ weights)
        gradient = features_N2.T @ (chance_N - y_N) + RIDGE * (weights - prior)
        curve = (features_N2 * (chance_N * (1 - chance_N))[:, None]).T @ features_N2 + RIDGE * np.eye(2)
        step = np.linalg.solve(curve, gradient)
        if float(gradient @ step) < 1e-12:  # twice what a step can still win
            break
        share = 1.0
        while (tried := _loss(weights - share * step, prior, features_N2, y_N)) > loss and share > 1e-10:
            share /= 2
        weights, loss = weights - share * step, tried
    return Recalibration(float(weights[0]), float(weights[1]))


def _loss(weights: Floats, prior: Floats, features_N2: Floats, y_N: Floats) -> float:
    """Return what `recalibrate` makes least: - log likelihood + RIDGE / 2 |weights - prior|^2."""
    level_N = features_N2 @ weights
    return float((np.logaddexp(0.0, level_N) - y_N * level_N).sum() + RIDGE / 2 * ((weights - prior) ** 2).sum())


def kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Cohen's kappa of two people's answers on the same items: (agreed - by chance) / (1 - by chance).

    NaN where both always give the same one answer: then nothing shows that they could have disagreed.
    Source: Cohen 1960.
    """
    one_N, two_N = np.asarray(first), np.asarray(second)
    _same_length(one_N, two_N)
    agreed = float(np.mean(one_N == two_N))
    chance = sum(float(np.mean(one_N == value) * np.mean(two_N == value)) for value in np.unique(one_N))
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def _normal(mean: float, variance: float, n: int, confidence: float) -> Interval:
    half = float(ndtri(0.5 + confidence / 2)) * float(np.sqrt(variance))
    return Interval(mean, mean - half, mean + half, n)


def _logit(probabilities: ArrayLike) -> Floats:
    inside = np.clip(_finite(probabilities), 1e-6, 1 - 1e-6)  # a judge is never sure beyond one in a million
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


def _binary(values: ArrayLike) -> Floats:
    array = _finite(values)
    if not np.isin(array, (0.0, 1.0)).all():
        raise InputError("corrected: a rate needs answers that are 0 or 1. Choose a threshold, or correct the mean.")
    return array


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError("corrected: answers must be a list of finite numbers. Leave out what was not answered.")
    return array


def _same_length(one: NDArray[np.generic], two: NDArray[np.generic]) -> None:
    if len(one) != len(two):
        raise InputError(f"corrected: {len(one)} answers beside {len(two)}. Give the same items in the same order.")
