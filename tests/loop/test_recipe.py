"""Settings out of range are refused before anything starts, each with its name and what would do."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from burnish import config
from burnish.errors import InputError
from burnish.loop.recipe import Recipe
from burnish.methods import grpo

BAD = [
    "adapter.rank=0",
    "adapter.alpha=-1",
    "sampling.temperature=0",
    "sampling.max_new_tokens=0",
    "reward_model.heads=0",
    "reward_model.template=nothing of the text",
    "reward.batch=1",
    "reward.epochs=0",
    "reward.penalty=-1",
    "gold.least_signals=1",
    "grpo.clip_low=5",
    "grpo.clip_high=0",
    "grpo.beta=-0.1",
    "grpo.truncation_penalty=-1",
    "grpo.minibatches=0",
    "grpo.minibatches=7",  # a window has six prompts, so at most six slices
    "grpo.beta=0",  # and the KL is to be kept near a target
    "rl.steps=0",
    "rl.group_size=1",
    "rl.kl_horizon=0",
    "rl.learning_rate=0",
    "rl.least_distinct=2",
    "rl.length_gain=-1",
    "rl.patience=0",
    "rl.validation_prompts=0",
    "evaluation.prompts=0",
    "evaluation.samples=0",
    "loop.rounds=0",
    "threads=-1",
]


@pytest.mark.parametrize("given", BAD)
def test_out_of_range(given):
    with pytest.raises(InputError) as raised:
        config.load(Recipe, {}, [given], where="reviews")
    assert given.split("=")[0] in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [
        ["grpo.beta=0", "rl.kl_target_nats=0"],
        ["rl.kl_horizon=1"],
        ["grpo.minibatches=6"],
        ["grpo.minibatches=2", "rl.prompts_per_slice=3"],
        ["dtype=auto", "threads=0", "rl.prompts_per_slice=0"],
    ],
)
def test_in_range(given):
    config.load(Recipe, {}, given, where="reviews")


def test_a_window_has_as_many_slices_as_it_is_trained_on_in_turn():
    with pytest.raises(InputError, match=r"grpo\.minibatches: 3 is more than the slices of a window"):
        config.load(Recipe, {}, ["grpo.minibatches=3", "rl.prompts_per_slice=3"], where="reviews")


def numbers(settings: Any, path: str = "") -> list[str]:
    """Return the dotted names of all settings that are numbers."""
    found = []
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            found += numbers(value, f"{path}{item.name}.")
        elif isinstance(value, int | float) and item.name != "seed":
            found.append(path + item.name)
    return found


@pytest.mark.parametrize("name", numbers(Recipe()))
def test_no_setting_takes_a_nonsense_number(name):
    """Every number has a range: none takes -1e300, the infinite or what is not a number."""
    for value in (-1e300, math.inf, math.nan, -(10**30)):
        with pytest.raises(InputError):
            config.load(Recipe, {}, [f"{name}={value}"], where="reviews")


@pytest.mark.parametrize("bad", [given.split(".", 1)[1] for given in BAD if given.startswith("grpo.")][:4])
def test_the_method_itself_refuses_the_same(bad):
    name, value = bad.split("=")
    with pytest.raises(InputError):
        grpo.Config(**{name: float(value)})
