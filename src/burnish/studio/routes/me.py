"""One's own page: what one said and agreed to, how one agrees with others, password, tokens, and leaving for good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from burnish.errors import InputError
from burnish.feedback import kinds
from burnish.feedback.person import Person as Figures
from burnish.plain import to_plain
from burnish.records import Feedback
from burnish.store.accounts import ROLES
from burnish.studio import passwords
from burnish.studio.attempts import tried
from burnish.studio.background import Background
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.departure import depart, erase_answer
from burnish.studio.findings import everybody_in
from burnish.studio.refusals import mistake
from burnish.studio.session import Annotator, Person, give_session, take_session

router = APIRouter(prefix="/me")

Text = Annotated[str, Form(max_length=200)]
ANSWERS_A_PAGE = 50
LONGEST_TOKEN_DAYS = 365
_DAY_MS = 24 * 3_600_000
_SECRET = ("role", "item")  # an item's id is a hash that covers its role


@router.get("")
def me(request: Request, who: Annotator) -> Response:
    """The page."""
    return _page(request, who)


@router.post("/password")
def change_password(request: Request, who: Annotator, now: Text = "", new: Text = "", again: Text = "") -> Response:
    """Set a new password; every session ends, and this browser is given a new one."""
    studio = studio_of(request)
    try:
        was = _need_password(request, studio, who, now)
        if new != again:
            raise InputError(studio.pages.say(request, "invite.differ"))
        stored = passwords.hashed(passwords.checked_password(new, who.name))
        studio.store.accounts.set_password(who.number, stored, now_ms=now_ms(), actor=who.number, was=was)
        key = studio.store.sessions.start(who.number, now_ms=now_ms(), password=stored)
    except InputError as error:
        return _page(request, who, status=422, message=mistake(request, error))
    answer = RedirectResponse("/me", 303)
    give_session(answer, studio.settings, key)
    return answer


# ------------------------------------------------------------------------------------------------------------- tokens


@router.post("/tokens")
def make_token(
    request: Request, who: Annotator, label: Text, role: Text, days: Annotated[int, Form(ge=1, le=LONGEST_TOKEN_DAYS)]
) -> Response:
    """Make a token; this answer is the only place where it is ever shown."""
    studio = studio_of(request)
    account = studio.store.accounts.by_number(who.number)
    if account is None:
        raise HTTPException(404)
    try:
        key = studio.store.sessions.make_token(account, label, role, now_ms=now_ms(), lasts_ms=days * _DAY_MS)
    except InputError as error:
        return _page(request, who, status=422, message=mistake(request, error))
    return _page(request, who, token=key)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(request: Request, who: Annotator, token_id: str) -> Response:
    """Take a token back."""
    if not studio_of(request).store.sessions.revoke(who.number, token_id, now_ms=now_ms()):
        raise HTTPException(404)
    return RedirectResponse("/me", 303)


# ------------------------------------------------------------------------------------------------------------ history


@router.get("/history")
def history(request: Request, who: Annotator, before: int | None = None, kind: str = "") -> Response:
    """What one said, newest first; of one kind when asked for."""
    studio = studio_of(request)
    found = studio.store.history(who.name, before=before, most=ANSWERS_A_PAGE, kind=kind or None)
    return studio.pages.render(
        request,
        "people/history.html.jinja",
        rows=[_row(studio, record) for _, record in found],
        kinds=kinds.names(),
        kind=kind,
        earlier=found[-1][0] if len(found) == ANSWERS_A_PAGE else None,
    )


@router.post("/history/erase")
def erase_one(request: Request, who: Annotator, id: Text) -> Response:
    """Erase one record of one's own, with its earlier versions; a foreign one looks like none."""
    studio = studio_of(request)
    record = studio.store.feedback(id)
    if record is None or (record.author.id, record.author.kind) != (who.name, "human"):
        raise HTTPException(404)
    erasure = erase_answer(studio, id, actor=who.number)
    return studio.pages.render(request, "people/deleted.html.jinja", erasure=erasure)


