"""Whether a text has the length asked for: 1 between two bounds, falling to 0 at nothing and at twice the upper bound.

`length:40-80` counts words (characters in scripts without blanks); `length:60` is both bounds at once. A prompt may ask
for its own: `metadata["length"] = [low, high]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import InputError
from burnish.maths.overlap import tokens
from burnish.records import Completion, Prompt, Reward, Score


def make(spec: str = "") -> Reward:
    """Return the reward `length:LOW-HIGH`, or `length:N`."""
    low, _, high = spec.partition("-")
    if not low.isdecimal() or (high and not high.isdecimal()):
        raise InputError(f"reward length: {spec!r} is no length in words. Write length:40-80, or length:60.")
    return Length(int(low), int(high or low))


@dataclass(frozen=True)
class Length:
    """`Reward` in [0, 1]."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise InputError(f"reward length: {self.low}-{self.high} is not a lower and an upper number of words.")

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return how near each completion is to the length asked for."""
        return [self._one(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]

    def _one(self, prompt: Prompt, completion: Completion) -> Score:
        low, high = prompt.metadata.get("length", (self.low, self.high))
        n = len(tokens(completion.text))
        value = n / low if n < low else 1.0 if n <= high else max(0.0, 2 - n / high)
        return Score(prompt, completion, value, source="length", reason=f"{n} words, asked for {low} to {high}")
