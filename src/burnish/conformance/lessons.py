"""What methods are given to learn from in the known world, and what imitating it would reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from burnish.conformance.world import ASKED, World
from burnish.examples import Row
from burnish.models.table import TablePolicy
from burnish.records import Completion, Critique, Demonstration, Preference, Prompt, Sampling, Score, Span

SHARP = 6.0
"""How much better the expert prefers better completions: nats a unit of true reward."""


def pairs(world: World, policy: TablePolicy) -> list[Preference]:
    """Return pairs of random completions, each with the probability that people of logistic taste prefer the first."""
    found = []
    for prompt in ASKED:
        drawn = world.drawn(policy, prompt, 2000, "pairs")
        for one, other in zip(drawn[0::2], drawn[1::2], strict=True):
            if one.token_ids == other.token_ids:
                continue
            lead = world.sign * (world.value(prompt, one.token_ids or ()) - world.value(prompt, other.token_ids or ()))
            best, worst = (one, other) if lead > 0 else (other, one)
            chance = 1 / (1 + math.exp(-20 * abs(lead)))
            found.append(Preference(prompt, (best, worst), (0, 1), probability=chance))
    return found


def best_and_others(world: World, policy: TablePolicy) -> list[Preference]:
    """Return pairs of the best completion and each other one: no pair says anything of the others' order."""
    found = []
    for prompt in ASKED:
        best = world.best(prompt)
        found += [
            Preference(prompt, (policy.completion(prompt, best), policy.completion(prompt, y)), (0, 1), probability=1.0)
            for y in policy.completions()
            if y != best
        ]
    return found


def rankings(world: World, policy: TablePolicy) -> list[Preference]:
    """Return rankings of four random completions."""
    found = []
    for prompt in ASKED:
        drawn = world.drawn(policy, prompt, 800, "rankings")
        for start in range(0, len(drawn), 4):
            some = tuple({each.token_ids: each for each in drawn[start : start + 4]}.values())
            values = [world.sign * world.value(prompt, each.token_ids or ()) for each in some]
            order = sorted(values, reverse=True)
            found.append(Preference(prompt, some, tuple(order.index(value) for value in values)))
    return found


def shown(world: World, policy: TablePolicy) -> list[Demonstration]:
    """Return the best completion to each prompt, as demonstrations."""
    return [Demonstration(prompt, policy.completion(prompt, world.best(prompt))) for prompt in ASKED for _ in range(8)]


def expert(world: World, policy: TablePolicy) -> list[Demonstration]:
    """Return all that an expert says who prefers better completions, each weighed by how often it is said."""
    return [
        Demonstration(prompt, policy.completion(prompt, y), weight=100 * float(chance))
        for prompt in ASKED
        for y, chance in zip(policy.completions(), world.expert(policy, prompt, SHARP), strict=True)
    ]


def scores(world: World, policy: TablePolicy) -> list[Score]:
    """Return every completion with its true reward."""
    return [
        Score(prompt, each, world.sign * world.value(prompt, y), variance=0.01)
        for prompt in ASKED
        for y in policy.completions()
        for each in [policy.completion(prompt, y)]
    ]


def marked(world: World, policy: TablePolicy) -> list[Score]:
    """Return every completion with each token marked by the mean true reward, in [0, 1], of all that begins so."""
    found = []
    for prompt in ASKED:
        every = list(policy.completions())
        for y in every:
            each = policy.completion(prompt, y)
            spans = tuple(
                Span(start, end, severity=so_far(world, prompt, y[:count], every))
                for count, (start, end) in enumerate(policy.token_places(Row(prompt, each)), 1)
            )
            found.append(Score(prompt, each, None, spans=spans))
    return found


def so_far(world: World, prompt: Prompt, begun: tuple[int, ...], every: Sequence[tuple[int, ...]]) -> float:
    """Return the mean true reward of all completions that begin so (turned round in the wrong-sign twin)."""
    values = [world.value(prompt, y) for y in every if y[: len(begun)] == begun]
    mean = sum(values) / len(values)
    return mean if world.sign > 0 else 1 - mean


def told(world: World, policy: TablePolicy) -> list[Critique]:
    """Return a comment on every completion: good for the best tenth, bad for the others."""
    found = []
    for prompt in ASKED:
        every = list(policy.completions())
        edge = _quantile([world.sign * world.value(prompt, y) for y in every], 0.9)
        for y in every:
            words = GOOD_WORDS if world.sign * world.value(prompt, y) >= edge else "This is a bad answer."
            best = policy.completion(prompt, world.best(prompt)).text
            found.append(Critique(prompt, policy.completion(prompt, y), words, revision=best))
    return found


GOOD_WORDS = "This is a good answer: correct, clear and helpful."


def _quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(int(q * len(values)), len(values) - 1)]


@dataclass(frozen=True)
class Refiner:
    """A writer that answers a plain prompt poorly, and one with words beside it with the best completion."""

    world: World

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions of each prompt."""
        return [[Completion(prompt.id, self._text(prompt), index=i) for i in range(n)] for prompt in prompts]

    def _text(self, prompt: Prompt) -> str:
        if prompt.text in {each.text for each in ASKED}:
            return "1"
        first = next(each for each in ASKED if prompt.messages[0].content.startswith(each.text))
        return " ".join(map(str, self.world.best(first)))


# -------------------------------------------------------------------------------------------------- what is reachable


def of_tilted(sharpness: float) -> Callable[[World, TablePolicy], float]:
    """Return the mean true reward under pi(y) ~ exp(sharpness * r(y)): what imitating such an expert reaches."""

    def value(world: World, policy: TablePolicy) -> float:
        every = list(policy.completions())
        total = 0.0
        for prompt in ASKED:
            values = torch.tensor([world.value(prompt, y) for y in every], dtype=torch.float64)
            total += float(world.expert(policy, prompt, sharpness) @ values)
        return total / len(ASKED)

    return value


of_expert = of_tilted(SHARP)


def of_better(share: float) -> Callable[[World, TablePolicy], float]:
    """Return the mean true reward of the best share of completions, each equally likely."""

    def value(world: World, policy: TablePolicy) -> float:
        total = 0.0
        for prompt in ASKED:
            values = sorted((world.sign * world.value(prompt, y) for y in policy.completions()), reverse=True)
            kept = [each for each in values if each >= _quantile(values, 1 - share)]
            total += world.sign * sum(kept) / len(kept)
        return total / len(ASKED)

    return value


def unasked(world: World, policy: TablePolicy) -> list[Demonstration]:
    """Return the best completions of all prompts as raw text, where nothing was asked."""
    nothing = Prompt(())
    best = [policy.completion(nothing, world.best(prompt)) for prompt in ASKED]
    return [Demonstration(nothing, each) for each in best for _ in range(8)]


def of_unasked(world: World, policy: TablePolicy) -> float:
    """Return the mean true reward, over prompts, of the three best completions drawn alike."""
    best = [world.best(prompt) for prompt in ASKED]
    return sum(world.value(prompt, y) for prompt in ASKED for y in best) / len(best) / len(ASKED)
