"""Every noun of burnish, once, as a frozen dataclass, and the protocols that strangers plug in.

Standard library only: every room may import this one. The four *signals* (`Demonstration`, `Preference`, `Score`,
`Critique`) are the narrow waist: every kind of feedback becomes one or more of them, every method says which it eats.

Identities are content hashes, so that the same thing has the same name on every machine (`burnish.identities`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from burnish.errors import InputError

# named twice to be offered here too: who handles records needs their ids
from burnish.identities import canonical_json as canonical_json
from burnish.identities import content_id as content_id
from burnish.identities import seed_of as seed_of
from burnish.identities import share_of as share_of

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"
AuthorKind: TypeAlias = Literal["human", "ai", "rule"]
Split: TypeAlias = Literal["train", "validation", "test"]


# ------------------------------------------------------------------------------------------ prompts and completions


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, as chat templates take it."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. Raw text (nothing asked) has no messages."""

    messages: tuple[Message, ...]
    reference: str | None = None
    """A known good answer, where there is one."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the task knows about the prompt (the thing it names, the opinion it asks for, ...)."""
    source: str = ""
    """Where it came from: a task, a corpus or a file."""
    split: Split = "train"

    @property
    def id(self) -> str:
        """Content hash of the messages alone: metadata and split do not change what was asked."""
        return content_id("p", [[message.role, message.content] for message in self.messages])

    @property
    def text(self) -> str:
        """The last thing the user said, for people to read."""
        return self.messages[-1].content if self.messages else ""

    @classmethod
    def of(cls, asked: str | Sequence[Message], **more: Any) -> Prompt:
        """Return a prompt from one user message or from a conversation."""
        messages = (Message("user", asked),) if isinstance(asked, str) else tuple(asked)
        return cls(messages=messages, **more)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn. The defaults draw from the model's own distribution, untouched."""

    temperature: float = 1.0
    """Logits are divided by this; 0 means greedy."""
    top_k: int = 0
    """Only the k likeliest tokens may be drawn; 0 means all."""
    top_p: float = 1.0
    """Only the likeliest tokens that hold this probability together may be drawn; 1 means all."""
    min_p: float = 0.0
    """Only tokens at least this share as likely as the likeliest may be drawn; 0 means all."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """(token id, what is added to its logit): -100 forbids a token, a few make it likelier."""
    max_new_tokens: int = 64
    """A completion that has not ended by then is truncated (`FinishReason.LENGTH`)."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion; they are cut off."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= 100):
            raise InputError(
                f"sampling.temperature: {self.temperature} is not in [0, 100]. Use 1 to draw, 0 for greedy."
            )
        if not 0 < self.top_p <= 1:
            raise InputError(f"sampling.top_p: {self.top_p} is not in (0, 1]. Use 1 to keep every token.")
        if self.top_k < 0:
            raise InputError(f"sampling.top_k: {self.top_k} is negative. Use 0 to keep every token.")
        if not 0 <= self.min_p <= 1:
            raise InputError(f"sampling.min_p: {self.min_p} is not in [0, 1]. Use 0 to keep every token.")
        if not all(token >= 0 and math.isfinite(bias) for token, bias in self.logit_bias):
            raise InputError("sampling.logit_bias: a token id is negative or a bias is no number. Use -100 to forbid.")
        if self.max_new_tokens < 1:
            raise InputError(f"sampling.max_new_tokens: {self.max_new_tokens} is not positive.")
        if "" in self.stop:
            raise InputError("sampling.stop: an empty text would end every completion at once. Leave it out.")


class FinishReason(enum.Enum):
    """Why a completion ended."""

    STOP = "stop"
    """The model ended it, or a stop text did."""
    LENGTH = "length"
    """It reached the length limit: truncated."""
    GIVEN = "given"
    """Nobody sampled it here: a person wrote it or a file brought it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer to one prompt. `token_ids` and `logprobs` are the sampler's own, absent on text from outside."""

    prompt_id: str
    text: str
    token_ids: tuple[int, ...] | None = None
    """Includes the end token when `finish_reason` is STOP."""
    logprobs: tuple[float, ...] | None = None
    """Natural log-probability of each token under the distribution it was drawn from (temperature applied)."""
    checkpoint_id: str | None = None
    model: str | None = None
    sampling: Sampling | None = None
    finish_reason: FinishReason = FinishReason.GIVEN
    run: str = ""
    round: int = 0
    index: int = 0
    """Which of the samples of this prompt it is."""

    @property
    def id(self) -> str:
        """Content hash of what was said, to what, by which model, and for a sample of ours where it was drawn."""
        drawn = [self.checkpoint_id, self.run, self.round, self.index] if self.sampling else []
        return content_id("c", [self.prompt_id, self.text, self.model, *drawn])


# ------------------------------------------------------------------------------------------------------- feedback


