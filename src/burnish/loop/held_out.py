"""What training never sees: prompts or examples that it is looked at by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from burnish.examples import Example
from burnish.records import Demonstration, Prompt, Signal, share_of
from burnish.training.course import Course


@dataclass(frozen=True)
class HeldOut:
    """What training never sees."""

    prompts: Sequence[Prompt]
    examples: Sequence[Example]

    def loss(self, course: Course) -> float:
        """Return the held-out loss, or the negative mean reward of the held-out prompts; NaN with nothing held out."""
        if self.examples:
            return float(course.steps.measure(self.examples)["loss"])
        if self.prompts and (course.material.reward or course.material.partner):
            return -course.mean_reward(self.prompts)
        return math.nan


def key_of(signal: Signal) -> str:
    """Return what a signal is set aside by: its prompt; a raw text by itself, since all raw texts have one prompt."""
    if isinstance(signal, Demonstration) and not signal.prompt.messages:
        return signal.completion.id
    return signal.prompt.id


def apart(items: Sequence[Any], keys: Sequence[str], share: float) -> tuple[list[Any], list[Any]]:
    """Return what is set aside, by the hash of its prompt, and the rest; nothing is set aside of fewer than 10."""
    if len(set(keys)) < 10:
        return [], list(items)
    aside = [share_of(key, "look") < share for key in keys]
    return (
        [item for item, is_aside in zip(items, aside, strict=True) if is_aside],
        [item for item, is_aside in zip(items, aside, strict=True) if not is_aside],
    )
