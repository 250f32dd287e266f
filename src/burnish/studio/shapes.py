"""What travels over the API: the shapes of its JSON, from which its documentation is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from burnish.plain import to_plain
from burnish.store import Receipt
from burnish.store.studies import ItemRow, StudyRow
from burnish.studio.assign import Task, TrainingResult, Work
from burnish.studio.sources import Imported
from burnish.studio.study import Study


class Shape(BaseModel):
    """Base of all: the docstring under a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Fault(Shape):
    """What was wrong."""

    field: str
    """The field or question it is about; empty where it is about the whole."""
    message: str


class Refusal(Shape):
    """The body of every answer that is not a success."""

    error: Fault


Responses: TypeAlias = dict[int | str, dict[str, Any]]
"""What an operation answers, by status, as FastAPI takes it."""

REFUSALS: Mapping[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "no token, or one that is wrong, expired or revoked"},
    403: {"model": Refusal, "description": "the role does not allow it, or a browser sent no mark of its form"},
    404: {"model": Refusal, "description": "there is none, or it is not yours"},
    409: {"model": Refusal, "description": "another answer stands, or the key came with another answer"},
    410: {"model": Refusal, "description": "the time of the assignment ran out"},
    413: {"model": Refusal, "description": "the body is too long"},
    422: {"model": Refusal, "description": "a field or an answer is wrong"},
    429: {"model": Refusal, "description": "too fast; `Retry-After` says how long to wait"},
    503: {"model": Refusal, "description": "another process keeps the store busy; send it again"},
}


class Given(Shape):
    """Base of what is sent: a field nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# -------------------------------------------------------------------------------------------------------------- studies


class StudyText(Given):
    """A study, as TOML or as the same in JSON: one of the two."""

    toml: Annotated[str, Field(max_length=200_000)] = ""
    study: dict[str, Any] | None = None


class NewState(Given):
    """What to do with a study."""

    state: Literal["open", "paused", "closed"]


class StudyInfo(Shape):
    """A study and how far it is."""

    name: str
    title: str
    state: str
    version: int
    items: int
    training: int
    answers: int

    @classmethod
    def of(cls, row: StudyRow, study: Study) -> StudyInfo:
        counts = {name: getattr(row, name) for name in ("version", "items", "training", "answers")}
        return cls(name=row.name, title=study.title, state=row.state, **counts)


class RemarkInfo(Shape):
    """Something about the wording to look at again."""

    rule: str
    question: str
    message: str


class StudyWhole(StudyInfo):
    """A study with its text, what its wording may do wrong, and how far it is."""

    toml: str
    remarks: list[RemarkInfo]
    progress: dict[str, int]


class Saved(Shape):
    """A study's version was stored, or stood already."""

    name: str
    version: int
    remarks: list[RemarkInfo]


class ItemInfo(Shape):
    """An item; `number` is what `after` takes to go on behind it."""

    number: int
    id: str
    role: str
    prompt_id: str
    completion_ids: list[str]
    places: int
    taken: int
    answered: int
    skipped: int
    flagged: int

    @classmethod
    def of(cls, row: ItemRow) -> ItemInfo:
        names = ("id", "role", "prompt_id", "places", "taken", "answered", "skipped", "flagged")
        values = {name: getattr(row, name) for name in names}
        return cls(number=row.seq, completion_ids=list(row.completion_ids), **values)


class ImportInfo(Shape):
    """What became of an import."""

    added: int
    known: int
    refused: int
    problems: list[str]

    @classmethod
    def of(cls, made: Imported) -> ImportInfo:
        return cls(added=made.added, known=made.known, refused=made.refused, problems=made.problems)


class Plan(Shape):
    """A number of items and of answers to each, and what they give."""

    items: int
    answers_each: int
    answers: int
    half_width: float
    item_error: float


# ----------------------------------------------------------------------------------------------------------------- work


class WorkInfo(Shape):
    """One study as the asking person sees it."""

    name: str
    title: str
    state: str
    done: int
    total: int
    trained: int
    training: int
    is_qualified: bool
    consent_needed: bool

    @classmethod
    def of(cls, work: Work) -> WorkInfo:
        names = ("state", "done", "total", "trained", "training", "is_qualified", "consent_needed")
        values = {name: getattr(work, name) for name in names}
        return cls(name=work.study_id, title=work.study.title, **values)


