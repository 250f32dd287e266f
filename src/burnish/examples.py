"""What a window is made of: rows of (prompt, completion), what is known of each, and which of them stay together.

Between signals (what people mean) and tensors (what a loss takes): a method's `prepare` turns signals into examples,
its `choose` turns fresh completions into examples, and the trainer encodes examples as a `Batch`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from burnish.errors import InputError
from burnish.plain import completion_from_plain, prompt_from_plain, to_plain
from burnish.records import (
    Completion,
    Critique,
    Demonstration,
    Judge,
    Message,
    Preference,
    Prompt,
    Reward,
    Sampler,
    Sampling,
    Score,
    Signal,
    Span,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One (prompt, completion) that goes through the network."""

    prompt: Prompt
    completion: Completion
    weight: float = 1.0
    score: float = math.nan
    """How good it is, in the reward's units; NaN = unscored, never 0."""
    variance: float = math.nan
    """Of the score, where stated."""
    rank: int = -1
    """Place within its example, 0 best, equal = tied; -1 = not compared."""
    probability: float = math.nan
    """P(chosen is preferred), on both rows of a pair."""
    margin: float = math.nan
    """How much better the chosen one is, on both rows of a pair."""
    spans: tuple[Span, ...] = ()
    """Parts that are labelled: a token's label is the sum of the `severity` of the spans over it. Never paid."""
    token_rewards: tuple[Span, ...] = ()
    """Parts of the score that are paid where they stand (`Score.token_rewards`); the rest is paid at the end."""
    parts: tuple[tuple[str, float], ...] = ()
    """(name, what it gave) of the rewards that the score is the sum of (`Score.parts`)."""
    token_scores: tuple[float, ...] = ()
    """One value for each token of the completion, where they are known by token; instead of either."""
    reason: str = ""
    """Why it scored as it did, in words, where the reward says so."""
    teacher: Prompt | None = None
    """What the teacher is asked where it is asked more than the policy (the feedback beside the prompt)."""
    fresh: bool = False
    """Drawn by the policy now, and not brought by a person or a file."""
    mismatched: bool = False
    """A completion beside a prompt it was not given to: it measures something and is never trained on."""


@dataclass(frozen=True, slots=True)
class Example:
    """Rows that stay together in one slice: a demonstration, a pair (chosen first), a ranking, a prompt's group."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Tools:
    """What `prepare` and `choose` may use. A tool that was not given is None: ask with `needed`."""

    sampler: Sampler | None = None
    """The policy as it is now (or, where a method writes refinements, the model that writes them)."""
    policy: Sampler | None = None
    """The policy as it is now, whoever writes refinements."""
    reward: Reward | None = None
    judge: Judge | None = None
    partner: Reward | None = None
    """The reward that is trained in turn (`Needs.partner`)."""
    continuations: Continuations | None = None
    claims: Claims | None = None
    """Whether a comment is still true of a refinement (`feedback.words.still.claims` tells by rule)."""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    group: int = 8
    """Completions drawn for a prompt."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What `prepare` and `choose` could not use, counted by reason: for the report, nothing is dropped in silence."""


def needed(tool: T | None, what: str, method: str) -> T:
    """Return the tool; raises InputError that says which method needs what when it was not given."""
    if tool is None:
        raise InputError(
            f"{method}: needs {what}, and none was given. Name one, or choose a method that works without."
        )
    return tool


class Claims(Protocol):
    """Says whether a comment still holds: asked of a refinement that is said to have heeded it."""

    def __call__(self, critique: Critique, refinement: Completion) -> bool | None:
        """Return whether the critique of its completion is true of the refinement too; None = it cannot be told."""
        ...


class Continuations(Protocol):
    """Goes on from part of a completion."""

    def __call__(
        self, prompts: Sequence[Prompt], prefixes: Sequence[Sequence[int]], *, n: int, seed: int
    ) -> list[list[Completion]]:
        """Return n whole completions for each prompt that begin with the prefix's token ids."""
        ...


def from_demonstration(signal: Demonstration) -> Example:
    """One row."""
    return Example((Row(signal.prompt, signal.completion, weight=signal.weight, spans=signal.spans),))


def from_score(signal: Score) -> Example | None:
    """One row with its score, and what of it is paid by token; None for what was not scored."""
    if signal.value is None:
        return None
    variance = math.nan if signal.variance is None else signal.variance
    row = Row(
        signal.prompt, signal.completion, signal.weight, signal.value, variance, token_rewards=signal.token_rewards
    )
    return Example((row,))


