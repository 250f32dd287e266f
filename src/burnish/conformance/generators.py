"""A generator beside the one it learned from, both known whole: is what it says likely, and does it say all there is?

    quality     E_{y ~ G} [ -log P(y) ]        nats a completion: what the known generator P thinks of G's texts
    diversity   E_{y ~ P} [ -log G(y) ]        nats a completion: what G thinks of P's texts
    both are P's entropy when G is P; alone, either can be pleased at the other's cost

A lower temperature buys quality for diversity, so a generator is judged by whether it lies below the curve that another
one draws through all temperatures, never by one of the two numbers.

Source: Caccia et al. 2018, "Language GANs falling short", arXiv 1811.02549, sections 3 and 4.1; NLL_oracle is that of
SeqGAN, arXiv 1609.05473, section 4.1. There both are estimates from samples; here they are sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from burnish.conformance.lessons import SHARP
from burnish.conformance.world import ASKED, World
from burnish.models.table import TablePolicy
from burnish.records import Demonstration

LEAST = 1e-300
"""What a probability of nothing counts as, so that its logarithm is a number."""


@dataclass(frozen=True)
class Point:
    """Where a generator lies; the lower both are, the better."""

    quality: float
    diversity: float


@torch.no_grad()
def point(world: World, policy: TablePolicy, temperature: float = 1.0) -> Point:
    """Return where the policy lies at a temperature, the known generator being the expert; means over the prompts."""
    quality = diversity = 0.0
    for prompt in ASKED:
        said = policy.probabilities(prompt, act=lambda says: says.logits_BV / temperature)
        known = world.expert(policy, prompt, SHARP)
        quality -= float(said @ known.log())
        diversity -= float(known @ said.clamp(min=LEAST).log())
    return Point(quality / len(ASKED), diversity / len(ASKED))


def entropy(world: World, policy: TablePolicy) -> float:
    """Return the known generator's entropy, nats a completion: both numbers of a generator that is it."""
    chances = [world.expert(policy, prompt, SHARP) for prompt in ASKED]
    return -sum(float(known @ known.log()) for known in chances) / len(ASKED)


def at_equal_quality(curve: Sequence[Point], quality: float) -> float:
    """Return the diversity that a curve has at a quality, by straight lines between its points; NaN beyond its ends."""
    points = sorted(curve, key=lambda each: each.quality)
    known = [each.quality for each in points]
    return float(np.interp(quality, known, [each.diversity for each in points], left=np.nan, right=np.nan))


def sampled(world: World, policy: TablePolicy, *, count: int, salt: str = "sampled") -> list[Demonstration]:
    """Return so many texts of the known generator to each prompt: all that a learner sees of it."""
    return [Demonstration(prompt, each) for prompt in ASKED for each in world.shown(policy, prompt, count, SHARP, salt)]
