"""Asking a `Sampler` so that what fails comes back in its place with a reason, and nothing else is lost.

Any `records.Sampler` can be asked. One that talks to another machine offers more, and is asked for it:

    attempt(prompts, sampling, *, n, seed, schema) -> completions, or a `Failure` where one could not be had
    choose(prompts, options) -> for each prompt the log-probability of each option as the whole answer

A failure is never an empty text, and never a number: whoever asked counts it (`burnish.judges`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from burnish.errors import UnreachableError
from burnish.records import Completion, Prompt, Sampler, Sampling


@dataclass(frozen=True, slots=True)
class Failure:
    """One answer that could not be had."""

    reason: str
    """Its class, by which failures are counted: `time-out`, `rate limit`, `budget`, `refused`, ..."""
    detail: str = ""
    """What was said, for people; holds no key."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


Attempt: TypeAlias = Completion | Failure
Choice: TypeAlias = Mapping[str, float] | Failure
Schema: TypeAlias = Mapping[str, Any] | None
Weights: TypeAlias = Literal["as-is", "int8"]
"""How a model's weights stand while it speaks: as they are, or in 8 bits (`decoder.quantised`)."""


@runtime_checkable
class Attempting(Protocol):
    """A sampler that can fail for one question and answer the others."""

    def attempt(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, schema: Schema = None
    ) -> list[list[Attempt]]:
        """Return n completions or failures for each prompt. `schema`: JSON schema that the answer should follow."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A sampler that tells the log-probability of answers it did not draw."""

    tells_logprobs: bool
    """Whether it really does: a server may, or may not."""

    # `by_first_token: bool`, where it is there and true: only the first token of an answer is looked at (`can_choose`)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> list[Choice]:
        """Return for each prompt {option: log-prob as the answer}, not normalised over the options."""
        ...


def attempt(
    sampler: Sampler | Attempting,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    n: int = 1,
    seed: int = 0,
    schema: Schema = None,
) -> list[list[Attempt]]:
    """Return n completions or failures for each prompt, from any sampler.

    One without `attempt` of its own fails as a whole: its `UnreachableError` is told for every prompt.
    """
    if isinstance(sampler, Attempting):
        return sampler.attempt(prompts, sampling, n=n, seed=seed, schema=schema)
    try:
        return [list(group) for group in sampler.sample(prompts, sampling, n=n, seed=seed)]
    except UnreachableError as error:
        return [[Failure("unreachable", str(error))] * n for _ in prompts]


def can_choose(sampler: object, options: Sequence[str]) -> bool:
    """Return whether a sampler tells how likely each of these options is as the whole answer.

    One that sees only an answer's first token does so where no token begins two options: "1" is an answer of its own
    and begins "10" as well, and nothing in its probability says which was meant.
    """
    if not isinstance(sampler, Choosing) or not sampler.tells_logprobs:
        return False
    return not getattr(sampler, "by_first_token", False) or told_apart(options)


def told_apart(options: Sequence[str]) -> bool:
    """Return whether the options' first letters all differ, so that no token begins two of them."""
    return len({option[:1].casefold() for option in options}) == len(options)


def whole(text: str) -> str:
    """Return a text that can be stored: half characters (lone surrogates) and NUL, which JSON may bring, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")


def name_of(sampler: object) -> str:
    """Return what a sampler calls itself, else its class's name: part of every cache key and of an author's name."""
    return str(getattr(sampler, "name", "") or type(sampler).__name__)
