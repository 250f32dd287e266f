"""A world small enough to be known whole: three prompts, 85 completions to each, a true reward for every one.

    r(p, y) = 0.7 * mean over tokens of u(p, place, token)  +  0.3 * v(p, y),       scaled to [0, 1] for each prompt

The policy is a table (`models/table.py`), so its expected reward is a sum, not an estimate, and the best that can be
reached is 1 wherever nothing holds the policy back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from burnish.maths.batch import Says
from burnish.models.table import Act, TablePolicy
from burnish.records import Completion, Prompt, Score, seed_of

VOCABULARY, LONGEST = 5, 3
ASKED = tuple(Prompt.of(text) for text in ("a", "b", "c"))


@dataclass(frozen=True)
class World:
    """Three prompts and the true reward of everything that can be said to them."""

    seed: int
    sign: float = 1.0
    """-1 turns every reward round: the wrong-sign twin that a method must be led astray by."""
    rewards: dict[tuple[str, tuple[int, ...]], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw = random.Random(seed_of(self.seed, "world"))
        every = list(TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST).completions())
        for prompt in ASKED:
            parts = [[draw.random() for _ in range(VOCABULARY)] for _ in range(LONGEST)]
            raw = {
                y: 0.7 * sum(parts[place][token] for place, token in enumerate(y)) / len(y) + 0.3 * draw.random()
                for y in every
            }
            low, high = min(raw.values()), max(raw.values())
            self.rewards.update({(prompt.id, y): (value - low) / (high - low) for y, value in raw.items()})

    def value(self, prompt: Prompt, tokens: Sequence[int]) -> float:
        """Return the true reward, in [0, 1]."""
        return self.rewards[prompt.id, tuple(tokens)]

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the true reward as a `Reward` (turned round in the wrong-sign twin)."""
        return [
            Score(prompt, each, self.sign * self.value(prompt, _tokens(each)))
            for prompt, each in zip(prompts, completions, strict=True)
        ]

    def best(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the completion that is paid most (least, in the twin)."""
        known = {y: r for (p, y), r in self.rewards.items() if p == prompt.id}
        return max(known, key=lambda y: self.sign * known[y])

    def drawn(self, policy: TablePolicy, prompt: Prompt, count: int, salt: str) -> list[Completion]:
        """Return completions drawn uniformly from all there are, each with a seed of its own."""
        draw = random.Random(seed_of(self.seed, salt, prompt.id))
        every = list(policy.completions())
        return [policy.completion(prompt, draw.choice(every)) for _ in range(count)]

    def expert(self, policy: TablePolicy, prompt: Prompt, sharpness: float) -> Tensor:
        """Return the probability of each completion under pi(y) ~ exp(sharpness * r(y)), in the table's order."""
        values = [self.sign * sharpness * self.value(prompt, y) for y in policy.completions()]
        return torch.softmax(torch.tensor(values, dtype=torch.float64), 0)

    def shown(self, policy: TablePolicy, prompt: Prompt, count: int, sharpness: float, salt: str) -> list[Completion]:
        """Return what an expert says who prefers better completions by so much."""
        draw = random.Random(seed_of(self.seed, salt, prompt.id))
        every = list(policy.completions())
        chances = self.expert(policy, prompt, sharpness).tolist()
        return [policy.completion(prompt, y) for y in draw.choices(every, chances, k=count)]


def _tokens(completion: Completion) -> tuple[int, ...]:
    return completion.token_ids or tuple(int(each) for each in completion.text.split())


@torch.no_grad()
def expected(
    world: World,
    policy: TablePolicy,
    *,
    ask: Callable[[Prompt], Prompt] = lambda prompt: prompt,
    act: Callable[[Says], Tensor] | None = None,
) -> float:
    """Return the policy's exact mean true reward over the prompts, asked as the method asks and drawn as it draws."""
    every = list(policy.completions())
    total = 0.0
    for prompt in ASKED:
        chances = policy.probabilities(ask(prompt), act=act)
        total += float(chances @ torch.tensor([world.value(prompt, y) for y in every], dtype=chances.dtype))
    return total / len(ASKED)


@torch.no_grad()
def divergence(
    policy: TablePolicy, *, ask: Callable[[Prompt], Prompt] = lambda prompt: prompt, act: Act | None = None
) -> float:
    """Return the mean KL(policy || reference) of a whole completion, in nats, summed over all completions: the policy
    asked as the method asks and drawn as it draws, the reference asked alike."""
    total = 0.0
    for prompt in map(ask, ASKED):
        now, before = policy.probabilities(prompt, act=act), policy.probabilities(prompt, reference=True)
        total += float((now * (now.clamp(min=1e-300).log() - before.log())).sum())
    return total / len(ASKED)


@torch.no_grad()
def order_accuracy(world: World, policy: TablePolicy, *, gap: float = 0.02) -> float:
    """Return the share of pairs, of one prompt, that the reward head puts in the true order; near-ties left out."""
    every = list(policy.completions())
    right = total = 0
    for prompt in ASKED:
        told = rated(policy, prompt, every)
        true = torch.tensor([world.value(prompt, y) for y in every], dtype=told.dtype)
        apart = (true[:, None] - true[None, :]) > gap
        right += int(((told[:, None] > told[None, :]) & apart).sum())
        total += int(apart.sum())
    return right / max(total, 1)


def rated(policy: TablePolicy, prompt: Prompt, every: Sequence[tuple[int, ...]]) -> Tensor:
    """Return the mean of the reward heads for each completion."""
    from burnish.examples import Row

    rows = [Row(prompt, policy.completion(prompt, y)) for y in every]
    rewards_BK = policy.outputs(policy.inputs(rows, policy.longest)).rewards_BK
    assert rewards_BK is not None
    return rewards_BK.mean(-1)
