"""Small courses on the known world, for checks of the training loop: float64, milliseconds a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from burnish import methods
from burnish.conformance.world import ASKED, LONGEST, VOCABULARY, World
from burnish.examples import Example, Row
from burnish.models.table import TablePolicy
from burnish.records import Reward, Sampling
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig, Steps

SAMPLING = Sampling(max_new_tokens=LONGEST)


def table(method: str, config: Any) -> TablePolicy:
    """Return the policy that a method trains, with the heads it asks for."""
    heads = methods.load(method).needs(config).heads
    return TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST, heads=heads)


def table_course(
    method: str, *, reward: Reward | None = None, config: Mapping[str, Any] | None = None, rows_per_slice: int = 8,
    **settings: Any,
) -> Course:  # fmt: skip
    """Return a course of four steps on fresh completions, paid their true reward unless another is given."""
    module = methods.load(method)
    chosen = module.Config(**(config or {}))
    return Course(
        table(method, chosen), module, chosen,
        Material(prompts=ASKED, reward=reward or World(0), sampling=SAMPLING),
        CourseConfig(**{"steps": 4, "prompts_per_step": 3, "group": 4} | settings),
        optimiser=OptimiserConfig(learning_rate=0.05, warmup_steps=0), walk=StepConfig(rows_per_slice=rows_per_slice),
        seed=3,
    )  # fmt: skip


def table_window(policy: TablePolicy, *, group: int = 6) -> list[Example]:
    """Return a window of fresh, scored groups, one for each prompt."""
    world, found = World(0), []
    for prompt, drawn in zip(ASKED, policy.sample(ASKED, SAMPLING, n=group, seed=5), strict=True):
        scores = world.score([prompt] * group, drawn)
        rows = [
            Row(prompt, completion, score=score.value or 0.0, fresh=True)
            for completion, score in zip(drawn, scores, strict=True)
        ]
        found.append(Example(tuple(rows)))
    return found


def table_steps(
    method: str, *, passes: int = 1, rows_per_slice: int = 6, learning_rate: float = 0.05
) -> dict[str, float]:
    """Return what a method tells of its steps on one window."""
    return stepped(method, passes=passes, rows_per_slice=rows_per_slice, learning_rate=learning_rate)[1]


def stepped(
    method: str, *, passes: int = 1, rows_per_slice: int = 6, learning_rate: float = 0.05
) -> tuple[TablePolicy, dict[str, float]]:
    """Return the policy after its steps on one window, and what was told of them."""
    module = methods.load(method)
    config = module.Config()
    policy = table(method, config)
    steps = Steps(
        policy, module, config, OptimiserConfig(learning_rate=learning_rate, warmup_steps=0),
        StepConfig(rows_per_slice=rows_per_slice, passes=passes), steps=1, seed=0, max_new_tokens=LONGEST,
    )  # fmt: skip
    return policy, steps.learn(table_window(policy))
