"""A course of training: prepared or freshly drawn examples, window after window, each fixed by (seed, step).

    offline    signals -> prepare -> examples; each step takes the next so many in an order that the seed fixes
    fresh      prompts -> sampler -> reward -> groups -> choose -> examples, drawn by the policy as it is now
    both       what is prepared comes beside what is drawn (a discriminator: demonstrations and samples)

Nothing here is method-specific: what a method wants it says in `needs`, and in which of the contract's functions it has
(`burnish.methods`). Everything that a step depends on is in `state()`: a course that goes on is the same course.
"""

from __future__ import annotations

import functools
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from torch import Tensor

from burnish import progress
from burnish.errors import InputError
from burnish.examples import Claims, Example, Row, Tools, example_from_plain, example_to_plain, prepared
from burnish.maths.kl import KLController
from burnish.records import Completion, Judge, Prompt, Reward, Sampler, Sampling, Signal, seed_of
from burnish.training import checks
from burnish.training.optimiser import OptimiserConfig
from burnish.training.rehearsal import drawn_longest, heaviest, rehearse
from burnish.training.steps import StepConfig, Steps
from burnish.training.watch import Watch
from burnish.training.window import Learner

REMEMBERED = 0.1
"""Share of the way that the running mean of returns moves towards a window's mean."""


