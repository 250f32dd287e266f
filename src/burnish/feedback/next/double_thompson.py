"""The winners of two draws from the posterior, prompt by prompt: what may be best, against what else may be.

Looks where it matters for finding the best text of each prompt, and stops comparing those that are surely not.
Source: double Thompson sampling, Wu & Liu 2016, arXiv 1604.07101; for language models Dwaracherla et al. 2024,
arXiv 2402.00396.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from burnish.feedback.next import Candidates

TRIES = 30
"""Draws until the second winner is another text; then the second draw's runner-up is taken."""


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return at most n pairs, the prompts taking turns in random order."""
    return in_turns(candidates, n, draw, last=False)


def in_turns(candidates: Candidates, n: int, draw: np.random.Generator, *, last: bool) -> list[int]:
    """Return pairs of the first of one draw with the first (or the last) of another, prompts taking turns.

    A prompt whose pairs have all been taken drops out; a pair that was taken already is tried anew, a few times.
    """
    pairs: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
    for number, (group, one, two) in enumerate(
        zip(candidates.group_P.tolist(), candidates.first_P.tolist(), candidates.second_P.tolist(), strict=True)
    ):
        pairs[group][min(one, two), max(one, two)] = number
    found: list[int] = []
    while pairs and len(found) < n:
        for group in draw.permutation(list(pairs)).tolist():
            number = _one(candidates, pairs[group], draw, last)
            found.append(number)
            pairs[group] = {ends: each for ends, each in pairs[group].items() if each != number}
            if not pairs[group]:
                del pairs[group]
            if len(found) == n:
                break
    return found


def _one(candidates: Candidates, free: dict[tuple[int, int], int], draw: np.random.Generator, last: bool) -> int:
    items = np.unique(list(free))
    for _ in range(TRIES):
        one, two = candidates.rewards_MI[draw.integers(len(candidates.rewards_MI), size=2)][:, items]
        first = int(items[np.argmax(one)])
        order = items[np.argsort(two if last else -two)]
        second = int(order[0] if order[0] != first else order[1])
        number = free.get((min(first, second), max(first, second)))
        if number is not None:
            return number
    return int(draw.choice(list(free.values())))
