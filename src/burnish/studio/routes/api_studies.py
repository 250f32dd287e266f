"""The API of studies: make, change, fill, open and export them, as the owner's pages do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from burnish.store import read_objects
from burnish.store.studies import StudyRow
from burnish.studio import exports, planner, publishing, sources
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.lint import lint
from burnish.studio.routes.api_work import StudyName
from burnish.studio.session import Owner, Reviewer
from burnish.studio.shapes import (
    REFUSALS,
    ImportInfo,
    ItemInfo,
    NewState,
    Plan,
    RemarkInfo,
    Responses,
    Saved,
    StudyInfo,
    StudyText,
    StudyWhole,
)
from burnish.studio.study import Study
from burnish.studio.study_file import from_plain, from_toml, to_toml
from burnish.studio.uploads import NDJSON, pieces, received
from burnish.studio.wording import say

router = APIRouter(prefix="/api/studies", tags=["studies"], responses=dict(REFUSALS))

_TEXT = {"schema": {"type": "string"}}
_LINES = {"requestBody": {"required": True, "content": {NDJSON: _TEXT}}}
_STREAM: Responses = {200: {"content": {NDJSON: _TEXT}, "description": "one JSON object a line"}}
_TABLE: Responses = {200: {"content": {"text/csv": _TEXT}, "description": "a table with a header"}}


@router.get("")
def studies(request: Request, who: Reviewer) -> list[StudyInfo]:
    """All studies, newest first."""
    studio = studio_of(request)
    return [StudyInfo.of(row, study_of(studio, row)) for row in studio.store.studies.listing()]


@router.post("", status_code=201)
def create(request: Request, who: Owner, sent: StudyText) -> Saved:
    """Make a new study; it begins as a draft, without items."""
    return _save(studio_of(request), request, who, _study(sent))


@router.get("/{study}")
def study(request: Request, who: Reviewer, study: StudyName) -> StudyWhole:
    """A study's text, what its wording may do wrong, and how far it is."""
    studio = studio_of(request)
    row = _need(studio, study)
    text = study_of(studio, row)
    info = StudyInfo.of(row, text).model_dump()
    progress = dict(studio.store.studies.progress(study))
    return StudyWhole(**info, toml=to_toml(text), remarks=_remarks(request, text), progress=progress)


@router.put("/{study}")
def change(request: Request, who: Owner, study: StudyName, sent: StudyText) -> Saved:
    """Make a new version of a study; answers keep the version they were given under."""
    studio = studio_of(request)
    _need(studio, study)
    return _save(studio, request, who, _study(sent), name=study)


@router.post("/{study}/state")
def set_state(request: Request, who: Owner, study: StudyName, sent: NewState) -> StudyInfo:
    """Open, pause or close a study."""
    studio = studio_of(request)
    _need(studio, study)
    publishing.set_state(studio, who, study, sent.state)
    row = _need(studio, study)
    return StudyInfo.of(row, study_of(studio, row))


@router.get("/{study}/items")
def items(
    request: Request,
    who: Reviewer,
    study: StudyName,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ItemInfo]:
    """Items in the order in which they came, with how often each was answered."""
    studio = studio_of(request)
    _need(studio, study)
    return [ItemInfo.of(row) for row in studio.store.studies.items(study, after=after, limit=limit)]


@router.post("/{study}/items", openapi_extra=_LINES)
async def add_items(request: Request, who: Owner, study: StudyName) -> ImportInfo:
    """Bring items: prompts with completions, one JSON object a line, in the shapes of feedback files."""
    studio = studio_of(request)
    async with received(request) as path:

        def act() -> ImportInfo:
            text = study_of(studio, _need(studio, study))
            lines = sources.from_lines(read_objects(path), text)
            made = sources.add(studio.store, text, lines)
            studio.store.audit.record(now_ms(), who.number, "bring items", f"study:{study}", added=made.added)
            return ImportInfo.of(made)

        return await run_in_threadpool(act)


@router.post("/{study}/fill")
def fill(request: Request, who: Owner, study: StudyName) -> ImportInfo:
    """Bring the items of the study's own source: its file, its task, or what was served. What a model must write first
    is drawn by `drawing`."""
    studio = studio_of(request)
    text = study_of(studio, _need(studio, study))
    made = sources.add(studio.store, text, sources.drawn_from(studio.store, text))
    studio.store.audit.record(now_ms(), who.number, "bring items", f"study:{study}", added=made.added)
    return ImportInfo.of(made)


@router.get("/{study}/export", response_class=StreamingResponse, responses=_STREAM)
def export(request: Request, who: Reviewer, study: StudyName) -> StreamingResponse:
    """The answers of a study, one JSON object a line, in the shapes in which feedback is imported."""
    studio = studio_of(request)
    _need(studio, study)
    return StreamingResponse(pieces(exports.jsonl(studio.store, study)), media_type=NDJSON)


@router.get("/{study}/export.csv", response_class=StreamingResponse, responses=_TABLE)
def export_table(request: Request, who: Reviewer, study: StudyName) -> StreamingResponse:
    """The answers of a study as a table."""
    studio = studio_of(request)
    _need(studio, study)
    return StreamingResponse(pieces(exports.table(studio.store, study)), media_type="text/csv; charset=utf-8")


@router.get("/{study}/plan")
def plan(
    request: Request,
    who: Reviewer,
    study: StudyName,
    question: Annotated[str, Query(max_length=40)],
    half_width: Annotated[float, Query(gt=0, le=1e6)],
    people: Annotated[int, Query(ge=1, le=100_000)],
) -> list[Plan]:
    """For 1, 2, ... answers to an item: how many items give the mean of a question to ± `half_width`."""
    studio = studio_of(request)
    text = study_of(studio, _need(studio, study))
    asked = next((each for each in text.questions if each.name == question), None)
    if asked is None:
        raise HTTPException(404)
    spreads = planner.measured(studio.store, study, asked) or planner.usual(asked)
    return [
        Plan(
            items=each.items,
            answers_each=each.answers_each,
            answers=each.answers,
            half_width=each.half_width,
            item_error=each.item_error,
        )
        for each in planner.options(half_width, people, spreads)
    ]


def _study(sent: StudyText) -> Study:
    if bool(sent.toml) == bool(sent.study):
        raise HTTPException(422, "Send one of toml and study.")
    return from_toml(sent.toml) if sent.toml else from_plain(sent.study or {})


def _save(studio: Studio, request: Request, who: Owner, text: Study, name: str = "") -> Saved:
    version = publishing.save(studio, who, text, name=name)
    return Saved(name=text.name, version=version, remarks=_remarks(request, text))


def _remarks(request: Request, text: Study) -> list[RemarkInfo]:
    language = studio_of(request).pages.language(request)
    return [
        RemarkInfo(rule=each.rule, question=each.question, message=say(f"lint.{each.rule}", language, **each.values))
        for each in lint(text)
    ]


def _need(studio: Studio, name: str) -> StudyRow:
    try:
        return publishing.need(studio, name)
    except publishing.MissingStudyError:
        raise HTTPException(404) from None