def from_preference(signal: Preference) -> Example:
    """Two rows for a pair, the chosen one first; one row for each completion of a longer ranking, ranks beside them."""
    if not signal.is_pair:
        rows = zip(signal.completions, signal.ranks, strict=True)
        return Example(tuple(Row(signal.prompt, c, weight=signal.weight, rank=-1 if r is None else r) for c, r in rows))
    probability = 1.0 if signal.probability is None else signal.probability
    # the probability is that of the stated order: on a tie the first stands as chosen
    shared: Mapping[str, Any] = {
        "weight": signal.weight,
        "probability": 0.5 if signal.ranks[0] == signal.ranks[1] and signal.probability is None else probability,
        "margin": math.nan if signal.margin is None else signal.margin,
    }
    tied = signal.ranks[0] == signal.ranks[1]
    return Example(
        (
            Row(signal.prompt, signal.chosen, rank=0, **shared),
            Row(signal.prompt, signal.rejected, rank=0 if tied else 1, **shared),
        )
    )


def prepared(signals: Sequence[Signal], eats: tuple[type, ...]) -> list[Example]:
    """Return the examples of all signals of the types a method eats, in their order: `prepare` where a method has none.

    Rankings of more than two become one example each; what a method cannot use it leaves out in a `prepare` of its own.
    """
    found: list[Example] = []
    for signal in signals:
        if not isinstance(signal, eats):
            continue
        if isinstance(signal, Demonstration):
            found.append(from_demonstration(signal))
        elif isinstance(signal, Preference):
            found.append(from_preference(signal))
        elif isinstance(signal, Score) and (example := from_score(signal)):
            found.append(example)
        elif isinstance(signal, Critique):
            found.append(Example((Row(signal.prompt, signal.completion, signal.weight, spans=signal.spans),)))
    return found


def pairs_of(signals: Sequence[Signal]) -> list[Example]:
    """Return one example for each pair that preferences hold; a ranking of k gives all its untied pairs.

    The pairs of one ranking share its weight, so that it does not count k(k-1)/2 times.
    """
    found: list[Example] = []
    for signal in signals:
        if not isinstance(signal, Preference):
            continue
        if signal.is_pair:
            found.append(from_preference(signal))
            continue
        known = [(rank, c) for rank, c in zip(signal.ranks, signal.completions, strict=True) if rank is not None]
        pairs = [(a, b) for i, a in enumerate(known) for b in known[i + 1 :] if a[0] != b[0]]
        for one, other in pairs:
            best, worst = sorted((one, other), key=lambda each: each[0])
            shared: Mapping[str, Any] = {"weight": signal.weight / len(pairs), "probability": 1.0}
            rows = (Row(signal.prompt, best[1], rank=0, **shared), Row(signal.prompt, worst[1], rank=1, **shared))
            found.append(Example(rows))
    return found


def given(prompt: Prompt, text: str) -> Completion:
    """Return the text as a completion of the prompt that nobody sampled: its end belongs to it, and is learned."""
    return Completion(prompt.id, text)


def moved(completion: Completion, prompt: Prompt) -> Completion:
    """Return the completion as an answer to another prompt.

    Its tokens stay as they were drawn (never re-tokenised, trap T35; one that was cut off gets no end); the sampler's
    log-probs go, since it was asked something else.
    """
    return replace(completion, prompt_id=prompt.id, logprobs=None)


def with_words(prompt: Prompt, template: str, **words: str) -> Prompt:
    """Return the prompt with its last user message put into the template, where `{asked}` stands for what it said.

    A prompt that asks nothing (raw text) gets the template as its only message. Braces in the words stay as they are.
    """
    places = [i for i, message in enumerate(prompt.messages) if message.role == "user"]
    last = places[-1] if places else len(prompt.messages)
    asked = prompt.messages[last].content if places else ""
    said = Message("user", template.format(asked=asked, **words).strip())
    return replace(prompt, messages=(*prompt.messages[:last], said, *prompt.messages[last + 1 :]))


def reweighted(example: Example, weight: float) -> Example:
    """Return the example with every row's weight multiplied."""
    return Example(tuple(replace(row, weight=row.weight * weight) for row in example.rows))


def example_to_plain(example: Example) -> dict[str, Any]:
    """Return the example as plain JSON values; what is not known (NaN) is left out."""
    return {
        "rows": [
            {k: v for k, v in to_plain(row).items() if not (isinstance(v, float) and math.isnan(v))}
            for row in example.rows
        ]
    }


def example_from_plain(plain: Mapping[str, Any]) -> Example:
    """Return the example that `example_to_plain` wrote."""
    return Example(tuple(_row_from_plain(row) for row in plain["rows"]))


def _row_from_plain(plain: Mapping[str, Any]) -> Row:
    values = dict(plain)
    values["prompt"] = prompt_from_plain(values["prompt"])
    values["completion"] = completion_from_plain(values["completion"])
    if "teacher" in values:
        values["teacher"] = prompt_from_plain(values["teacher"])
    for name in ("spans", "token_rewards"):
        if name in values:
            values[name] = tuple(Span(**each) for each in values[name])
    if "parts" in values:
        values["parts"] = tuple((name, gave) for name, gave in values["parts"])
    if "token_scores" in values:
        values["token_scores"] = tuple(values["token_scores"])
    return Row(**values)
