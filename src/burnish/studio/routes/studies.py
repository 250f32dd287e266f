"""The owner's pages of studies: the list, one study, its items and export, and how many answers it needs."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse

from burnish.errors import InputError
from burnish.maths.sample_size import Spreads
from burnish.store import read_objects
from burnish.store.studies import StudyRow
from burnish.studio import examples, exports, planner, publishing, sources
from burnish.studio.answers import moment
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.drawing import drawer_of
from burnish.studio.mistakes import StudyError
from burnish.studio.routes.results import background_of, counts
from burnish.studio.session import Owner
from burnish.studio.study import Question
from burnish.studio.uploads import NDJSON, pieces

router = APIRouter(prefix="/studies", include_in_schema=False)

_CHUNK = 1 << 20
_QUICKLY_READ = 500  # answers that a page may read while somebody waits for it


@router.get("")
def listing(request: Request, who: Owner) -> Response:
    """All studies, and the examples that are not among them."""
    studio = studio_of(request)
    rows = studio.store.studies.listing()
    there = {row.name for row in rows}
    known = [(row, study_of(studio, row)) for row in rows]
    spare = [(name, examples.load(name)) for name in examples.EXAMPLES if name not in there]
    return studio.pages.render(request, "studies/list.html.jinja", known=known, spare=spare)


@router.post("/example")
def open_example(request: Request, who: Owner, name: Annotated[str, Form(max_length=60)]) -> Response:
    """Put an example into the store, with its items, and open it."""
    studio = studio_of(request)
    if name not in examples.EXAMPLES:
        raise HTTPException(404)
    examples.install(studio.store, name, now_ms=now_ms(), by=who.name)
    studio.store.audit.record(now_ms(), who.number, "open example", f"study:{name}")
    return RedirectResponse(f"/studies/{name}", 303)


@router.get("/{study}")
def study(request: Request, who: Owner, study: str, saved: Annotated[int, Query(ge=0)] = 0) -> Response:
    """One study: how far it is, its items, its versions, its answers to take out."""
    return page(request, study, saved=saved)


@router.get("/{study}/state")
@router.get("/{study}/items")
@router.get("/{study}/fill")
def after_a_button(who: Owner, study: str) -> Response:
    """The study's page: the address that its buttons leave behind, loaded anew or come back to."""
    return RedirectResponse(f"/studies/{study}", 303)


@router.post("/{study}/state")
def set_state(request: Request, who: Owner, study: str, state: Annotated[str, Form(max_length=10)]) -> Response:
    """Open, pause or close it."""
    studio = studio_of(request)
    _need(studio, study)
    try:
        publishing.set_state(studio, who, study, state)
    except StudyError as error:
        problem = studio.pages.say(request, f"mistake.{error.rule}", **error.values)
        return page(request, study, status=422, problem=problem)
    return RedirectResponse(f"/studies/{study}", 303)


@router.post("/{study}/items")
def add_items(request: Request, who: Owner, study: str, file: Annotated[UploadFile, File()]) -> Response:
    """Bring items out of a file."""
    studio = studio_of(request)
    text = study_of(studio, _need(studio, study))
    with tempfile.TemporaryDirectory(prefix="burnish-upload-") as folder:
        path = Path(folder) / "upload.jsonl"
        with path.open("wb") as out:
            while piece := file.file.read(_CHUNK):
                out.write(piece)
        made = sources.add(studio.store, text, sources.from_lines(read_objects(path), text))
        made.problems = [each.replace(f"{path}:", f"{file.filename}:") for each in made.problems]  # as they call it
    studio.store.audit.record(now_ms(), who.number, "bring items", f"study:{study}", added=made.added)
    return page(request, study, imported=made)


@router.post("/{study}/fill")
def fill(request: Request, who: Owner, study: str) -> Response:
    """Bring the items of the study's own source."""
    studio = studio_of(request)
    text = study_of(studio, _need(studio, study))
    try:
        made = sources.add(studio.store, text, sources.drawn_from(studio.store, text))
    except InputError as error:
        return page(request, study, status=422, problem=str(error))
    studio.store.audit.record(now_ms(), who.number, "bring items", f"study:{study}", added=made.added)
    return page(request, study, imported=made)


