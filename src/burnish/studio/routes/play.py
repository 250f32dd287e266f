"""The playground's page, and what it talks with: which models are offered, one room of models, the conversations."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from burnish.loop.answer import Answering, Answers
from burnish.loop.speakers import Speaker, speakers
from burnish.studio.context import Studio, studio_of
from burnish.studio.session import Annotator
from burnish.studio.talk import LONGEST, Talks

router = APIRouter(include_in_schema=False)


def offered(studio: Studio) -> list[Speaker]:
    """Return the models that may be talked with here, as things stand now."""
    return speakers(studio.settings.models, studio.store.checkpoints(), studio.settings.runs)


def answers_of(studio: Studio) -> Answering:
    """Return the one room full of models of this process."""
    if "answer" not in studio.services:
        studio.services.setdefault("answer", Answers())  # of two threads that come at once, the first one's counts
    found: Answering = studio.services["answer"]
    return found


def talks_of(studio: Studio) -> Talks:
    """Return this process's conversations."""
    found: Talks = studio.services.setdefault("talks", Talks())
    return found


@router.get("/play", response_class=HTMLResponse)
def page(request: Request, who: Annotator) -> HTMLResponse:
    """The page: which models there are, and an empty conversation."""
    studio = studio_of(request)
    return studio.pages.render(request, "play/play.html.jinja", known=offered(studio), longest=LONGEST)
