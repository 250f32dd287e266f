"""Quality and diversity of a generator beside the one it learned from: exact, and neither without the other."""

from __future__ import annotations

import math

import pytest
import torch

from burnish.conformance import generators
from burnish.conformance.generators import Point, at_equal_quality, entropy, point
from burnish.conformance.lessons import SHARP
from burnish.conformance.world import ASKED, LONGEST, VOCABULARY, World
from burnish.models.table import TablePolicy
from burnish.records import Sampling


def a_table(seed: int = 0) -> TablePolicy:
    return TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST, seed=seed)


def the_known(world: World) -> TablePolicy:
    policy = a_table()
    for prompt in ASKED:
        policy.become(prompt, world.expert(policy, prompt, SHARP))
    return policy


def test_the_known_generator_has_its_entropy_twice_and_nobody_is_below_its_diversity():
    world = World(1)
    known = the_known(world)
    found = point(world, known)
    assert found.quality == pytest.approx(entropy(world, known), abs=1e-9)
    assert found.diversity == pytest.approx(entropy(world, known), abs=1e-9)
    assert point(world, a_table()).diversity > found.diversity


def test_a_low_temperature_buys_quality_for_diversity():
    """And what says one thing only has the best quality there is, and no diversity."""
    world = World(1)
    curve = [point(world, the_known(world), temperature) for temperature in (0.3, 0.6, 1.0)]
    assert curve[0].quality < curve[1].quality < curve[2].quality
    assert curve[0].diversity > curve[1].diversity > curve[2].diversity
    collapsed = a_table()
    for prompt in ASKED:
        best = [1.0 * (y == world.best(prompt)) for y in collapsed.completions()]
        collapsed.become(prompt, torch.tensor(best, dtype=torch.float64))
    assert point(world, collapsed).quality < curve[0].quality
    assert point(world, collapsed).diversity > 10


def test_both_are_what_many_draws_come_to():
    world, policy = World(0), a_table(3)
    every = {y: number for number, y in enumerate(policy.completions())}
    groups = policy.sample(ASKED, Sampling(max_new_tokens=LONGEST), n=2000, seed=1)
    values = []
    for prompt, group in zip(ASKED, groups, strict=True):
        known = world.expert(policy, prompt, SHARP)
        values += [-math.log(known[every[each.token_ids]]) for each in group]
    error = 3 * float(torch.tensor(values).std()) / math.sqrt(len(values))
    assert abs(sum(values) / len(values) - point(world, policy).quality) < error


def test_a_curve_is_read_between_its_points_and_nowhere_else():
    curve = [Point(2.0, 5.0), Point(1.0, 9.0), Point(4.0, 4.0)]  # in any order; by hand
    assert at_equal_quality(curve, 1.5) == pytest.approx(7.0)
    assert at_equal_quality(curve, 3.0) == pytest.approx(4.5)
    assert math.isnan(at_equal_quality(curve, 0.9))
    assert math.isnan(at_equal_quality(curve, 4.1))


def test_a_sample_is_fixed_by_the_world_and_by_what_it_is_for():
    world, policy = World(2), a_table()
    first, again = (generators.sampled(world, policy, count=5) for _ in range(2))
    other = generators.sampled(world, policy, count=5, salt="held out")
    said = [[each.completion.text for each in some] for some in (first, again, other)]
    assert len(first) == 15
    assert said[0] == said[1] != said[2]
