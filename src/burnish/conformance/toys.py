"""Every method on the known world (`world.py`): what it is given there, what it could reach at best, what it reached.

A toy names the optimum that its method has *there*: 1 where nothing holds the policy back, the exact value of what is
imitated where the method imitates, and says why (`Toy.optimum_is`). A method that is not in `TOYS` gets the toy of its
family, by what it needs (`toy_of`): a new method is under test as soon as its file is there.
"""

from __future__ import annotations

import functools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from burnish import methods
from burnish.conformance import lessons
from burnish.conformance.world import ASKED, LONGEST, VOCABULARY, World, divergence, expected, order_accuracy
from burnish.errors import InputError
from burnish.examples import Example, Row, Tools, prepared
from burnish.models.table import TablePolicy
from burnish.records import Completion, Demonstration, Preference, Prompt, Sampling, Score, Signal, seed_of
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.partners import Partnership, partnership
from burnish.training.steps import StepConfig

SAMPLING = Sampling(max_new_tokens=LONGEST)
NEAR = 0.95
"""Share of its optimum that a method must reach."""


@dataclass(frozen=True)
class Toy:
    """What a method is given in the world, and what it can reach there."""

    config: dict[str, Any] = field(default_factory=dict)
    signals: Callable[[World, TablePolicy], Sequence[Signal]] = lambda world, policy: ()
    optimum: Callable[[World, TablePolicy], float] = lambda world, policy: 1.0
    optimum_is: str = "the best completion to every prompt"
    measure: str = "reward"
    """"reward": exact mean true reward of the policy. "order": share of pairs the reward head puts in order."""
    refiner: Callable[[World], Any] | None = None
    uniform: bool = False
    """Whether the policy speaks uniformly and stays so: what a reward is told apart from."""
    asked: Literal["prompt", "nothing"] = "prompt"
    """What is put to the policy at the end: the prompt (as the method asks it), or nothing (raw text)."""
    heeding: bool = False
    """Whether the policy, asked with a comment, speaks as the expert does: what a teacher needs."""
    course: dict[str, Any] = field(default_factory=dict)
    walk: dict[str, Any] = field(default_factory=dict)
    rate: float = 0.05


@dataclass(frozen=True)
class Reached:
    """What one seed reached."""

    method: str
    seed: int
    before: float
    after: float
    optimum: float
    kl_nats: float
    completions: int
    """Completions it took: drawn from whatever policy for whatever end (opponents and roll-outs too), or given in
    examples, each text of a pair and each time anew."""
    path: tuple[tuple[float, float, float], ...] = ()
    """(completions, KL, reward) now and then along the way."""


PAIRED = Toy(signals=lessons.pairs, course={"examples_per_step": 300, "steps": 300}, rate=0.5)
DRAWN = Toy(course={"prompts_per_step": 3, "group": 32, "steps": 300}, rate=0.03)
RATED = Toy(
    measure="order", optimum_is="the true order of all completions", course={"examples_per_step": 255}, rate=0.1
)
IMITATED = Toy(signals=lessons.shown, course={"examples_per_step": 24})

