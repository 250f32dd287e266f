"""The API of the work: what the work screens do, as JSON. Completions are numbered in the order shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from burnish.studio import assign
from burnish.studio.context import now_ms, studio_of
from burnish.studio.routes.refused import told
from burnish.studio.session import Annotator
from burnish.studio.shapes import (
    REFUSALS,
    Answer,
    Answered,
    Done,
    Draft,
    Flagged,
    Me,
    ReceiptInfo,
    Skipped,
    TaskInfo,
    TrainingInfo,
    WorkInfo,
)

router = APIRouter(prefix="/api", tags=["work"], responses=dict(REFUSALS))

StudyName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
AssignmentName = Annotated[str, Path(pattern=r"^a_[0-9a-f]{20}$")]


@router.get("/me")
def me(who: Annotator) -> Me:
    """Whose token this is."""
    return Me(name=who.name, role=who.role)


@router.get("/work")
def works(request: Request, who: Annotator) -> list[WorkInfo]:
    """The studies one may work in, and how far one is in each."""
    return [WorkInfo.of(each) for each in assign.works(studio_of(request), who)]


@router.get("/work/{study}")
def work(request: Request, who: Annotator, study: StudyName) -> WorkInfo:
    """How far one is in a study."""
    with told():
        return WorkInfo.of(assign.work_in(studio_of(request), who, study))


@router.post("/work/{study}/consent", status_code=200)
def consent(request: Request, who: Annotator, study: StudyName) -> Done:
    """Agree to the conditions of a study as they stand now."""
    studio = studio_of(request)
    with told():
        text = assign.work_in(studio, who, study).study.consent
        if text:
            studio.store.accounts.consent(who.number, study, text, now_ms=now_ms())
    return Done()


@router.post("/work/{study}/next", responses={204: {"description": "there is nothing for this person now"}})
def next_task(request: Request, who: Annotator, study: StudyName) -> TaskInfo | None:
    """The task one holds, else a new one."""
    with told():
        task = assign.next_task(studio_of(request), who, study, now_ms())
    return _or_nothing(task)


@router.post("/work/{study}/undo", responses={204: {"description": "there is nothing to undo"}})
def undo(request: Request, who: Annotator, study: StudyName) -> TaskInfo | None:
    """The last task one answered or skipped, open again; its answer stands until a new one supersedes it."""
    with told():
        task = assign.undo(studio_of(request), who, study, now_ms())
    return _or_nothing(task)


@router.get("/assignments/{assignment}")
def open_task(request: Request, who: Annotator, assignment: AssignmentName) -> TaskInfo:
    """A task that one holds or held."""
    with told():
        return TaskInfo.of(assign.open_task(studio_of(request), who, assignment))


@router.post("/assignments/{assignment}/answer")
def answer(request: Request, who: Annotator, assignment: AssignmentName, sent: Answer) -> Answered:
    """Answer a task. Returns once the answer is durable; the same key with the same answer returns the same."""
    studio = studio_of(request)
    with told():
        receipts = assign.submit(studio, who, assignment, sent.model_dump(), now_ms())
        result = None if receipts else assign.training_result(studio, who, assignment)
    return Answered(
        receipts=[ReceiptInfo.of(each) for each in receipts],
        training=None if result is None else TrainingInfo.of(result),
    )


@router.put("/assignments/{assignment}/draft")
def draft(request: Request, who: Annotator, assignment: AssignmentName, sent: Draft) -> Done:
    """Keep what was entered so far, and the task for as long again."""
    with told():
        assign.save_draft(studio_of(request), who, assignment, sent.answers, now_ms())
    return Done()


@router.post("/assignments/{assignment}/skip")
def skip(request: Request, who: Annotator, assignment: AssignmentName, sent: Skipped) -> Done:
    """Give a task back unanswered, with one of the reasons that the study offers."""
    with told():
        assign.skip(studio_of(request), who, assignment, sent.reason, sent.note, now_ms())
    return Done()


@router.post("/assignments/{assignment}/flag")
def flag(request: Request, who: Annotator, assignment: AssignmentName, sent: Flagged) -> Done:
    """Point an item out to the study's owner; the task stays with one."""
    with told():
        assign.flag(studio_of(request), who, assignment, sent.note, now_ms())
    return Done()


def _or_nothing(task: assign.Task | None) -> TaskInfo | None:
    # a Response goes out as it is, past the type, which is what the description of the API shows
    return Response(status_code=204) if task is None else TaskInfo.of(task)  # type: ignore[return-value]
