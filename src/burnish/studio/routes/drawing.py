"""The drawing of a study's items from a model: begun, watched and cancelled, by the owner's page and by the API."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.errors import InputError
from burnish.loop.speakers import speaker
from burnish.studio import publishing
from burnish.studio.assign import study_of
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.drawing import drawer_of
from burnish.studio.routes.api_work import StudyName
from burnish.studio.routes.play import answers_of, offered
from burnish.studio.routes.studies import page as study_page
from burnish.studio.session import Owner, Person, Reviewer
from burnish.studio.shapes import REFUSALS, Shape

router = APIRouter()


class DrawingInfo(Shape):
    """How far the drawing of a study's items from a model is."""

    state: Literal["none", "waiting", "drawing", "stopping", "interrupted", "done", "cancelled", "failed"]
    """`interrupted`: the server ended meanwhile; begin it again, and it goes on."""
    tried: int
    """Prompts worked through."""
    total: int
    """Prompts there are; 0 until they were read."""
    items: int
    """Items that came of them."""
    seconds_left: float | None
    behind: str
    """The study that is drawn first, for one that waits."""
    problem: str


@router.post("/studies/{study}/drawing", include_in_schema=False)
def begin_page(request: Request, who: Owner, study: str) -> Response:
    """Begin, or go on."""
    studio = studio_of(request)
    try:
        begin(studio, who, study)
    except InputError as error:
        return study_page(request, study, status=422, problem=str(error))
    return RedirectResponse(f"/studies/{study}#drawing", 303)


@router.post("/studies/{study}/drawing/cancel", include_in_schema=False)
def cancel_page(request: Request, who: Owner, study: str) -> Response:
    """Stop it; what was drawn stays."""
    cancel(studio_of(request), who, study)
    return RedirectResponse(f"/studies/{study}#drawing", 303)


@router.get("/studies/{study}/drawing", include_in_schema=False)
def watch_page(request: Request, who: Owner, study: str) -> Response:
    """How far it is: the part of the study's page that follows by itself, or that page."""
    if request.headers.get("hx-request") != "true":
        return RedirectResponse(f"/studies/{study}#drawing", 303)
    return _part(request, study)


@router.post("/api/studies/{study}/drawing", tags=["studies"], status_code=202, responses=dict(REFUSALS))
def begin_program(request: Request, who: Owner, study: StudyName) -> DrawingInfo:
    """Begin to draw the items of a study from its models, or go on where it stopped; returns at once."""
    studio = studio_of(request)
    begin(studio, who, study)
    return _info(studio, study)


@router.get("/api/studies/{study}/drawing", tags=["studies"], responses=dict(REFUSALS))
def watch_program(request: Request, who: Reviewer, study: StudyName) -> DrawingInfo:
    """How far the drawing of a study's items is."""
    studio = studio_of(request)
    _need(studio, study)
    return _info(studio, study)


@router.delete("/api/studies/{study}/drawing", tags=["studies"], responses=dict(REFUSALS))
def cancel_program(request: Request, who: Owner, study: StudyName) -> DrawingInfo:
    """Stop drawing; what was drawn stays, and it may be gone on with."""
    studio = studio_of(request)
    cancel(studio, who, study)
    return _info(studio, study)


def begin(studio: Studio, who: Person, name: str) -> None:
    """Have a study's items drawn. Raises InputError for a model that nobody offers and a study that cannot be drawn."""
    _need(studio, name)
    text = study_of(studio, publishing.need(studio, name))
    known = offered(studio)
    speakers = [speaker(each, known) for each in text.source.models]
    drawer_of(studio).begin(text, answers_of(studio), speakers)
    studio.store.audit.record(now_ms(), who.number, "draw items", f"study:{name}")


def cancel(studio: Studio, who: Person, name: str) -> None:
    """Stop the drawing of a study's items."""
    _need(studio, name)
    drawer_of(studio).cancel(name)
    studio.store.audit.record(now_ms(), who.number, "stop drawing", f"study:{name}")


def _need(studio: Studio, name: str) -> None:
    if studio.store.studies.get(name) is None:
        raise HTTPException(404)


def _info(studio: Studio, name: str) -> DrawingInfo:
    found = drawer_of(studio).state(name)
    return DrawingInfo(**{each: getattr(found, each) for each in DrawingInfo.model_fields})


def _part(request: Request, name: str) -> Response:
    studio = studio_of(request)
    row = studio.store.studies.get(name)
    if row is None:
        raise HTTPException(404)
    values: dict[str, Any] = {"row": row, "study": study_of(studio, row), "drawing": drawer_of(studio).state(name)}
    return studio.pages.render(request, "studies/drawing.html.jinja", is_part=True, **values)
