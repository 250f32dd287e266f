"""Pairs whose answer is least foreseen: the mean probability nearest to 1/2.

Right for ranking a few things exactly. It cannot tell "nobody knows yet" from "people are divided": pairs that will
stay even for ever are asked for ever. `information_gain` can. Source: Lewis & Gale 1994.
"""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates, highest


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return the n pairs of highest predictive entropy."""
    return highest(-np.abs(candidates.chance_MP.mean(axis=0) - 0.5), n, draw)