TOYS: dict[str, Toy] = {
    # imitation
    "sft": IMITATED,
    "pretrain": replace(
        IMITATED,
        signals=lessons.unasked,
        asked="nothing",
        optimum=lessons.of_unasked,
        optimum_is="the best completions of all prompts, one like the other: nothing was asked",
    ),
    "weighted_sft": replace(
        IMITATED,
        config={"temperature": 0.05, "cap": 1e9},
        signals=lessons.scores,
        optimum=lessons.of_tilted(20.0),
        optimum_is="all completions, each weighed by exp(reward / 0.05): what is imitated",
        course={"examples_per_step": 255},
    ),
    # rewards
    "reward": replace(RATED, signals=lessons.pairs),
    # one head here and below: in a table nothing is learned of a completion that a head's bootstrap sample left out
    "score_reward": replace(RATED, signals=lessons.scores, config={"heads": 1}),
    "ranking_reward": replace(RATED, signals=lessons.rankings),
    "process_reward": replace(RATED, signals=lessons.marked),
    "span_reward": replace(RATED, signals=lessons.marked, config={"heads": 1}),
    "discriminator": replace(
        RATED,
        signals=lessons.expert,
        optimum_is="the order of expert over uniform draws, which is the true order",
        uniform=True,
        course={"examples_per_step": 255, "prompts_per_step": 3, "group": 85},
    ),
    "inverse_rl": replace(
        RATED,
        signals=lessons.expert,
        uniform=True,
        course={"examples_per_step": 255, "prompts_per_step": 3, "group": 85},
    ),
    # reinforcement
    "reinforce": replace(DRAWN, config={"beta": 0.0}),
    "rloo": replace(DRAWN, config={"beta": 0.0}),
    "grpo": replace(DRAWN, config={"beta": 0.0, "truncated": "keep"}),
    "ppo": replace(DRAWN, config={"beta": 0.0}),
    "a2c": replace(DRAWN, config={"beta": 0.0}),
    "online_dpo": replace(DRAWN, config={"scale": 0.05}),
    "nash_md": replace(DRAWN, config={"beta": 0.0, "scale": 0.1}),
    "raft": DRAWN,
    "star": replace(DRAWN, config={"right": 0.97}, refiner=lessons.Refiner),
    # Q-learning
    "ilql": replace(
        DRAWN,
        config={"tilt": 40.0, "discount": 1.0, "slow": 0.1, "expectile": 0.9, "conservative": 0.0},
        signals=lessons.scores,
        course={"examples_per_step": 255, "steps": 400},
    ),
    "dqn": replace(
        DRAWN,
        config={"epsilon": 0.1, "backup": "max"},
        rate=0.1,
    ),
    # preferences
    "dpo": PAIRED,
    "ipo": replace(PAIRED, config={"beta": 0.01}),
    "kto": replace(
        PAIRED,
        signals=lessons.scores,
        config={"threshold": 0.98, "desirable": 80.0},
        course={"examples_per_step": 85, "steps": 300},
    ),
    "orpo": replace(PAIRED, signals=lessons.best_and_others),
    "simpo": PAIRED,
    "cpo": replace(PAIRED, signals=lessons.best_and_others),
    # language
    "ilf": replace(IMITATED, signals=lessons.told, refiner=lessons.Refiner),
    "constitution": replace(IMITATED, signals=lessons.told, refiner=lessons.Refiner),
    "hindsight": replace(IMITATED, signals=lessons.told, course={"examples_per_step": 255}, rate=0.2),
    "feedback_conditional": replace(IMITATED, signals=lessons.told, course={"examples_per_step": 85}),
    "conditional": replace(
        IMITATED,
        config={"quantile": 0.9, "without_token": 0.0},
        signals=lessons.scores,
        optimum=lessons.of_better(0.1),
        optimum_is="the best tenth of completions, one like the other: all that the good token stands for",
        course={"examples_per_step": 255},
    ),
    "sdpo": replace(
        IMITATED,
        signals=lessons.told,
        heeding=True,
        optimum=lessons.of_expert,
        optimum_is="the teacher: the policy that has read the comment",
        course={"examples_per_step": 85, "steps": 300},
    ),
    # adversarial
    "seqgan": replace(
        DRAWN,
        signals=lessons.expert,
        optimum=lessons.of_expert,
        optimum_is="the expert whose texts the discriminator holds to be real",
        course={"prompts_per_step": 3, "group": 32, "examples_per_step": 96, "steps": 200},
    ),
}


def toy_of(name: str) -> Toy:
    """Return a method's toy, its family's where it has none of its own. Raises InputError where no family is its."""
    if name in TOYS:
        return TOYS[name]
    module = methods.load(name)
    needs: methods.Needs = module.needs(module.Config())
    free = {"beta": 0.0} if needs.fresh and hasattr(module.Config(), "beta") else {}
    if needs.fresh and needs.policy and not needs.partner:
        return replace(DRAWN, config=free)
    if Preference in needs.eats:
        return PAIRED if needs.policy else replace(RATED, signals=lessons.pairs)
    if Demonstration in needs.eats and not needs.partner:
        return IMITATED
    if Score in needs.eats and not needs.policy:
        return replace(RATED, signals=lessons.scores)
    raise InputError(f"toy: nothing in the known world is for {name!r} yet. Give it a toy in conformance/toys.py.")


@dataclass
class Begun:
    """A toy that is set up, before its first step."""

    course: Course
    partner: Partnership | None
    policy: TablePolicy
    world: World
    measured: Callable[[], float]
    moved: Callable[[], float]
    """KL from the untouched policy, nats a completion."""
    optimum: float
    drawn: Counter[str]
    """Completions drawn so far, from the policy or from its partner's."""
    given: int = 0
    """Texts of the data learned from so far, by either."""

    @property
    def seen(self) -> int:
        """Completions it has taken so far (`Reached.completions`)."""
        return self.given + self.drawn["completions"]

    def step(self) -> dict[str, float]:
        """Let the partner learn, if there is one, and then the method."""
        for course in (self.course, *([self.partner.course] if self.partner else [])):
            self.given += sum(len(example.rows) for example in course.given(course.step))
        if self.partner:
            self.partner.advance()
        return self.course.advance()


