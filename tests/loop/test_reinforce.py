"""What one step of reinforcement learning does with its window, and how a checkpoint is chosen."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from burnish.loop.recipe import Recipe, RlSettings
from burnish.loop.reinforce import Look, Reinforcement, _is_flat
from burnish.maths.batch import Batch, length_mask
from burnish.maths.control import LengthController
from burnish.maths.kl import KLController
from burnish.methods import grpo
from burnish.training.trainer import Slice


class Recorder:
    """In the trainer's place: keeps what it was given and tells numbers that can be averaged."""

    def __init__(self) -> None:
        self.given: list[tuple[Batch, list[int]]] = []

    def advance(self, batch: Batch, slices: list[Slice]) -> dict[str, float]:
        rows = torch.cat([each.rows for each in slices])
        self.given.append((batch, rows.tolist()))
        return {"loss": float(len(self.given)), "kl_nats": math.nan if len(self.given) == 1 else 3.0}


def reinforcement(**made: Any) -> Reinforcement:
    """A Reinforcement with only these parts."""
    bare = Reinforcement.__new__(Reinforcement)
    for name, value in made.items():
        setattr(bare, name, value)
    return bare


def test_each_minibatch_is_divided_by_the_window_s_counts():
    """Three slices in two minibatches; the trainer makes each stand for the window (`trainer.standing_for`)."""
    lengths = [1, 1, 5, 5, 2, 0]
    mask = length_mask(lengths)
    slices = [Slice(torch.tensor([2 * n, 2 * n + 1]), None) for n in range(3)]
    old = torch.arange(30.0).view(6, 5)
    trainer = Recorder()
    ours = reinforcement(config=grpo.Config(), minibatches=2, trainer=trainer)
    ours._old_logprobs = lambda _: old
    batch = Batch(mask, torch.tensor([0, 0, 1, 1, 2, 2]), scalars={"tokens": 14.0, "completions": 5.0, "beta": 0.5})
    metrics = ours._update(batch, SimpleNamespace(slices=slices))
    assert [rows for _, rows in trainer.given] == [[0, 1, 2, 3], [4, 5]]
    assert [given.scalars for given, _ in trainer.given] == [batch.scalars] * 2
    assert all(given.old_logprobs_BT is old for given, _ in trainer.given)
    assert metrics == {"loss": pytest.approx((1 * 4 + 2 * 2) / 6), "kl_nats": 3.0}


@pytest.mark.parametrize(
    ("rewards", "flat"),
    [
        ([1.0, 1.0, 1.0], True),
        ([1.0, 1.0, math.nan], True),
        ([1.0, math.nan, math.nan], True),
        ([math.nan, math.nan, math.nan], True),
        ([1.0, 2.0, math.nan], False),
    ],
)
def test_a_group_is_flat_when_nothing_known_in_it_differs(rewards, flat):
    assert _is_flat(torch.tensor(rewards)) is flat


def look(step: int, proxy: float | None, *, kl: float = 1.0, length: float = 30.0, distinct: float = 0.95) -> Look:
    return Look(step, f"k_{step}", proxy, kl, length, distinct)


def chosen(*looks: Look, **settings: Any) -> int:
    from burnish.loop.reinforce import State

    rl = RlSettings(kl_budget_nats=10, least_distinct=0.9, most_length_change=0.25, **settings)
    state = State(KLController(0.1), LengthController(30.0), list(looks))
    return reinforcement(state=state, origin=None, recipe=Recipe(rl=rl)).best().step


def test_the_best_reward_within_the_budgets_is_chosen():
    first = look(0, -1.0, kl=0.0)
    assert chosen(first, look(6, -0.8), look(12, -0.6), look(18, -0.7)) == 12
    assert chosen(first, look(6, -0.8), look(12, -0.6, kl=11)) == 6
    assert chosen(first, look(6, -0.8), look(12, -0.6, distinct=0.89)) == 6
    assert chosen(first, look(6, -0.8), look(12, -0.6, length=38)) == 6
    assert chosen(first, look(6, -0.8), look(12, -0.6, length=22)) == 6
    assert chosen(first, look(6, -1.2), look(12, -1.1)) == 0
    assert chosen(first, look(6, -0.8), look(12, None)) == 6


def test_a_further_round_is_held_to_the_untouched_model_not_to_the_round_before():
    """Else a tenth shorter and a tenth less varied in each round would be allowed for ever."""
    from burnish.loop.reinforce import State

    start, now = look(0, -0.8, length=24), look(6, -0.6, length=20)
    state = State(KLController(0.1), LengthController(30.0), [start, now])
    recipe = Recipe(rl=RlSettings(most_length_change=0.25))
    assert reinforcement(state=state, origin=None, recipe=recipe).best() == now
    assert reinforcement(state=state, origin=look(0, -1.2, length=30), recipe=recipe).best() == start


def why(*looks: Look) -> str:
    from burnish.loop.reinforce import State

    state = State(KLController(0.1), LengthController(30.0), list(looks))
    recipe = Recipe(rl=RlSettings(patience=2, kl_budget_nats=10))
    return reinforcement(state=state, origin=None, recipe=recipe)._why_end()


def test_training_ends_early_for_a_reason():
    first = look(0, -1.0)
    assert why(first, look(6, -0.8)) == ""
    assert why(first, look(6, -0.8), look(12, -0.9)) == ""
    assert "nothing better within the budgets since step 6" in why(
        first, look(6, -0.8), look(12, -0.9), look(18, -0.7, distinct=0.5)
    )
    assert "over the budget of 10" in why(first, look(6, -0.8, kl=10.5))
    assert "every validation completion is empty" in why(first, look(6, None))


def test_a_look_tells_what_it_found():
    assert look(6, -0.8).told == "validation reward -0.800, KL 1.00 nats, 30 tokens, 0.95 of the distinct-2"
    assert look(6, None).told.startswith("nothing to score, all texts are empty")