@dataclass(frozen=True, slots=True)
class Author:
    """Who gave feedback. An empty id is an anonymous author: two anonymous votes are never taken for one person's."""

    id: str = ""
    kind: AuthorKind = "human"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing one author said. Never edited: a change is a new record that supersedes the old one.

    `value` is the kind's own mapping of plain JSON values (see `burnish.feedback.kinds`); words a person wrote
    (`comment`, and text inside `value`) are kept apart in the store, so that erasing them leaves a tombstone.
    """

    id: str
    """Idempotency key: the same id with the same content is the same record."""
    kind: str
    """File name of its kind: rating, thumb, comparison, ranking, comment, correction, span."""
    prompt_id: str
    completion_ids: tuple[str, ...]
    """In the order in which they were shown."""
    value: Mapping[str, Any]
    author: Author = field(default_factory=Author)
    aspect: str = ""
    """Which respect it speaks of; empty means overall."""
    comment: str = ""
    time: str = ""
    """RFC 3339, UTC; empty when unknown."""
    seconds_spent: float | None = None
    exposure: Mapping[str, Any] = field(default_factory=dict)
    """How it was shown: position, model hints, ..."""
    consent: str = ""
    supersedes: str = ""
    """Id of the record this one replaces; empty for a first statement."""
    source: str = ""
    run: str = ""
    round: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)


# -------------------------------------------------------------------------------------------------- the four signals


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a text, in characters, end exclusive, and what is said of it."""

    start: int
    end: int
    label: str = ""
    severity: float = 1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Imitate this. Raw text is a demonstration whose prompt has no messages."""

    prompt: Prompt
    completion: Completion
    weight: float = 1.0
    feedback_ids: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    """Parts that are new where it is a corrected text: what there is to learn in it. None where all of it is."""


@dataclass(frozen=True, slots=True)
class Preference:
    """This rather than that, with the probability that people really hold it.

    `ranks[i]` is the rank of `completions[i]`, 0 best; equal ranks are ties, None is "not compared". A pair is a
    ranking of two. `probability` is that of the stated order of a pair; for longer rankings it is None.
    """

    prompt: Prompt
    completions: tuple[Completion, ...]
    ranks: tuple[int | None, ...]
    probability: float | None = None
    """P(chosen is preferred by a person drawn at random), in (0, 1); 0.5 is a tie of opinions."""
    variance: float | None = None
    """Variance of that probability (posterior, from how many people answered); of a longer ranking, the mean of the
    variances of its pairs' probabilities."""
    weight: float = 1.0
    margin: float | None = None
    """How much better, in rating units, where people said so."""
    aspect: str = ""
    feedback_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.completions) != len(self.ranks):
            raise InputError(f"preference: {len(self.completions)} completions but {len(self.ranks)} ranks.")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise InputError(f"preference.probability: {self.probability} is not in [0, 1].")

    @property
    def is_pair(self) -> bool:
        return len(self.completions) == 2 and None not in self.ranks

    @property
    def chosen(self) -> Completion:
        """The better-ranked of a pair; the first on a tie."""
        self._need_pair()
        return self.completions[0 if self._first_is_chosen() else 1]

    @property
    def rejected(self) -> Completion:
        """The worse-ranked of a pair; the second on a tie."""
        self._need_pair()
        return self.completions[1 if self._first_is_chosen() else 0]

    def _first_is_chosen(self) -> bool:
        first, second = self.ranks
        assert first is not None
        assert second is not None
        return first <= second

    def _need_pair(self) -> None:
        if not self.is_pair:
            raise InputError(f"preference: a ranking of {len(self.completions)} has no chosen and rejected.")


@dataclass(frozen=True, slots=True)
class Score:
    """How good, how sure, in which respect, where and why. `value=None` is "not scored" and is never turned into 0."""

    prompt: Prompt
    completion: Completion
    value: float | None
    variance: float | None = None
    """Variance of `value` as an estimate of its true mean."""
    members: tuple[float, ...] = ()
    """Values of the K heads of an ensemble."""
    aspect: str = ""
    source: str = ""
    reason: str = ""
    spans: tuple[Span, ...] = ()
    """Where it looked: they explain `value`, and nothing is paid for them."""
    weight: float = 1.0
    counts: tuple[tuple[float, int], ...] = ()
    """(rating, how many people gave it), where the score came from several people's ratings."""
    feedback_ids: tuple[str, ...] = ()
    token_rewards: tuple[Span, ...] = ()
    """Parts of `value` paid where they stand, each `severity` at its span's last token; the rest at the text's end."""
    parts: tuple[tuple[str, float], ...] = ()
    """(name, what it gave as it was weighed), where `value` is the sum of several rewards."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(f"score.value: {self.value} is not a finite number. Use None for 'not scored'.")
        if self.value is None and self.token_rewards:
            raise InputError("score.token_rewards: parts of a value that is None. What is not scored pays nothing.")


@dataclass(frozen=True, slots=True)
class Critique:
    """What is wrong or good about a completion in words, and perhaps how it should read."""

    prompt: Prompt
    completion: Completion
    text: str
    aspect: str = ""
    spans: tuple[Span, ...] = ()
    revision: str | None = None
    weight: float = 1.0
    feedback_ids: tuple[str, ...] = ()
    praises: bool = False
    """It finds the completion good and asks for no change."""


Signal: TypeAlias = Demonstration | Preference | Score | Critique


# ------------------------------------------------------------------------------------------ checkpoints and reports


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of weights in a folder and how it came to be. `id` is the hash of its files, set when it is published."""

    id: str
    path: str
    kind: Literal["model", "adapter", "reward"]
    parent: str = ""
    """Id, name or folder of what it was trained from."""
    method: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str = ""
    """Hash of the signals it was trained on."""
    sources: tuple[str, ...] = ()
    """Every source of feedback or text in its lineage: evaluation refuses these as gold."""
    code_version: str = ""
    seed: int = 0
    step: int = 0
    sampling: Sampling | None = None
    """How it wants to be sampled."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% interval and the number of independent units behind it."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


# ------------------------------------------------------------------------------------------- what strangers plug in


@runtime_checkable
class Sampler(Protocol):
    """Draws completions: our engine, an OpenAI-compatible endpoint, a script or a replay."""

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt; the same seed gives the same completions.

        Each completion's own seed follows from (seed, prompt id, index), so the batch it rides in changes nothing
        but rounding.
        """
        ...


@runtime_checkable
class Reward(Protocol):
    """Scores completions; trains nothing."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return one score for each (prompt, completion); a failure is `value=None` with a reason, never 0."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Answers the same form as a person, as an author of kind ai."""

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return feedback for each prompt's completions; None is a counted failure."""
        ...
