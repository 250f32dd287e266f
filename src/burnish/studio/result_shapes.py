"""What travels over the API about what came out, and about people: see `burnish.studio.shapes`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from burnish.store.reported import Reported
from burnish.studio.answers import moment
from burnish.studio.shapes import Given, Shape


class Agreed(Shape):
    """How far people agree on a question: Krippendorff's alpha, or why it is undefined."""

    alpha: float | None
    ci95: tuple[float, float] | None
    same: float | None
    """Share of pairs of people who gave the same answer."""
    reason: str


class QuestionResult(Shape):
    """One question and its answers."""

    name: str
    kind: str
    aspect: str
    answers: int
    agreement: Agreed | None


class PersonResult(Shape):
    """One author."""

    name: str
    kind: str
    answers: int
    seconds: float | None
    """Median time of an answer."""
    with_others: float | None
    """Share of votes for what others say."""
    gold: float | None
    """Share of known answers that were given right."""


class Results(Shape):
    """What a study found, as of a moment: it is worked out in the background."""

    as_of: str
    """Empty while it is being worked out for the first time; ask again."""
    items: int = 0
    shared: int = 0
    """Items that several people answered."""
    disputed: tuple[float, float, float] | None = None
    """Share of these on which people differ, and its 95% interval."""
    undecided: int = 0
    questions: tuple[QuestionResult, ...] = ()
    people: tuple[PersonResult, ...] = ()
    topics: tuple[str, ...] = ()


class Disputed(Shape):
    """An item on which people differ."""

    prompt_id: str
    item_id: str
    run: str
    apart: float
    people: int
    decided: bool


class Decision(Given):
    """What a reviewer decides on one question of an item, with the reason."""

    prompt_id: Annotated[str, Field(max_length=100)]
    item_id: Annotated[str, Field(max_length=100)]
    question: Annotated[str, Field(max_length=100)]
    """Its name."""
    study: Annotated[str, Field(max_length=60)] = ""
    """The study that asked it; a decision on another's item is then refused."""
    completion_ids: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=20)] = ()
    """The texts it was asked about, where its name alone stands for several questions of the item."""
    value: dict[str, Any]
    """One of the answers that were given, completions numbered in the question's own order."""
    reason: Annotated[str, Field(max_length=10_000)] = ""


class LearnedInfo(Shape):
    """A checkpoint and the votes behind it."""

    checkpoint: str
    parent: str
    method: str
    snapshot: str
    feedback: int
    """Feedback records behind it."""
    by_study: dict[str, int]
    by_person: dict[str, int]
    verdict: dict[str, Any] | None
    """What the report of its run says: improved or not, and why."""


class AccountInfo(Shape):
    """A person with an account."""

    name: str
    role: str
    is_closed: bool


class NewInvite(Given):
    """Who is to be invited: a role, and a name where the account is to be made now."""

    role: Literal["annotator", "reviewer", "owner"]
    name: Annotated[str, Field(max_length=60)] = ""


class InviteInfo(Shape):
    """Where a link leads that works once; it is told here and nowhere else."""

    path: str
    """Below the address under which people reach the studio."""


class ReportInfo(Shape):
    """Somebody pointed an item out (`flag`) or skipped it (`skip`)."""

    study: str
    item: str
    prompt_id: str
    completion_ids: list[str]
    what: Literal["flag", "skip"]
    person: str
    reason: str
    note: str
    time: str

    @classmethod
    def of(cls, report: Reported) -> ReportInfo:
        names = ("study", "item", "prompt_id", "what", "person", "reason", "note")
        values = {name: getattr(report, name) for name in names}
        return cls(completion_ids=list(report.completion_ids), time=moment(report.time_ms), **values)
