"""One person's answer with what it speaks of, and the settings by which many answers become signals."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from burnish.errors import InputError, nearest
from burnish.records import AuthorKind, Completion, Feedback, Prompt
from burnish.store import Entry

if TYPE_CHECKING:
    from burnish.feedback.words.reading import Reading

DECIDES = "decides"
"""Metadata of a reviewer's decision: the ids of the answers that it decides between."""

Scale = tuple[float, float]
Item = TypeVar("Item", bound=Hashable)
People: TypeAlias = Literal["plain", "annotators", "reliable", "majority"]
Ties: TypeAlias = Literal["half", "davidson", "rao_kupper"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A feedback record together with the prompt and the completions it names, in the order shown."""

    prompt: Prompt
    completions: tuple[Completion, ...]
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class SignalConfig:
    """How answers become signals. The defaults are the tested setting."""

    scale: Scale = (-4.0, 4.0)
    """Every rating is mapped linearly from its own scale to this one, worst and best; thumbs go to its ends."""
    kinds: tuple[str, ...] = (
        "rating", "thumb", "comparison", "ranking", "best_worst", "correction", "suggestion", "span", "rubric",
        "reference", "comment",
    )  # fmt: skip
    """Kinds that are used. `implicit` must be asked for: what people do is not what they say."""
    author_kinds: tuple[AuthorKind, ...] = ("human", "ai", "rule")
    """Authors that are heard; judges are people here."""
    people: People = "plain"
    """How several people's answers are put together. `plain`: all count alike, with doubt. `annotators`: each as much
    as that person proves to see, sides and strictness taken out (`burnish.feedback.crowd`); needs people who answered
    the same questions. `reliable`: each is right with a probability of their own, as questions with a right answer have
    it: CrowdBT, Dawid-Skene, many-facet (`burnish.feedback.reliability`).
    `majority`: the bare count, without doubt, for comparison."""
    ties: Ties = "half"
    """What "equally good" says of a pair. `half`: half a vote for each. `davidson`, `rao_kupper`: an answer of its own,
    the likelier the nearer the two are, by how much is fitted over all prompts (`burnish.feedback.tied`)."""
    prior_votes: float = 1.0
    """Votes each way that a thumb or a comparison is taken to have had before anybody answered: Beta(1, 1) by default,
    so that one vote says 2/3 and not certainty. Above 0."""
    strength_votes: tuple[float, float, float] = (2 / 3, 5 / 6, 1.0)
    """Share of a vote that a preference of strength 1, 2, 3 gives to the chosen; the rest goes to the rejected. The
    default is linear between a tie (1/2) and a full vote. A preference without a strength is a full vote."""
    prior_item_share: float = 0.25
    """Guess, before the data, of the standard deviation between texts, as a share of the scale's width; it counts as
    two texts. 198,810 ratings of 10,605 film-review snippets on a scale of width 8 show 1.91, which is 0.24."""
    prior_noise_share: float = 0.125
    """The same for the standard deviation of people's ratings of one text; those ratings show 0.96, which is 0.12."""
    prior_person_share: float = 0.0625
    """The same for the standard deviation of people's leniency."""
    aspects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Respects of your own that comments are read for, beside the six: name -> words that name it in a comment."""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """Readings of comments, by id, that stand in for the rules': a learned scorer's or a model's
    (`burnish.feedback.comment_readers`)."""
    graded_corrections: bool = False
    """Whether a correction also grades its original, by how little had to be changed: a score of the aspect
    `correction`. It is the same decision as its preference, told as a number; learn from one of the two."""

    def __post_init__(self) -> None:
        if self.people not in get_args(People):
            raise InputError(f"signals.people: {self.people!r} is unknown.{nearest(self.people, get_args(People))}")
        if self.ties not in get_args(Ties):
            raise InputError(f"signals.ties: {self.ties!r} is unknown.{nearest(self.ties, get_args(Ties))}")
        if self.ties != "half" and self.people != "plain":
            raise InputError(f'signals.ties: {self.ties} has all people count alike. Use people="plain" with it.')
        low, high = self.scale
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"signals.scale: {self.scale} is not a worst and a best value. Use (-4, 4).")
        if not (math.isfinite(self.prior_votes) and self.prior_votes > 0):
            raise InputError(f"signals.prior_votes: {self.prior_votes} is not above 0. Use 1.")
        if not all(0.5 <= share <= 1 for share in self.strength_votes) or len(self.strength_votes) != 3:
            raise InputError(f"signals.strength_votes: {self.strength_votes} are not three shares from 1/2 to 1.")
        for share in ("prior_item_share", "prior_noise_share", "prior_person_share"):
            if not 0 < getattr(self, share) < 1:
                raise InputError(f"signals.{share}: {getattr(self, share)} is not between 0 and 1.")

    @property
    def width(self) -> float:
        return self.scale[1] - self.scale[0]


def answers_of(entry: Entry) -> Iterator[Answer]:
    """Each feedback of an entry with the completions it names.

    Raises InputError where the entry does not hold one of them.
    """
    texts = {completion.id: completion for completion in entry.completions}
    for record in entry.feedback:
        missing = [name for name in record.completion_ids if name not in texts]
        if missing:
            raise InputError(f"feedback {record.id!r}: completion {missing[0]!r} is not in its entry. Put it there.")
        yield Answer(entry.prompt, tuple(texts[name] for name in record.completion_ids), record)


def is_opinion(answer: Answer) -> bool:
    """Whether it is what a person thinks of the texts: no judge's answer, none that is known to be right (gold), and no
    reviewer's decision on what others had said."""
    said = answer.feedback
    return said.author.kind == "human" and said.metadata.get("gold") is not True and not said.metadata.get(DECIDES)


def rescale(rating: float, scale: Sequence[float], to: Sequence[float]) -> float:
    """A rating mapped linearly from its own scale to another: the worst to the worst, the best to the best."""
    share = (rating - scale[0]) / (scale[1] - scale[0])
    return to[0] + share * (to[1] - to[0])


def newest(answers: Iterable[tuple[Item, Answer]]) -> list[tuple[Item, Answer]]:
    """The (item, answer) pairs with one answer a person and item: the latest by time, then by order.

    Anonymous answers all stay: nothing says that two of them are one person's. An explicit time beats none.
    """
    latest: dict[Hashable, int] = {}
    kept: list[tuple[Item, Answer] | None] = []
    for item, answer in answers:
        author = answer.feedback.author
        if author.id:
            key = (item, author.kind, author.id)
            before = latest.get(key)
            if before is not None:
                earlier = kept[before]
                if earlier is not None and _when(earlier[1]) > _when(answer):
                    continue
                kept[before] = None
            latest[key] = len(kept)
        kept.append((item, answer))
    return [pair for pair in kept if pair is not None]


def _when(answer: Answer) -> datetime:
    time = answer.feedback.time
    return datetime.fromisoformat(time).astimezone(UTC) if time else datetime.min.replace(tzinfo=UTC)
