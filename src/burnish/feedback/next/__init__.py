"""What to ask next: one file per strategy, and this folder is their registry.

    pick(candidates, n, draw) -> list[int]      numbers of at most n different pairs, the first the most wanted

`burnish.feedback.agenda` keeps a random slice beside whatever a strategy picks (without it nobody can tell afterwards
what the picking did to the statistics), spreads the rest over prompts, and deals it out to people.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from burnish.errors import InputError, nearest

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of texts that could be compared, and what is believed of the texts so far."""

    first_P: Ints
    """Item number of each pair's first text."""
    second_P: Ints
    group_P: Ints
    """Prompt number of each pair."""
    rewards_MI: Floats
    """M draws from the posterior of each item's latent score, in logits (an ensemble's members will do)."""
    features_IF: Floats | None = None
    """What is known of each item, such as its embedding; for D-optimal picking with a reward model's last layer."""
    answered_P: Ints | None = None
    """How often each pair was answered; what features have been told by that is not asked for again."""

    def __post_init__(self) -> None:
        if self.rewards_MI.ndim != 2 or len(self.rewards_MI) < 2:
            raise InputError(f"next: {self.rewards_MI.shape} draws of rewards. Give at least two for every item.")

    def __len__(self) -> int:
        return len(self.first_P)

    @property
    def gap_MP(self) -> Floats:
        """Difference of latent scores in each draw."""
        return np.asarray(self.rewards_MI[:, self.first_P] - self.rewards_MI[:, self.second_P], dtype=np.float64)

    @property
    def chance_MP(self) -> Floats:
        """Probability in each draw that the first is preferred."""
        return np.asarray(expit(self.gap_MP), dtype=np.float64)


def names() -> list[str]:
    """Return the names of all strategies, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return the module of a strategy. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"strategy {name!r} is not known.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")


def highest(values_P: Floats, n: int, draw: np.random.Generator) -> list[int]:
    """Return the numbers of the n highest values, equals in random order."""
    shuffled = draw.permutation(len(values_P))
    return [int(i) for i in shuffled[np.argsort(-values_P[shuffled], kind="stable")][:n]]
