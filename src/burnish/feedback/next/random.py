"""Pairs at random: what every other strategy has to beat, and the start when nothing is known."""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return n pairs, every set of pairs equally likely."""
    return [int(i) for i in draw.permutation(len(candidates))[:n]]