class Counted(TablePolicy):
    """A table that counts the completions drawn from it, whoever draws them."""

    def __init__(self, *args: Any, drawn: Counter[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.drawn = drawn

    def sample(self, prompts: Sequence[Prompt], *args: Any, n: int = 1, **options: Any) -> list[list[Completion]]:
        """As `TablePolicy.sample`."""
        self.drawn["completions"] += n * len(prompts)
        return super().sample(prompts, *args, n=n, **options)


def begin(name: str, *, seed: int, sign: float = 1.0, toy: Toy | None = None, **changes: int) -> Begun:
    """Return a method's toy (or another one) in the world of a seed; `changes` are of its `CourseConfig`."""
    toy, module = toy or toy_of(name), methods.load(name)
    config = module.Config(**toy.config)
    needs: methods.Needs = module.needs(config)
    world, plain = World(seed, sign), TablePolicy(ASKED, vocabulary=VOCABULARY, longest=LONGEST)
    given = Material(
        signals=toy.signals(world, plain),
        prompts=[replace(prompt, reference=_best_text(world, prompt)) for prompt in ASKED],
        reward=world if needs.scored else None,
        refiner=toy.refiner(world) if toy.refiner else None,
        sampling=SAMPLING,
    )
    drawn = Counter[str]()
    policy = _policy(module, config, given, needs, seed, drawn)
    if toy.uniform:
        for prompt in ASKED:
            policy.become(prompt, torch.ones(len(list(policy.completions()))))
    if toy.heeding:
        _heed(policy, world)
    settings = CourseConfig(**{"steps": 200, **toy.course, **changes})
    course, partner = _course(policy, toy, module, config, given, settings, seed)
    ask, act = _asking(toy, module, config), None
    if hasattr(module, "act"):
        act = functools.partial(module.act, config=config)

    def measured() -> float:
        return order_accuracy(world, policy) if toy.measure == "order" else expected(world, policy, ask=ask, act=act)

    moved = functools.partial(divergence, policy, ask=ask, act=act)
    return Begun(course, partner, policy, world, measured, moved, toy.optimum(world, plain), drawn)


def run(
    name: str, *, seed: int, sign: float = 1.0, toy: Toy | None = None, marks: Sequence[int] = (), **changes: int
) -> Reached:
    """Return what a method reached in the world of a seed.

    marks: after how many completions a point of its path is noted, each at the first step that has taken as many.
    """
    begun = begin(name, seed=seed, sign=sign, toy=toy, **changes)
    before, ahead = begun.measured(), deque(sorted(marks))
    path = [(0.0, 0.0, before)]
    for _ in range(begun.course.settings.steps):
        begun.step()
        if ahead and begun.seen >= ahead[0]:
            path.append((float(begun.seen), begun.moved(), begun.measured()))
            while ahead and begun.seen >= ahead[0]:
                ahead.popleft()
    return Reached(
        name, seed, before, begun.measured(), begun.optimum, begun.moved(), begun.seen, tuple(path if marks else ())
    )


def _asking(toy: Toy, module: Any, config: Any) -> Callable[[Prompt], Prompt]:
    """Return what the policy is asked in place of a prompt."""
    if toy.asked == "nothing":
        return lambda prompt: Prompt(())
    if hasattr(module, "ask"):
        return functools.partial(module.ask, config=config)
    return lambda prompt: prompt


def _policy(module: Any, config: Any, given: Material, needs: methods.Needs, seed: int, drawn: Counter[str]) -> Counted:
    """Return a table that knows every prompt that the method will speak of."""
    prompts = {prompt.id: prompt for prompt in ASKED}
    if hasattr(module, "ask"):
        prompts |= {asked.id: asked for asked in (module.ask(prompt, config) for prompt in ASKED)}
    for row in _rows(module, config, given, needs):
        prompts.setdefault(row.prompt.id, row.prompt)
        if row.teacher:
            prompts.setdefault(row.teacher.id, row.teacher)
    sizes: dict[str, Any] = {"vocabulary": VOCABULARY, "longest": LONGEST}
    return Counted(list(prompts.values()), **sizes, heads=needs.heads, seed=seed, drawn=drawn)


def _rows(module: Any, config: Any, given: Material, needs: methods.Needs) -> list[Row]:
    if not needs.eats:
        return []
    tools = Tools(sampler=given.refiner, sampling=SAMPLING)
    examples: list[Example] = (
        module.prepare(given.signals, config, tools)
        if hasattr(module, "prepare")
        else prepared(given.signals, needs.eats)
    )
    return [row for example in examples for row in example.rows]


def _course(
    policy: Counted, toy: Toy, module: Any, config: Any, given: Material, settings: CourseConfig, seed: int
) -> tuple[Course, Partnership | None]:
    optimiser = OptimiserConfig(learning_rate=toy.rate, warmup_steps=1, schedule="linear", max_grad_norm=0.0)
    walk = StepConfig(rows_per_slice=10_000, **toy.walk)
    partner = None
    if module.needs(config).partner and module.needs(config).policy:

        def beside(needs: methods.Needs) -> TablePolicy:
            sizes: dict[str, Any] = {"vocabulary": VOCABULARY, "longest": LONGEST}
            return Counted(ASKED, **sizes, heads=needs.heads, seed=seed + 1, drawn=policy.drawn)

        partner = partnership(
            policy, module, config, given, settings, make=beside, optimiser=optimiser, walk=walk, seed=seed
        )
        given = partner.given
    course = Course(policy, module, config, given, settings, optimiser=optimiser, walk=walk, seed=seed_of(seed, "toy"))
    if partner:
        partner.meet(course)
    return course, partner


def _heed(policy: TablePolicy, world: World) -> None:
    """Make the policy heed comments: asked with one, it speaks as the expert does."""
    for prompt in policy.prompts[len(ASKED) :]:
        about = next(each for each in ASKED if prompt.messages[0].content.startswith(each.text))
        policy.become(prompt, world.expert(policy, about, lessons.SHARP))


def _best_text(world: World, prompt: Prompt) -> str:
    return " ".join(map(str, world.best(prompt)))
