"""The API of the playground: talk with a model, or with two blind side by side, and say what was good or bad about it.

The page uses it itself. Answers come as they are made; opinions land in the store as ordinary feedback.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

from burnish.errors import BusyError, InputError
from burnish.loop.speakers import speaker
from burnish.records import Sampling
from burnish.studio.context import studio_of
from burnish.studio.routes.play import answers_of, offered, talks_of
from burnish.studio.session import Annotator
from burnish.studio.shapes import REFUSALS, Given, ReceiptInfo, Shape
from burnish.studio.talk import LONGEST, Talk, Talks, UndecidedError, ask, give, so_far
from burnish.studio.wording import say

router = APIRouter(prefix="/api", tags=["playground"], responses=dict(REFUSALS))


class ModelInfo(Shape):
    """A model that may be talked with."""

    name: str
    label: str
    """The run it comes of and its step; empty for an untouched model."""
    model: str
    """The untouched model."""


class Beginning(Given):
    """What a conversation is begun with."""

    models: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(min_length=1, max_length=2)]
    """One model's name, or two to put side by side."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_new_tokens: Annotated[int, Field(ge=1, le=512)] = 128


class Saying(Given):
    """One message of the person."""

    text: Annotated[str, Field(max_length=LONGEST)]


class Begun(Shape):
    """A new conversation."""

    talk: str
    """Its id."""
    sides: int
    """How many answer."""


class TalkRowInfo(Shape):
    """A conversation in one's own list."""

    talk: str
    title: str
    """How it began."""
    turns: int
    changed_ms: int


class TurnInfo(Shape):
    """What was asked and answered."""

    asked: str
    answers: list[dict[str, Any]]
    """In the order shown: text, whether it was cut off, whether it is empty."""
    differ: bool
    preferred: int | None
    """Which answer was preferred; nothing where that was not said."""
    stored: list[int]
    """Answers of which something is stored."""


class TalkInfo(Shape):
    """A conversation so far."""

    sides: int
    turns: list[TurnInfo]
    names: list[list[str]] | None
    """Who said what, in the order shown; nothing while the conversation is blind."""


class Names(Shape):
    """Who said what, for every turn in the order shown."""

    names: list[list[str]]


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


class Opinion(Given):
    """What the person says of a turn: fields of a feedback row, indices in the order shown."""

    turn: Annotated[int, Field(ge=0)]
    kind: Literal["thumb", "correction", "comment", "comparison"]
    side: Annotated[int | None, Field(ge=0, le=1)] = None
    """Which answer; none for a comparison."""
    fields: dict[str, Any]


@router.get("/talks/models")
def who_may_speak(request: Request, who: Annotator) -> list[ModelInfo]:
    """The models that may be talked with: those the studio was started with, and what runs have made."""
    return [ModelInfo(name=each.name, label=each.label, model=each.model) for each in offered(studio_of(request))]


@router.get("/talks")
def past(request: Request, who: Annotator) -> list[TalkRowInfo]:
    """One's own conversations, the newest first; of more than fifty the oldest are forgotten."""
    found = studio_of(request).store.talks.listing(who.name)
    return [TalkRowInfo(talk=each.id, title=each.title, turns=each.turns, changed_ms=each.changed_ms) for each in found]


@router.post("/talks")
def begin(request: Request, who: Annotator, wanted: Beginning) -> Begun:
    """Begin a conversation; returns its id and how many answer."""
    studio = studio_of(request)
    known = offered(studio)
    chosen = [speaker(name, known).name for name in wanted.models]
    sampling = Sampling(temperature=wanted.temperature, max_new_tokens=wanted.max_new_tokens)
    talk = talks_of(studio).begin(who.name, chosen, sampling)
    return Begun(talk=talk.id, sides=len(chosen))


@router.get("/talks/{talk_id}")
def resume(request: Request, who: Annotator, talk_id: str) -> TalkInfo:
    """A conversation so far, for a page that was loaded again."""
    talks, talk = _talk(request, who.name, talk_id)
    turns = [TurnInfo(**turn) for turn in so_far(talk)]
    return TalkInfo(sides=len(talk.names), turns=turns, names=talks.reveal(talk) if talk.revealed else None)


@router.delete("/talks/{talk_id}", status_code=204)
def forget(request: Request, who: Annotator, talk_id: str) -> None:
    """Delete a conversation; what was said of it as feedback stays."""
    if not studio_of(request).store.talks.delete(who.name, talk_id):
        raise HTTPException(404, _in_words(request, "gone"))


@router.post("/talks/{talk_id}/say", response_class=StreamingResponse)
def say_something(request: Request, who: Annotator, talk_id: str, said: Saying) -> StreamingResponse:
    """Say something; the answers come as they are made, one JSON object a line (`application/x-ndjson`)."""
    studio = studio_of(request)
    talks, talk = _talk(request, who.name, talk_id)
    known = offered(studio)
    try:
        events = ask(talks, talk, [speaker(name, known) for name in talk.names], answers_of(studio), said.text)
    except UndecidedError:
        raise HTTPException(422, _in_words(request, "choose_first")) from None
    return Lines(_lines(request, events))


@router.post("/talks/{talk_id}/feedback")
def feedback(request: Request, who: Annotator, talk_id: str, opinion: Opinion) -> ReceiptInfo:
    """Store what the person says of a turn; said again, it supersedes what they said before."""
    talks, talk = _talk(request, who.name, talk_id)
    receipt = give(talks, talk, opinion.turn, opinion.kind, opinion.fields, opinion.side)
    return ReceiptInfo.of(receipt)


@router.post("/talks/{talk_id}/names")
def names(request: Request, who: Annotator, talk_id: str) -> Names:
    """Tell who said what, in the order shown; what is said from now on is no longer said blind."""
    talks, talk = _talk(request, who.name, talk_id)
    return Names(names=talks.reveal(talk))


def _talk(request: Request, owner: str, talk_id: str) -> tuple[Talks, Talk]:
    talks = talks_of(studio_of(request))
    talk = talks.of(owner, talk_id)
    if talk is None:
        raise HTTPException(404, _in_words(request, "gone"))
    return talks, talk


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
        message = studio_of(request).pages.translated(request, str(error))
        yield json.dumps({"error": message}, ensure_ascii=False) + "\n"
