"""Pairs whose answer would tell most about the scores: H(mean p) - mean H(p) over the posterior's draws.

The first term is how open the answer is, the second how open it would stay if the scores were known; a pair on which
people are divided has both, and gains nothing. Source: BALD, Houlsby et al. 2011, arXiv 1112.5745, equation 2.
"""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates, Floats, highest


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return the n pairs of highest information gain."""
    return highest(gain(candidates.chance_MP), n, draw)


def gain(chance_MP: Floats) -> Floats:
    """Return the mutual information of each pair's answer and the scores, in nats."""
    return np.asarray(_entropy(chance_MP.mean(axis=0)) - _entropy(chance_MP).mean(axis=0), dtype=np.float64)


def _entropy(chance: Floats) -> Floats:
    inside = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.asarray(-inside * np.log(inside) - (1 - inside) * np.log1p(-inside), dtype=np.float64)