@dataclass(frozen=True)
class CourseConfig:
    """How much of what each step sees."""

    steps: int = 100
    """Windows; each is `passes` x `parts` optimiser steps."""
    examples_per_step: int = 8
    """Prepared examples a window (pairs, demonstrations, rankings)."""
    prompts_per_step: int = 8
    """Prompts a window that completions are drawn for."""
    group: int = 8
    """Completions drawn for each prompt, where the method does not fix it."""
    kl_target_nats: float = 0.0
    """KL a completion that the method's beta is steered towards; 0 keeps beta fixed."""
    kl_horizon: int = 1000
    """Completions over which a KL that is off by all that counts moves beta by a fifth."""

    def __post_init__(self) -> None:
        for name in ("steps", "examples_per_step", "prompts_per_step", "group", "kl_horizon"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")
        if not (math.isfinite(self.kl_target_nats) and self.kl_target_nats >= 0):
            raise InputError(f"kl_target_nats: {self.kl_target_nats} is not a number from 0 up. Use 0 to fix beta.")


@dataclass(frozen=True)
class Material:
    """What a course is given to learn from."""

    signals: Sequence[Signal] = ()
    prompts: Sequence[Prompt] = ()
    reward: Reward | None = None
    judge: Judge | None = None
    partner: Reward | None = None
    claims: Claims | None = None
    """Whether a comment still holds of a refinement."""
    refiner: Sampler | None = None
    """Writes refinements where a method asks for text; None: the model itself, as it was before training."""
    sampling: Sampling = field(default_factory=Sampling)


class Course:
    """Trains one network by one method, a window at a time."""

    def __init__(
        self,
        network: Learner,
        method: ModuleType,
        config: Any,
        material: Material,
        settings: CourseConfig,
        *,
        optimiser: OptimiserConfig,
        walk: StepConfig,
        seed: int,
    ) -> None:
        """Raises InputError that names what the method needs and was not given."""
        self.network, self.method, self.config = network, method, config
        self.material, self.settings, self.seed = material, settings, seed
        self.steps = Steps(
            network, method, config, optimiser, walk,
            steps=settings.steps, seed=seed, max_new_tokens=material.sampling.max_new_tokens,
        )  # fmt: skip
        self.needs = self.steps.needs
        self.step = 0
        self.kept: list[list[Example]] = []
        self.baseline = math.nan
        self.watch = Watch()
        self.left_out: Counter[str] = Counter()
        """What of the data was made no example, by its reason."""
        self.not_chosen: Counter[str] = Counter()
        """What was drawn and not learned from, by its reason: since the course began."""
        self._check()
        self.steers = settings.kl_target_nats > 0 and checks.steers(method, config)
        target = settings.kl_target_nats if self.steers else 0.0
        self.kl = KLController(getattr(config, "beta", 0.0), target, settings.kl_horizon)
        speaks = self._bound("act")
        self.voice = network.sampler(speaks)
        """Draws as the trained policy speaks: what is looked at, and what its checkpoints do."""
        tries = self._bound("behaviour")
        self.sampler = network.sampler(tries, reference="reference" in self.needs.views) if tries else self.voice
        """Draws what is learned from."""
        self.sampling = self._sampling()
        self.examples = self._prepared()

    # --------------------------------------------------------------------------------------------------------- a step

    def rehearse(self) -> None:
        """Let the heaviest slice there can be go through the network. Raises InputError when memory does not suffice.

        Nothing is learned, drawn or asked of a reward: the course is as it was, to the bit.
        """
        longest = list(self.examples)
        if self.needs.fresh:
            longest += drawn_longest(self.material.prompts, self.group, self.sampling.max_new_tokens)
        walk = self.steps.settings
        rows = heaviest(self.network, longest, self.needs, walk.rows_per_slice)
        rehearse(self.network, rows, self.needs, apart=walk.adversarial > 0)

    def advance(self) -> dict[str, float]:
        """Take the next window's steps; return what is to be logged."""
        window, told = self.next_window()
        beta = self.kl.beta if self.steers else None
        if window:  # of a group in which all is equally good, some methods choose nothing
            told |= self.steps.learn(window, beta=beta, baseline=self.baseline)
        told["examples"] = float(len(window))
        self.kl = self.kl.after(told.get("kl_nats", math.nan), sum(len(example.rows) for example in window))
        self._remember(told.get("return", math.nan))
        self.step += 1
        return {"step": self.step, **told, **({} if beta is None else {"beta": beta})}

    def _remember(self, gained: float) -> None:
        """Move the running mean of completions' returns: the baseline of the next window, where a method has one."""
        if math.isfinite(gained):
            before = gained if math.isnan(self.baseline) else self.baseline
            self.baseline = before + REMEMBERED * (gained - before)

    def next_window(self) -> tuple[list[Example], dict[str, float]]:
        """Return the examples of the next window, and what is known of the completions drawn for it."""
        told: dict[str, float] = {}
        window: list[Example] = []
        if self.needs.fresh:
            groups = self.draw(self.step)
            told = _of_groups(groups)
            for sign in self.watch.see(groups, told["length"]):
                progress.say(sign)
            chosen, left_out = self._chosen(groups)
            window += chosen
            self.not_chosen += left_out
            if hasattr(self.method, "choose"):
                told["left_out"] = float(left_out.total())
            window += self._replayed(window)
        window += self.given(self.step)
        return window, told

    def given(self, step: int) -> list[Example]:
        """Return the examples of a step that come from the data."""
        if not self.examples:
            return []
        return _turn(self.examples, step, self.settings.examples_per_step, seed_of(self.seed, "examples"))

    def _replayed(self, fresh: list[Example]) -> list[Example]:
        """Return a window of the past, drawn by the seed, and keep the fresh one; nothing where nothing is replayed."""
        if not self.needs.replay:
            return []
        past = random.Random(seed_of(self.seed, "replay", self.step)).choice(self.kept) if self.kept else []
        self.kept = [*self.kept, list(fresh)][-self.needs.replay :]  # a copy: the window itself grows
        return list(past)

    def draw(self, step: int) -> list[Example]:
        """Return scored groups of fresh completions to the prompts of a step."""
        count = self.settings.prompts_per_step
        asked = _turn(self.material.prompts, step, count, seed_of(self.seed, "prompts"))
        seed = seed_of(self.seed, "rollout", step)
        groups = self.sampler.sample(asked, self.sampling, n=self.group, seed=seed)
        return self._scored(asked, groups, self._reward(step))

    def mean_reward(self, prompts: Sequence[Prompt]) -> float:
        """Return the mean reward of one fresh completion to each prompt, the same draws every time; NaN unscored.

        The trained policy itself speaks, not what a method explores with or plays against.
        """
        groups = self.voice.sample(prompts, self.sampling, n=1, seed=seed_of(self.seed, "look"))
        reward = self._reward(self.settings.steps, alone=True)  # the same at every look
        scores = [row.score for example in self._scored(prompts, groups, reward) for row in example.rows]
        known = [score for score in scores if math.isfinite(score)]
        return sum(known) / len(known) if known else math.nan

    @property
    def group(self) -> int:
        """Completions drawn for each prompt."""
        return self.needs.group or self.settings.group

    def _reward(self, step: int, *, alone: bool = False) -> Reward | None:
        """Return what pays at a step: a reward of several parts may weigh them by it (`burnish.rewards.combined`)."""
        reward = self.material.reward or self.material.partner
        at: Callable[..., Reward] | None = getattr(reward, "at", None)
        return at(step, alone=alone) if at else reward

    def _scored(
        self, prompts: Sequence[Prompt], groups: Sequence[Sequence[Completion]], reward: Reward | None
    ) -> list[Example]:
        flat = [completion for group in groups for completion in group]
        asked = [prompt for prompt, group in zip(prompts, groups, strict=True) for _ in group]
        rows = [Row(prompt, completion, fresh=True) for prompt, completion in zip(asked, flat, strict=True)]
        if reward:
            scores = reward.score(asked, flat)
            rows = [
                replace(
                    row,
                    score=math.nan if score.value is None else score.value,
                    variance=math.nan if score.variance is None else score.variance,
                    token_rewards=score.token_rewards,
                    parts=score.parts,
                    reason=score.reason,
                )
                for row, score in zip(rows, scores, strict=True)
            ]
        found, start = [], 0
        for group in groups:
            found.append(Example(tuple(rows[start : start + len(group)])))
            start += len(group)
        return found

    def _chosen(self, groups: list[Example]) -> tuple[list[Example], Counter[str]]:
        """Return what of the groups is learned from, and what is not, counted by its reason."""
        left_out: Counter[str] = Counter()
        if not hasattr(self.method, "choose"):
            return groups, left_out
        tools = replace(self._tools(seed_of(self.seed, self.step)), left_out=left_out)
        return list(self.method.choose(groups, self.config, tools)), left_out

    # ------------------------------------------------------------------------------------------------ what it is given

    def _check(self) -> None:
        """Raise InputError for what the method needs and nobody brought."""
        needs, material, name = self.needs, self.material, self.method.__name__.rpartition(".")[2]
        if self.network.reads_only:
            # whether a policy draws for it shows when the two meet (`training.partners`); else its sampler says so
            checks.check_reader(self.method, self.config, model="the model", paired=True)
        if needs.fresh and not material.prompts:
            raise InputError(f"{name} draws completions itself: give it prompts (--task T, or --prompts FILE).")
        if needs.scored and not (material.reward or material.partner):
            raise InputError(f"{name} needs its completions scored: give it a reward (--reward R).")
        if needs.eats and not any(isinstance(signal, needs.eats) for signal in material.signals):
            wanted = " or ".join(f"{each.__name__.lower()}s" for each in needs.eats)
            brought = ", ".join(sorted({type(signal).__name__.lower() + "s" for signal in material.signals})) or "none"
            raise InputError(f"{name} learns from {wanted}; the data holds {brought}. Bring some with --data.")
        checks.check(
            self.method, self.config, self.steps.settings, group=self.group, prompts=self.settings.prompts_per_step,
            examples=self.settings.examples_per_step, kl_target_nats=self.settings.kl_target_nats,
            pays=not needs.policy and material.partner is not None,
        )  # fmt: skip

    def _prepared(self) -> list[Example]:
        if not self.needs.eats:
            return []
        if hasattr(self.method, "prepare"):
            examples = self.method.prepare(
                self.material.signals, self.config, self._tools(seed_of(self.seed, "prepare"))
            )
        else:
            examples = prepared(self.material.signals, self.needs.eats)
        if not examples:
            raise InputError(
                f"{self.method.__name__.rpartition('.')[2]}: nothing in the data could be made an example."
            )
        return list(examples)

    def _tools(self, seed: int) -> Tools:
        return Tools(
            sampler=self.material.refiner or self.network.sampler(),
            policy=self.network.sampler(),
            reward=self.material.reward,
            judge=self.material.judge,
            partner=self.material.partner,
            claims=self.material.claims,
            left_out=self.left_out,
            continuations=getattr(self.network, "continuations", None),
            sampling=self.material.sampling,
            seed=seed,
            group=self.group,
        )

    def _sampling(self) -> Sampling:
        if hasattr(self.method, "sampling"):
            changed: Sampling = self.method.sampling(self.config, self.material.sampling)
            return changed
        return self.material.sampling

    def _bound(self, name: str) -> Any:
        """Return a function of the method with its settings; None where it has none of this name."""
        return functools.partial(getattr(self.method, name), config=self.config) if hasattr(self.method, name) else None

    # --------------------------------------------------------------------------------------------------- going on

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and numbers (plain JSON) that a course goes on from."""
        numbers = {
            "step": self.step,
            "trainer_step": self.steps.trainer.step,
            "beta": self.kl.beta,
            "baseline": None if math.isnan(self.baseline) else self.baseline,
            "not_chosen": dict(self.not_chosen),
            "watch": self.watch.state(),
            "kept": [[example_to_plain(example) for example in window] for window in self.kept],
        }
        return self.steps.state(), numbers

    def load_state(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.steps.load_state(tensors, int(numbers["trainer_step"]))
        self.step = int(numbers["step"])
        self.kl = replace(self.kl, beta=float(numbers["beta"]))
        self.baseline = math.nan if numbers["baseline"] is None else float(numbers["baseline"])
        self.not_chosen = Counter(numbers.get("not_chosen", {}))
        self.watch = Watch(**numbers.get("watch", {}))
        self.kept = [[example_from_plain(example) for example in window] for window in numbers["kept"]]


def _turn(items: Sequence[Any], step: int, count: int, seed: int) -> list[Any]:
    """Return the items of a step: every one once before any comes again, each epoch in an order of its own."""
    found: list[Any] = []
    order: list[int] = []
    known = -1
    for place in range(step * count, (step + 1) * count):
        epoch, index = divmod(place, len(items))
        if epoch != known:
            order, known = list(range(len(items))), epoch
            random.Random(seed_of(seed, "order", epoch)).shuffle(order)
        found.append(items[order[index]])
    return found


def _of_groups(groups: Sequence[Example]) -> dict[str, float]:
    """Return what is told of fresh completions: reward, length, share cut off, share of groups that teach nothing."""
    rows = [row for example in groups for row in example.rows]
    scores = [row.score for row in rows if math.isfinite(row.score)]
    flat = [len({row.score for row in example.rows if math.isfinite(row.score)}) < 2 for example in groups]
    return {
        "reward": sum(scores) / len(scores) if scores else math.nan,
        "unscored": float(len(rows) - len(scores)),
        "length": sum(len(row.completion.token_ids or ()) for row in rows) / max(len(rows), 1),
        "zero_spread": sum(flat) / max(len(flat), 1),
    }
