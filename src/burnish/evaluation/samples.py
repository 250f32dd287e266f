"""What is known about each measured completion, and the pairing of two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import InputError


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion with everything that was measured on it. None means not measured and is never turned into 0."""

    prompt_id: str
    prompt: str
    """What the model was asked, as text."""
    thing: str
    """What the prompt names: a product, a film; empty where the task names nothing."""
    asked: float | None
    """The rating the prompt asks for, where it asks for one."""
    asked_words: str
    """The same in words: "very bad" ... "very good"."""
    index: int
    """Which of the samples of this prompt; sample i before is paired with sample i after."""
    text: str
    tokens: int
    truncated: bool
    gold: float | None
    """Score by the judge that took no part in training; higher is better."""
    proxy: float | None
    """Score by the reward that was trained on; higher is better."""
    proxy_spread: float | None
    """Standard deviation over the reward model's heads."""
    rated_gold: float | None
    """The rating the gold judge predicts people would give the text."""
    rated_proxy: float | None
    on_topic: bool | None
    """Whether the text is about the named thing."""
    reference_nll: float | None
    """Negative log-likelihood under the untouched model, nats, summed over the completion's tokens."""
    kl_nats: float | None
    """KL from policy to untouched model, nats, summed over the completion's tokens."""


def by_prompt(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return the samples of each prompt, prompts in order of first appearance, samples by index."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.prompt_id, []).append(sample)
    return [sorted(group, key=lambda sample: sample.index) for group in groups.values()]


def paired(before: Sequence[Sample], after: Sequence[Sample]) -> list[tuple[list[Sample], list[Sample]]]:
    """Return, for each prompt, its samples on both sides, in the order of the side before.

    Raises InputError when the sides do not hold the same (prompt, index) pairs: a paired comparison of different
    prompts would be no comparison.
    """
    keys_before = {(sample.prompt_id, sample.index) for sample in before}
    keys_after = {(sample.prompt_id, sample.index) for sample in after}
    for side, samples, keys in (("before", before, keys_before), ("after", after, keys_after)):
        if len(samples) != len(keys):
            raise InputError(
                f"evaluation: {len(samples)} samples {side}, but only {len(keys)} differ in (prompt, index). "
                "Give each sample of a prompt its own index."
            )
    if keys_before != keys_after:
        prompt, index = min(keys_before ^ keys_after)
        have, lack = ("before", "after") if (prompt, index) in keys_before else ("after", "before")
        raise InputError(
            f"evaluation: prompt {prompt!r} sample {index} was measured {have} but not {lack} "
            f"({len(keys_before ^ keys_after)} such). Measure both sides on the same prompts and indices."
        )
    after_of = {group[0].prompt_id: group for group in by_prompt(after)}
    return [(group, after_of[group[0].prompt_id]) for group in by_prompt(before)]
