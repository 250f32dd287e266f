"""Every method on a world that is known whole: it learns, its wrong-sign twin is led astray, it goes on exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from burnish import methods
from burnish.conformance import toys
from burnish.conformance.world import ASKED, LONGEST, VOCABULARY, World, expected, order_accuracy
from burnish.models.table import TablePolicy

NAMES = methods.names()
QUICK = {"steps": 40, "examples_per_step": 64, "group": 16}
ROLLOUTS, LONGER = 2, 80
"""SeqGAN takes more steps of fewer rollouts: it comes further so in the same time."""
HASTE, SEQGAN_HASTE = 8.0, 3.0
"""What the small rates of what is drawn or imitated are raised by: a few steps of a table bear it."""
LEARNS = 0.85
"""Of the way from where it began to its optimum, after a few steps: the table of all is in benchmarks/toys.py."""
LEARNS_LESS = {
    "discriminator": 0.5, "dpo": 0.75, "inverse_rl": 0.5, "ipo": 0.7, "process_reward": 0.75, "ranking_reward": 0.75,
    "reward": 0.7, "sdpo": 0.7, "seqgan": 0.6, "simpo": 0.65,
}  # fmt: skip
"""What needs more steps than these: of the pairs, texts or draws that its toy has it sees a part."""
ASTRAY = 0.2
"""Share of that way that its twin stays below: most go backwards, star then finds nothing right to imitate."""


def test_every_method_has_a_toy_and_a_family_s_stands_in():
    assert all(toys.toy_of(name) for name in NAMES)
    assert set(toys.TOYS) <= set(NAMES)
    kept = toys.TOYS.pop("rloo")
    try:
        assert toys.toy_of("rloo") == kept
    finally:
        toys.TOYS["rloo"] = kept


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_its_wrong_sign_twin_is_led_astray(name):
    toy, quick = hasty(name), QUICK
    if name == "seqgan":
        toy, quick = replace(toy, config={"rollouts": ROLLOUTS}), {**QUICK, "steps": LONGER}
    right, wrong = (toys.run(name, seed=0, sign=sign, toy=toy, **quick) for sign in (1.0, -1.0))
    asked = LEARNS_LESS.get(name, LEARNS)
    assert right.after - right.before > asked * (right.optimum - right.before), right
    assert wrong.after < right.before + ASTRAY * (right.after - right.before), (right, wrong)


def hasty(name: str) -> toys.Toy:
    """Return the method's toy at a rate that few steps suffice for."""
    toy = toys.toy_of(name)
    haste = SEQGAN_HASTE if name == "seqgan" else HASTE if toy.rate <= toys.IMITATED.rate else 1.0
    return replace(toy, rate=haste * toy.rate)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("rloo", 3 * 4),
        ("nash_md", 2 * 3 * 4),  # an opponent to each
        ("dpo", 6 * 2),  # both texts of a pair
        ("inverse_rl", 6 + 3 * 4),  # what people showed, and what it is told apart from
        # drawn to be scored, and, going on from every token but the last, twice; and its partner: as many, and data
        ("seqgan", 3 * 4 * (1 + 2 * (LONGEST - 1)) + 3 * 4 + 6),
    ],
)
def test_all_that_it_draws_and_is_given_is_counted(name, step):
    toy = replace(toys.toy_of(name), config={"rollouts": 2} if name == "seqgan" else toys.toy_of(name).config)
    found = toys.run(name, seed=0, toy=toy, steps=2, prompts_per_step=3, group=4, examples_per_step=6)
    assert found.completions <= 2 * step
    assert found.completions > 2 * step * (0.5 if name == "seqgan" else 0.999)  # some completions end early


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_exactly_from_every_place_it_can_be_saved_at(name):
    small = {"steps": 4, "prompts_per_step": 3, "group": 4, "examples_per_step": 6}
    toy = toys.toy_of(name)
    signals = toy.signals(World(3), TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST))
    toy = replace(toy, signals=lambda world, policy: signals)  # made once: the same for every beginning
    whole = toys.begin(name, seed=3, toy=toy, **small)
    kept, told = [], []
    for _ in range(4):
        kept.append((state(whole.course), whole.partner and state(whole.partner.course)))
        told.append(whole.step())
    for place, (mine, partners) in enumerate(kept):
        again = toys.begin(name, seed=3, toy=toy, **small)
        again.course.load_state(*mine)
        if again.partner:
            again.partner.course.load_state(*partners)
        for step in range(place, 4):
            assert again.step() == pytest.approx(told[step], nan_ok=True, abs=0), (place, step)
        for key, tensor in whole.course.state()[0].items():
            assert torch.equal(tensor, again.course.state()[0][key]), (place, key)


def state(course):
    tensors, numbers = course.state()
    return {key: tensor.clone() for key, tensor in tensors.items()}, numbers


# ---------------------------------------------------------------------------------------------------- the world itself


def test_the_world_knows_its_best_and_its_worst():
    world, twin = World(1), World(1, sign=-1.0)
    for prompt in ASKED:
        assert world.value(prompt, world.best(prompt)) == 1
        assert world.value(prompt, twin.best(prompt)) == 0


def test_the_expected_reward_is_what_many_draws_come_to():
    world = World(0)
    policy = TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST, seed=0)
    groups = policy.sample(ASKED, toys.SAMPLING, n=3000, seed=1)
    values = [world.value(p, c.token_ids) for p, group in zip(ASKED, groups, strict=True) for c in group]
    error = 3 * torch.tensor(values).std() / math.sqrt(len(values))
    assert abs(sum(values) / len(values) - expected(world, policy)) < error


def test_a_reward_head_that_knows_the_truth_orders_all_pairs():
    world = World(0)
    policy = TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST, heads={"reward": 1})
    for prompt in ASKED:
        for y in policy.completions():
            node = policy._nodes(prompt.id, y, len(y))[-1]
            policy.tables["reward"].data[node, 0, y[-1]] = world.value(prompt, y)
    assert order_accuracy(world, policy) == 1