class MessageInfo(Shape):
    """One turn of a conversation."""

    role: str
    content: str


class TaskInfo(Shape):
    """One item in front of one person; completions stand in the order in which they are to be shown.

    The item's own id is not told: it is a hash of the texts, their models and whether the answer is known already.
    """

    assignment: str
    study: str
    version: int
    is_training: bool
    prompt: list[MessageInfo]
    completions: list[str]
    models: list[str | None]
    """Empty where the study is blind."""
    questions: list[dict[str, Any]]
    draft: dict[str, Any]
    done: int
    total: int
    given_ms: int
    due_ms: int
    hint: dict[str, Any] | None

    @classmethod
    def of(cls, task: Task) -> TaskInfo:
        return cls(
            assignment=task.assignment,
            study=task.study_id,
            version=task.version,
            is_training=task.is_training,
            prompt=[MessageInfo(role=each.role, content=each.content) for each in task.prompt.messages],
            completions=[each.text for each in task.completions],
            models=[] if task.study.blind else [each.model for each in task.completions],
            questions=[to_plain(question) for question in task.study.questions],
            draft=dict(task.draft),
            done=task.done,
            total=task.total,
            given_ms=task.given_ms,
            due_ms=task.due_ms,
            hint=None if task.hint is None else dict(task.hint),
        )


class Answer(Given):
    """An answer to all questions of an item. Sent again with its key, it is stored once."""

    key: Annotated[str, Field(min_length=8, max_length=100)]
    """Random, new for each answer."""
    seconds: Annotated[float, Field(ge=0)] | None = None
    """How long the person looked."""
    answers: dict[str, Any]
    """By question: the fields of its kind, or a list of them, one for each completion shown."""


class Draft(Given):
    """What was entered so far."""

    answers: dict[str, Any]


class Skipped(Given):
    """Why an item was not answered."""

    reason: Annotated[str, Field(max_length=200)]
    note: Annotated[str, Field(max_length=2_000)] = ""


class Flagged(Given):
    """What is odd about an item."""

    note: Annotated[str, Field(max_length=2_000)] = ""


class ReceiptInfo(Shape):
    """What became of one feedback record."""

    feedback_id: str
    status: str
    message: str

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptInfo:
        return cls(feedback_id=receipt.feedback_id, status=receipt.status, message=receipt.message)


class TrainingInfo(Shape):
    """How a training answer compares with the expected one."""

    right: bool
    reason: str
    expected: dict[str, Any]
    trained: int
    training: int
    right_so_far: int
    is_qualified: bool

    @classmethod
    def of(cls, result: TrainingResult) -> TrainingInfo:
        names = ("right", "reason", "trained", "training", "right_so_far", "is_qualified")
        values = {name: getattr(result, name) for name in names}
        return cls(expected=dict(result.expected), **values)


class Answered(Shape):
    """An answer is stored, durably; of training, how it compares."""

    receipts: list[ReceiptInfo]
    training: TrainingInfo | None = None


class Done(Shape):
    """It is done."""

    done: bool = True


# ----------------------------------------------------------------------------------------------------------------- data


class FeedbackImport(Shape):
    """What became of a file of feedback."""

    stored: int
    known: int
    replaced: int
    refused: int
    lines: int
    problems: list[str]


class NewWebhook(Given):
    """Where to tell of what happens."""

    url: Annotated[str, Field(max_length=2_000)]
    events: Annotated[list[Literal["answer", "skip", "flag", "state", "complete"]], Field(min_length=1, max_length=5)]
    study: Annotated[str, Field(max_length=60)] = ""
    """Empty: every study."""


class WebhookInfo(Shape):
    """A webhook; its secret is told once, when it is made."""

    id: str
    url: str
    events: list[str]
    study: str
    secret: str = ""
    waiting: int = 0
    last: str = ""
    """What became of the last delivery."""


class Me(Shape):
    """Whose token this is."""

    name: str
    role: str