@router.get("/answers.jsonl")
def own_answers(request: Request, who: Annotator) -> Response:
    """Everything one said, one record a line, to take along."""
    store = studio_of(request).store

    def lines() -> Iterator[str]:
        before: int | None = None
        while found := store.history(who.name, before=before, most=500):
            yield "".join(json.dumps(to_plain(_own(record)), ensure_ascii=False) + "\n" for _, record in found)
            before = found[-1][0]

    headers = {"Content-Disposition": 'attachment; filename="answers.jsonl"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


# ------------------------------------------------------------------------------------------------------------ leaving


@router.get("/delete")
def deletion_page(request: Request, who: Annotator) -> Response:
    """What leaving means, before it is done."""
    return studio_of(request).pages.render(request, "people/leave.html.jinja", message="")


@router.post("/delete")
def delete(request: Request, who: Annotator, password: Text = "") -> Response:
    """Delete one's account and erase all that one said; shows which snapshots and models that touches."""
    studio = studio_of(request)
    try:
        _need_password(request, studio, who, password)
        erasure = depart(studio, who.number, who.name, actor=who.number)
    except InputError as error:
        return studio.pages.render(request, "people/leave.html.jinja", status=422, message=mistake(request, error))
    request.state.who = None
    answer = studio.pages.render(request, "people/deleted.html.jinja", erasure=erasure)
    take_session(answer, studio.settings)
    return answer


def _need_password(request: Request, studio: Studio, who: Person, password: str) -> str:
    """Return the hash of their password. Raises `InputError` for another password: a browser left open is not enough
    for what cannot be undone."""
    with tried(request, who.name) as attempt:
        stored = studio.store.accounts.password_of(who.number)
        attempt.right = passwords.matches(password, stored)
    if not attempt.right:
        raise InputError(studio.pages.say(request, "me.wrong_password"))
    return stored


def _page(request: Request, who: Person, *, status: int = 200, message: str = "", token: str = "") -> Response:
    studio = studio_of(request)
    return studio.pages.render(
        request,
        "people/me.html.jinja",
        status=status,
        message=message,
        token=token,
        tokens=studio.store.sessions.tokens(who.number),
        consents=studio.store.accounts.consents(who.number),
        roles=ROLES[: ROLES.index(who.role) + 1],
        figures=_figures(studio, who.name),
        answers=studio.store.authors(only=who.name).get(who.name, 0),
        shortest=passwords.SHORTEST,
        longest=passwords.LONGEST,
        now_ms=now_ms(),
    )


def _figures(studio: Studio, name: str) -> Figures | None:
    """Return how somebody's answers compare with the others', as computed last; None while there is nothing yet."""
    background: Background = studio.services.setdefault("background", Background())
    latest = background.latest("people", studio.store.revision(), lambda: everybody_in(studio.store))
    everybody = latest.value.people if latest and latest.value else ()
    return next((each for each in everybody if (each.author.id, each.author.kind) == (name, "human")), None)


def _own(record: Feedback) -> Feedback:
    """Return a record without what tells which items have a known answer: others are still to be asked them."""
    return replace(record, metadata={name: each for name, each in record.metadata.items() if name not in _SECRET})


def _row(studio: Studio, record: Feedback) -> dict[str, str]:
    """Return a record as a line of the list."""
    prompt = studio.store.prompt(record.prompt_id)
    asked = prompt.messages[-1].content if prompt and prompt.messages else ""
    known = record.kind in kinds.names()
    return {
        "id": record.id,
        "kind": record.kind,
        "time": record.time,
        "study": str(record.metadata.get("study", "")),
        "question": str(record.metadata.get("question", "")),
        "asked": asked[:200],
        "said": kinds.load(record.kind).summary(record.value) if known else "",
        "comment": record.comment,
    }