@router.get("/{study}/export.jsonl")
def export(request: Request, who: Owner, study: str) -> StreamingResponse:
    """The answers, one JSON object a line."""
    return _download(request, study, "jsonl", NDJSON)


@router.get("/{study}/export.csv")
def export_table(request: Request, who: Owner, study: str) -> StreamingResponse:
    """The answers as a table."""
    return _download(request, study, "csv", "text/csv; charset=utf-8")


@router.get("/{study}/plan")
def plan(
    request: Request,
    who: Owner,
    study: str,
    question: Annotated[str, Query(max_length=40)] = "",
    half_width: Annotated[float | None, Query(gt=0, le=1e6)] = None,
    people: Annotated[int, Query(ge=1, le=100_000)] = 5,
) -> Response:
    """How many items and how many answers each, for a wanted precision."""
    studio = studio_of(request)
    text = study_of(studio, _need(studio, study))
    measured = [each for each in text.questions if each.kind not in ("comment", "correction", "suggestion", "span")]
    if not measured:
        raise HTTPException(404)
    asked = next((each for each in measured if each.name == question), measured[0])
    wanted = half_width or _usual_width(asked)
    seen, is_read = _measured(studio, study, asked)
    found, problem = [], ""
    try:
        found = planner.options(wanted, people, seen or planner.usual(asked))
    except InputError as error:
        problem = str(error)
    return studio.pages.render(
        request,
        "studies/plan.html.jinja",
        study=text,
        questions=measured,
        asked=asked,
        half_width=wanted,
        people=people,
        plans=found,
        problem=problem,
        rests_on="seen" if seen else "usual" if is_read else "reading",
    )


# ---------------------------------------------------------------------------------------------------------- inner parts


def page(request: Request, name: str, *, status: int = 200, **more: Any) -> Response:
    """Return a study's page, with what has just become of it."""
    studio = studio_of(request)
    row = _need(studio, name)
    text = study_of(studio, row)
    versions = [
        (number, moment(at)[:16].replace("T", " "), by) for number, at, by in studio.store.studies.versions(name)
    ]
    values = {"saved": 0, "imported": None, "problem": "", **more}
    return studio.pages.render(
        request,
        "studies/study.html.jinja",
        status=status,
        row=row,
        study=text,
        progress=studio.store.studies.progress(name),
        remarks=publishing.remarks(studio, text),
        versions=versions[::-1],
        db=studio.store.url,
        drawing=drawer_of(studio).state(name),
        **values,
    )


def _need(studio: Studio, name: str) -> StudyRow:
    try:
        return publishing.need(studio, name)
    except publishing.MissingStudyError:
        raise HTTPException(404) from None


def _download(request: Request, name: str, ending: str, kind: str) -> StreamingResponse:
    studio = studio_of(request)
    _need(studio, name)
    lines = exports.jsonl(studio.store, name) if ending == "jsonl" else exports.table(studio.store, name)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    return StreamingResponse(pieces(lines), media_type=kind, headers=headers)


def _measured(studio: Studio, study: str, asked: Question) -> tuple[Spreads | None, bool]:
    """Return the spreads that the study's answers show, and whether these were read: many are, while nobody waits."""
    act = partial(planner.measured, studio.store, study, asked)
    if counts(studio).get(study, (0, 0, ""))[0] <= _QUICKLY_READ:
        return act(), True
    found = background_of(studio).latest(f"spreads {study} {asked.name}", studio.store.revision(), act)
    return (found.value, True) if found else (None, False)


def _usual_width(question: Question) -> float:
    """A twentieth of the scale: about what tells two models apart that people would call different."""
    return 0.05 * (question.scale[1] - question.scale[0]) if question.kind == "rating" else 0.05
