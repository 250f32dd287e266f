"""The playground: talk with a model, or with two blind side by side, and say what was good or bad about it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from burnish.errors import BusyError, InputError
from burnish.loop.answer import Answering, Answers
from burnish.loop.speakers import Speaker, speaker, speakers
from burnish.records import Sampling
from burnish.studio.context import Studio, studio_of
from burnish.studio.session import Annotator
from burnish.studio.talk import LONGEST, Talk, Talks, UndecidedError, ask, give, reveal, so_far
from burnish.studio.wording import say

router = APIRouter()


class Beginning(BaseModel):
    """What a conversation is begun with."""

    models: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(min_length=1, max_length=2)]
    """One model's name, or two to put side by side."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128


class Saying(BaseModel):
    """One message of the person."""

    text: Annotated[str, Field(max_length=LONGEST)]


class Lines(StreamingResponse):
    """Lines of JSON that end with their reader: when they leave, the generator is closed at once, and the model with
    it is free, not when memory is next tidied."""

    def __init__(self, lines: Generator[str]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(lines, media_type="application/x-ndjson", headers=headers)
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._lines.close()


class Opinion(BaseModel):
    """What the person says of a turn: fields of a feedback row, indices in the order shown."""

    turn: Annotated[int, Field(ge=0)]
    kind: Literal["thumb", "correction", "comment", "comparison"]
    side: Annotated[int | None, Field(ge=0, le=1)] = None
    """Which answer; none for a comparison."""
    fields: dict[str, Any]


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


@router.post("/play/talks")
def begin(request: Request, who: Annotator, wanted: Beginning) -> dict[str, Any]:
    """Begin a conversation; returns its id and how many answer."""
    studio = studio_of(request)
    known = offered(studio)
    chosen = [speaker(name, known) for name in wanted.models]
    sampling = Sampling(temperature=wanted.temperature, max_new_tokens=wanted.max_new_tokens)
    talk = talks_of(studio).begin(who.name, chosen, sampling)
    return {"talk": talk.id, "sides": len(chosen)}


@router.get("/play/talks/{talk_id}")
def resume(request: Request, who: Annotator, talk_id: str) -> dict[str, Any]:
    """A conversation so far, for a page that was loaded again."""
    talk = _talk(request, who.name, talk_id)
    return {"sides": len(talk.speakers), "turns": so_far(talk), "names": reveal(talk) if talk.revealed else None}


@router.post("/play/talks/{talk_id}/say")
def say_something(request: Request, who: Annotator, talk_id: str, said: Saying) -> StreamingResponse:
    """Say something; the answers come as they are made, one JSON object a line (`application/x-ndjson`)."""
    studio = studio_of(request)
    talk = _talk(request, who.name, talk_id)
    try:
        events = ask(talk, answers_of(studio), said.text)
    except UndecidedError:
        raise HTTPException(422, _in_words(request, "choose_first")) from None
    return Lines(_lines(request, events))


@router.post("/play/talks/{talk_id}/feedback")
def feedback(request: Request, who: Annotator, talk_id: str, opinion: Opinion) -> dict[str, str]:
    """Store what the person says of a turn; said again, it supersedes what they said before."""
    talk = _talk(request, who.name, talk_id)
    receipt = give(talk, studio_of(request).store, opinion.turn, opinion.kind, opinion.fields, opinion.side)
    return {"feedback": receipt.feedback_id, "status": receipt.status}


@router.post("/play/talks/{talk_id}/names")
def names(request: Request, who: Annotator, talk_id: str) -> dict[str, list[list[str]]]:
    """Tell who said what, in the order shown; what is said from now on is no longer said blind."""
    return {"names": reveal(_talk(request, who.name, talk_id))}


def _talk(request: Request, owner: str, talk_id: str) -> Talk:
    talk = talks_of(studio_of(request)).of(owner, talk_id)
    if talk is None:
        raise HTTPException(404, _in_words(request, "gone"))
    return talk


def _in_words(request: Request, name: str) -> str:
    return say(f"play.{name}", studio_of(request).pages.language(request))


def _lines(request: Request, events: Generator[dict[str, Any]]) -> Generator[str]:
    """Yield the events as lines; what goes wrong on the way is an event too, because the status was sent long ago."""
    try:
        with closing(events):
            for event in events:
                yield json.dumps(event, ensure_ascii=False) + "\n"
    except BusyError:
        yield json.dumps({"error": _in_words(request, "busy")}, ensure_ascii=False) + "\n"
    except InputError as error:
        yield json.dumps({"error": str(error)}, ensure_ascii=False) + "\n"
