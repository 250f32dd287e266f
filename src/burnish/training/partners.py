"""Two that train in turn: a policy and the reward that is learned beside it.

    discriminator, inverse_rl    the method is the reward; its partner is a policy method that is paid by it
    seqgan                       the method is the policy; its partner is the discriminator that pays it

At every step the reward learns first, from what people showed and what the policy says now; then the policy learns from
what the reward says now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, cast

from torch import Tensor

from burnish import methods
from burnish.records import Reward, seed_of
from burnish.training.course import Course, CourseConfig, Material
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig
from burnish.training.window import Learner


@dataclass
class Partnership:
    """The course that is trained beside the main one, a step before each of its steps."""

    course: Course
    given: Material
    """What the main course is given: its partner in place of a reward, where it is paid by it."""

    def meet(self, main: Course) -> None:
        """Let each know the other: the reward sees what the policy draws."""
        if self.course.needs.policy:  # the main course is the reward: it learns from what this policy says
            main.sampler, main.voice = self.course.sampler, self.course.voice
        else:
            self.course.sampler, self.course.voice = main.sampler, main.voice

    def advance(self) -> dict[str, float]:
        """Take the partner's step; its numbers are logged under `partner_`."""
        return {f"partner_{name}": value for name, value in self.course.advance().items()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what to go on from."""
        return self.course.state()

    def load_state(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.course.load_state(tensors, numbers)


def partnership(
    network: Learner, method: ModuleType, config: Any, given: Material, settings: CourseConfig, own: Any = None,
    *, make: Callable[[methods.Needs], Learner], optimiser: OptimiserConfig, walk: StepConfig, seed: int,
) -> Partnership:  # fmt: skip
    """Return the partner's course, its network made anew, and what the main course is given.

    own: the partner's settings; None: its defaults.
    """
    partner = methods.load(method.needs(config).partner)
    its_config = partner.Config() if own is None else own
    needs = partner.needs(its_config)
    other = make(needs)
    its = given if needs.policy is False else replace(given, partner=_reward(network))
    course = Course(
        other, partner, its_config, its, settings, optimiser=optimiser, walk=walk, seed=seed_of(seed, "partner")
    )
    main = replace(given, partner=_reward(other)) if needs.policy is False else given
    return Partnership(course, main)


def _reward(network: Learner) -> Reward:
    """Return the network as what it scores; one that has a reward head does, which Learner does not ask of all."""
    return cast(Reward, network)
