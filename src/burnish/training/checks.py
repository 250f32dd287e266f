"""What is refused before the first step: settings that a method could only pass over in silence."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from burnish import methods
from burnish.errors import InputError
from burnish.methods import Needs
from burnish.training.steps import StepConfig


def check(
    method: ModuleType, config: Any, walk: StepConfig, *,
    group: int, prompts: int, examples: int, kl_target_nats: float, pays: bool,
) -> None:  # fmt: skip
    """Raise InputError for the first setting of the course or its walk that this method can do nothing with.

    group: completions a prompt; prompts, examples: of a window; pays: whether it is a reward whose policy is trained
    beside it, in a course of its own, which the settings are meant for as well.
    """
    name, needs = method.__name__.rpartition(".")[2], method.needs(config)
    if needs.fresh and needs.compares == "group" and group < 2:
        raise InputError(
            f"course.group: {group}, and {name} compares the completions of a prompt with each other. Use at least 2; "
            "8 is usual."
        )
    if needs.fresh and needs.compares == "window" and group * prompts < 2:
        raise InputError(
            f"course.group: {group}, of {prompts} prompt, and {name} compares the completions of a window with each "
            "other. Use at least 2 of either, or another baseline."
        )
    if needs.once and walk.passes * walk.parts > 1:
        raise InputError(
            f"walk.{'passes' if walk.passes > 1 else 'parts'}: {name} takes one step on a window, since nothing in its "
            "loss corrects for a policy that has moved on. Use 1, or a method with a ratio: ppo, rloo, grpo, cispo."
        )
    if walk.parts > (most := _units(needs, group, prompts, examples)):
        raise InputError(
            f"walk.parts: {walk.parts} is more than the {most} of a window that {name} can share out among its steps. "
            "Use fewer, or raise course.prompts_per_step or course.examples_per_step."
        )
    if kl_target_nats > 0 and not pays and not steers(method, config):
        has_one = needs.fresh and "kl_nats" in method.METRICS and hasattr(config, "beta")
        why = f"the KL of {name} has no weight (beta 0, or no share)" if has_one else f"{name} has no KL to steer"
        raise InputError(
            f"course.kl_target_nats: {kl_target_nats:g} is the KL that beta is moved to keep, and {why}. "
            f"Use 0{', or give it some' if has_one else ''}."
        )


def check_reader(method: ModuleType, config: Any, *, model: str, paired: bool) -> None:
    """Raise InputError where this method cannot train an encoder, which reads and never speaks.

    model: what it is called in the message. paired: whether a policy of its own is trained beside it.
    """
    name, needs = method.__name__.rpartition(".")[2], method.needs(config)
    if not methods.reads(needs):
        as_set = ", as it is set," if name in methods.readers() else ""
        raise InputError(
            f"{name}: {model} is an encoder, which reads and never speaks, and {name}{as_set} draws from its model or "
            f"asks it how likely a text is. An encoder is trained by {', '.join(methods.readers())}; "
            "docs/concepts/small-models.md says what for."
        )
    if needs.fresh and not paired:
        raise InputError(
            f"{name}: {model} is an encoder, which reads and never speaks, and {name} learns from what a policy draws. "
            "Name the policy's model: --set partner_model=FOLDER."
        )


def steers(method: ModuleType, config: Any) -> bool:
    """Return whether a controller that moves `beta` moves the loss: there is a KL in it, of completions drawn now."""
    needs: Needs = method.needs(config)
    told = needs.fresh and "kl_nats" in method.METRICS
    return told and "reference" in needs.views and getattr(config, "beta", 0.0) > 0


def _units(needs: Needs, group: int, prompts: int, examples: int) -> int:
    """Return how many things a window has that are never cut, at most."""
    drawn = prompts * (1 if needs.together else group) if needs.fresh else 0
    return drawn + (examples if needs.eats else 0)
