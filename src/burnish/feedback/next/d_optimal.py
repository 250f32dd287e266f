"""Pairs that together shrink the posterior most: greedily the pair that adds most to log det of the information.

One answer adds w x x' with x the difference of the two items' features and w = p (1 - p); the gain of a pair is
log(1 + w x' S x), S the present covariance, which each chosen pair shrinks (Sherman-Morrison), so that a batch does not
ask the same thing ten times. With features S begins as what the pairs answered so far left of the prior. Without them
x picks two items, and S is the posterior covariance within the prompt.
Source: Mukherjee et al. 2024, arXiv 2404.13895; Das et al. 2024, arXiv 2402.10500.
"""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates, Floats, Ints

RIDGE = 1.0
"""Prior precision of a weight on the features, which are brought to spread 1."""


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return at most n pairs, each the best addition to those before it."""
    left = np.ones(len(candidates), dtype=bool)
    weight_P = candidates.chance_MP.mean(axis=0)
    weight_P = weight_P * (1 - weight_P)
    by_features = candidates.features_IF is not None
    spread: _ByFeatures | _ByItems = _ByFeatures(candidates, weight_P) if by_features else _ByItems(candidates)
    noise_P = 1e-9 * draw.random(len(candidates))  # equals in random order
    found: list[int] = []
    for _ in range(min(n, len(candidates))):
        gain_P = np.where(left, np.log1p(weight_P * spread.of_pairs()) + noise_P, -np.inf)
        best = int(np.argmax(gain_P))
        spread.answered(best, float(weight_P[best]))
        left[best] = False
        found.append(best)
    return found


class _ByItems:
    """Posterior covariance of the items, prompt by prompt: answers on one say nothing of another."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.own = {int(group): np.flatnonzero(candidates.group_P == group) for group in np.unique(candidates.group_P)}
        self.members = {
            group: np.unique(np.concatenate([candidates.first_P[own], candidates.second_P[own]]))
            for group, own in self.own.items()
        }
        self.covariance = {
            group: np.atleast_2d(np.cov(candidates.rewards_MI[:, items], rowvar=False))
            for group, items in self.members.items()
        }
        self.spread_P = np.empty(len(candidates))
        for group in self.members:
            self._refresh(group)

    def of_pairs(self) -> Floats:
        """Return x' S x of each pair."""
        return self.spread_P

    def answered(self, pair: int, weight: float) -> None:
        """Shrink the covariance as one answer to this pair would."""
        group = int(self.candidates.group_P[pair])
        first, second = self._places(group, np.array([pair]))
        covariance = self.covariance[group]
        along = covariance[:, first[0]] - covariance[:, second[0]]
        spread = float(along[first[0]] - along[second[0]])
        self.covariance[group] = covariance - np.outer(along, along) * weight / (1 + weight * spread)
        self._refresh(group)

    def _refresh(self, group: int) -> None:
        own = self.own[group]
        first, second = self._places(group, own)
        c = self.covariance[group]
        self.spread_P[own] = np.maximum(c[first, first] + c[second, second] - 2 * c[first, second], 0.0)

    def _places(self, group: int, pairs: Ints) -> tuple[Ints, Ints]:
        items = self.members[group]
        ends = self.candidates.first_P[pairs], self.candidates.second_P[pairs]
        return np.searchsorted(items, ends[0]), np.searchsorted(items, ends[1])


class _ByFeatures:
    """Posterior covariance of the weights on the items' features, which all prompts share."""

    def __init__(self, candidates: Candidates, weight_P: Floats) -> None:
        features = np.asarray(candidates.features_IF, dtype=np.float64)
        scale = features.std(axis=0)
        features = (features - features.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
        self.difference_PF = features[candidates.first_P] - features[candidates.second_P]
        told_P = np.zeros(len(candidates)) if candidates.answered_P is None else candidates.answered_P * weight_P
        known = self.difference_PF[told_P > 0]
        precision_FF = RIDGE * np.eye(features.shape[1]) + (known * told_P[told_P > 0, None]).T @ known
        self.covariance_FF = np.linalg.inv(precision_FF)
        self.spread_P: Floats = np.asarray(((self.difference_PF @ self.covariance_FF) * self.difference_PF).sum(axis=1))

    def of_pairs(self) -> Floats:
        """Return x' S x of each pair."""
        return self.spread_P

    def answered(self, pair: int, weight: float) -> None:
        """Shrink the covariance as one answer to this pair would."""
        along = self.covariance_FF @ self.difference_PF[pair]
        factor = weight / (1 + weight * float(self.difference_PF[pair] @ along))
        self.covariance_FF -= factor * np.outer(along, along)
        self.spread_P = np.asarray(np.maximum(self.spread_P - factor * (self.difference_PF @ along) ** 2, 0.0))
