"""Rollouts: prompts of a step -> completions -> rewards -> the window a trainer takes. All follows from the seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from burnish.loop.recipe import Recipe
from burnish.maths.batch import Batch, length_mask
from burnish.maths.control import LengthController
from burnish.models.policy import Policy, PolicyInputs
from burnish.records import Completion, FinishReason, Prompt, Reward, Sampler, Sampling, Score, seed_of
from burnish.training.trainer import Slice


@dataclass(frozen=True)
class Window:
    """One step's rollouts: the batch, its slices, and what was said, for the log."""

    batch: Batch
    slices: list[Slice]
    prompts: list[Prompt]
    completions: list[list[Completion]]
    scores: list[Score]


def sampling_of(recipe: Recipe) -> Sampling:
    """Return the sampling that training and evaluation share."""
    return Sampling(temperature=recipe.sampling.temperature, max_new_tokens=recipe.sampling.max_new_tokens)


def prompts_of_step(prompts: Sequence[Prompt], step: int, count: int, seed: int) -> list[Prompt]:
    """Return the prompts of a step: every prompt once before any comes again, in an order that the seed fixes."""
    chosen: list[Prompt] = []
    for place in range(step * count, (step + 1) * count):
        epoch, index = divmod(place, len(prompts))
        order = list(range(len(prompts)))
        random.Random(seed_of(seed, "order", epoch)).shuffle(order)
        chosen.append(prompts[order[index]])
    return chosen


def draw(
    policy: Policy, sampler: Sampler, reward: Reward, prompts: Sequence[Prompt], recipe: Recipe,
    *, seed: int, beta: float, length: LengthController, run: str, round: int,
) -> Window:  # fmt: skip
    """Return the window of these prompts, sampled by the policy as it is now and scored."""
    sampling = sampling_of(recipe)
    groups = sampler.sample(prompts, sampling, n=recipe.rl.group_size, seed=seed, run=run, round=round)
    flat = [completion for group in groups for completion in group]
    asked = [prompt for prompt, group in zip(prompts, groups, strict=True) for _ in group]
    scores = reward.score(asked, flat)
    lengths = [len(completion.token_ids or ()) for completion in flat]
    mask_BT = length_mask(lengths)
    rewards_B = torch.tensor([math.nan if s.value is None else s.value for s in scores], dtype=torch.float32)
    batch = Batch(
        completion_mask_BT=mask_BT,
        group_B=torch.arange(len(prompts)).repeat_interleave(recipe.rl.group_size),
        rewards_B=rewards_B + length.payment(torch.tensor(lengths, dtype=torch.float32)),
        behaviour_logprobs_BT=_padded([completion.logprobs or () for completion in flat], mask_BT.shape[1]),
        truncated_B=torch.tensor([completion.finish_reason is FinishReason.LENGTH for completion in flat]),
        scalars={"beta": beta, "max_new_tokens": float(sampling.max_new_tokens)},
    )
    slices = _slices(policy, prompts, groups, recipe, mask_BT.shape[1])
    return Window(batch, slices, list(prompts), groups, scores)


def _padded(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    padded = torch.zeros(len(rows), width)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row)
    return padded


def _slices(
    policy: Policy, prompts: Sequence[Prompt], groups: Sequence[Sequence[Completion]], recipe: Recipe, width: int
) -> list[Slice]:
    size, step = recipe.rl.group_size, recipe.rl.prompts_per_slice
    found = []
    for start in range(0, len(prompts), step):
        part = range(start, min(start + step, len(prompts)))
        rows = policy.pack([prompts[i] for i in part], [groups[i] for i in part])
        numbers = torch.arange(part.start * size, part.stop * size)
        found.append(Slice(numbers, PolicyInputs(rows, recipe.sampling.temperature, width)))
    return found
