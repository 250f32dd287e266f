"""How much likelier each text is acted on than the others, from actions weighted by how likely it was looked at.

    P(c_n = 1) = e_n r_i,      r^_i = sum of w_n c_n / sum of w_n e_n,      w_n = min(1 / e_n, most)

e_n is the probability that showing n was looked at. Both sums are clipped alike, so that r^_i is unbiased whatever
`most` is, as every text has one r_i: clipping costs precision where a text was shown at several places, and no bias
(self-normalised weights; 1 / e alone: Joachims, Swaminathan & Schnabel 2017, arXiv 1608.04468). Its sampling variance
is

    v(r) = (r sum of w^2 e - E r^2 sum of w^2 e^2) / (sum of w e)^2 + s^2 E r^2

s being the relative standard error of the e where they were estimated. Texts differ by r_i ~ (mu, t). What is wanted is
d_i = r_i - the mean of the K other r_j, before the data N(0, t (1 + 1/K)). The others' mean is estimated with the
weights of a random-effects mean, 1 / (t + v_j) (Buehlmann & Straub 1970; DerSimonian & Laird 1986), and

    m_i = S sum of r^_j / (t + v_j),      S = 1 / sum of 1 / (t + v_j),      V = S - t / K
    d_i = B (r^_i - m_i),      B = T / (T + V + v_i),      T = t (1 + 1/K)
    var d_i = B^2 (V + v_i) + (1 - B)^2 T

B and the weights take v at the rate of all texts together: weights that know how often a text was acted on favour those
that had bad luck. The v_i of the stated variance is at the text's own rate, drawn towards that of all by 2a looks. A
weighted rate may be above 1: m is not (where the true mean lies below, that is nearer), a text's own stays as it is, so
that texts keep their order where people look more often than e has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

ALONE = 0.5
"""What a text without others is held against."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Sums over the showings of texts 0..I-1."""

    acted_I: Floats
    """Of w c."""
    reached_I: Floats
    """Of w e; above 0."""
    linear_I: Floats
    """Of w^2 e: what of the sampling variance grows with r."""
    square_I: Floats
    """Of w^2 e^2: what of it falls with r^2."""
    doubt_I: Floats
    """Of w e s, s the relative standard error of e. Errors of one text's showings are taken to go together."""


@dataclass(frozen=True, slots=True)
class Above:
    """Posterior of how far each text's rate is above the others'."""

    mean_I: Floats
    """d, between -1 and 1."""
    variance_I: Floats
    others_I: Floats
    """m: the others' mean rate, between 0 and 1."""


def above_others(shown: Shown, prior: float) -> Above:
    """Posterior of d_i for each text; `prior` = a: rates of texts are Beta(2a mu, 2a (1 - mu)) before anybody acted."""
    rate_I = shown.acted_I / shown.reached_I
    looks_I = shown.reached_I**2 / shown.linear_I
    pooled = _pooled(shown, prior)
    spread = pooled * (1 - pooled) / (2 * prior + 1)
    usual_I = sampling(shown, np.full(len(rate_I), pooled), np.full(len(rate_I), spread))
    own_I = (2 * prior * pooled + looks_I * np.minimum(rate_I, 1.0)) / (2 * prior + looks_I)
    noise_I = sampling(shown, own_I, own_I * (1 - own_I) / (2 * prior + looks_I + 1))
    others_I, apart, unsure_I = _others(rate_I, usual_I, spread)
    belief_I = apart / (apart + unsure_I + usual_I)
    mean_I = np.clip(belief_I * (rate_I - others_I), -1.0, 1.0)
    return Above(mean_I, belief_I**2 * (unsure_I + noise_I) + (1 - belief_I) ** 2 * apart, others_I)


def sampling(shown: Shown, rate_I: Floats, variance_I: Floats) -> Floats:
    """Variance of r^_i where r_i has this mean and variance."""
    second_I = np.square(rate_I) + variance_I
    drawn_I = (shown.linear_I * rate_I - shown.square_I * second_I) / shown.reached_I**2
    return np.asarray(np.maximum(drawn_I, 0.0) + (shown.doubt_I / shown.reached_I) ** 2 * second_I)


def _pooled(shown: Shown, prior: float) -> float:
    """Rate of all texts together, drawn towards one half by 2a looks, so that it is never 0 or 1."""
    looks = float(shown.reached_I.sum() ** 2 / shown.linear_I.sum())
    rate = min(float(shown.acted_I.sum() / shown.reached_I.sum()), 1.0)
    return (prior + looks * rate) / (2 * prior + looks)


def _others(rate_I: Floats, usual_I: Floats, spread: float) -> tuple[Floats, float, Floats]:
    """Others' mean rate, variance of d before the data, and variance of the mean's error."""
    others = len(rate_I) - 1
    if not others:
        return np.full(1, ALONE), spread, np.zeros(1)
    weight_I = 1 / (spread + usual_I)
    left_I = weight_I.sum() - weight_I
    mean_I = ((weight_I * rate_I).sum() - weight_I * rate_I) / left_I
    return np.clip(mean_I, 0.0, 1.0), spread * (1 + 1 / others), np.maximum(1 / left_I - spread / others, 0.0)
