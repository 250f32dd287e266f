"""The playground's page, and what it talks with: which models are offered, one room of models, the conversations."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from burnish.loop.answer import Answering, Answers
from burnish.loop.speakers import Speaker, speakers
from burnish.studio.context import Studio, studio_of
from burnish.studio.session import Annotator
from burnish.studio.talk import LONGEST, MOST_OWN, Talks

router = APIRouter(include_in_schema=False)


def offered(studio: Studio) -> list[Speaker]:
    """Return the models that may be talked with here, as things stand now."""
    return speakers(studio.settings.models, studio.store.checkpoints(), studio.settings.runs)


def answers_of(studio: Studio) -> Answering:
    """Return the one room full of models of this process."""
    if "answer" not in studio.services:
        made = Answers(weights=studio.settings.weights, device=studio.settings.device)
        studio.services.setdefault("answer", made)  # of two threads that come at once, the first one's counts
    found: Answering = studio.services["answer"]
    return found


def talks_of(studio: Studio) -> Talks:
    """Return the conversations, of which this process knows where a model speaks."""
    found: Talks = studio.services.setdefault("talks", Talks(studio.store))
    return found


@router.get("/play", response_class=HTMLResponse)
def page(request: Request, who: Annotator) -> HTMLResponse:
    """The page: which models there are, one's own conversations, and an empty one."""
    studio = studio_of(request)
    values: dict[str, Any] = {"known": offered(studio), "past": studio.store.talks.listing(who.name)}
    return studio.pages.render(
        request,
        "play/play.html.jinja",
        longest=LONGEST,
        most=MOST_OWN,
        now=request.query_params.get("talk", ""),
        **values,
    )


@router.post("/play/{talk_id}/delete")
def delete(request: Request, who: Annotator, talk_id: str) -> Response:
    """Delete a conversation of one's own; what one said of it as feedback stays, and is erased on one's own page."""
    if not studio_of(request).store.talks.delete(who.name, talk_id):
        raise HTTPException(404)
    return RedirectResponse("/play", 303)
