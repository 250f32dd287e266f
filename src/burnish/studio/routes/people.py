"""The owner's pages of people: who may do what, links for new ones, and the log of who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.errors import DamagedFileError, InputError
from burnish.store.accounts import LONGEST_NAME, ROLES, Account
from burnish.store.audit import Anchor, Event
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.departure import depart
from burnish.studio.refusals import mistake
from burnish.studio.session import Owner
from burnish.studio.wording import sentences

router = APIRouter(prefix="/people")

Text = Annotated[str, Form(max_length=200)]
EVENTS_A_PAGE = 100


@router.get("")
def people(request: Request, who: Owner) -> Response:
    """Everybody with an account, and the forms that change what they may do."""
    return _page(request)


@router.post("/invite")
def invite(request: Request, who: Owner, role: Text, name: Text = "") -> Response:
    """Make a link for a new person. With a name, the account is made now, and the link chooses its password."""
    studio = studio_of(request)
    lasts_ms = int(studio.settings.invite_hours * 3_600_000)
    try:
        given = studio.store.accounts.add(name, role, now_ms=now_ms(), actor=who.number) if name.strip() else None
        key = studio.store.accounts.invite(
            role, now_ms=now_ms(), lasts_ms=lasts_ms, account=given.number if given else None, actor=who.number
        )
    except InputError as error:
        return _page(request, status=422, message=mistake(request, error))
    return _page(request, link=_link(request, studio, key))


@router.post("/{name}/link")
def password_link(request: Request, who: Owner, name: str) -> Response:
    """Make a link with which a person chooses a new password."""
    studio = studio_of(request)
    account = _account(studio, name)
    lasts_ms = int(studio.settings.invite_hours * 3_600_000)
    key = studio.store.accounts.invite(
        account.role, now_ms=now_ms(), lasts_ms=lasts_ms, account=account.number, actor=who.number
    )
    return _page(request, link=_link(request, studio, key))


@router.post("/{name}/role")
def change_role(request: Request, who: Owner, name: str, role: Text) -> Response:
    """Give a person another role; they sign in anew."""
    studio = studio_of(request)
    try:
        studio.store.accounts.set_role(_account(studio, name).number, role, now_ms=now_ms(), actor=who.number)
    except InputError as error:
        return _page(request, status=422, message=mistake(request, error))
    return RedirectResponse("/people", 303)


@router.post("/{name}/closed")
def close_or_reopen(request: Request, who: Owner, name: str, closed: Annotated[bool, Form()]) -> Response:
    """Close an account, or open it again; its answers stay."""
    studio = studio_of(request)
    try:
        studio.store.accounts.set_closed(_account(studio, name).number, closed, now_ms=now_ms(), actor=who.number)
    except InputError as error:
        return _page(request, status=422, message=mistake(request, error))
    return RedirectResponse("/people", 303)


@router.get("/{name}/delete")
def deletion_page(request: Request, who: Owner, name: str) -> Response:
    """What deleting a person means, before it is done."""
    account = _account(studio_of(request), name)
    return studio_of(request).pages.render(request, "people/delete.html.jinja", account=account, message="")


@router.post("/{name}/delete")
def delete(request: Request, who: Owner, name: str, confirm: Text = "") -> Response:
    """Delete a person with all they said, once their name was typed."""
    studio = studio_of(request)
    account = _account(studio, name)
    try:
        if confirm.strip().lower() != account.name:
            raise InputError(studio.pages.say(request, "people.confirm_differs"))
        erasure = depart(studio, account.number, account.name, actor=who.number)
    except InputError as error:
        values = {"account": account, "message": mistake(request, error)}
        return studio.pages.render(request, "people/delete.html.jinja", status=422, **values)
    return studio.pages.render(request, "people/deleted.html.jinja", erasure=erasure)


@router.get("/log")
def log(
    request: Request, who: Owner, before: int | None = None, check: bool = False, seq: int = 0, hash: str = ""
) -> Response:
    """Who did what, newest first; with `check`, whether the chain is whole and holds a row that was noted down."""
    studio = studio_of(request)
    verdict, whole = "", True
    if check:
        try:
            end = studio.store.audit.verify(Anchor(seq, hash.strip()) if seq else None)
            verdict = studio.pages.say(request, "log.whole", rows=end.seq)
        except DamagedFileError as error:
            verdict, whole = str(error), False
    events = studio.store.audit.latest(EVENTS_A_PAGE, before=before)
    names = {account.number: account.name for account in studio.store.accounts.listing()}
    return studio.pages.render(
        request,
        "people/log.html.jinja",
        rows=[_told(request, studio, event, names) for event in events],
        head=studio.store.audit.head(),
        earlier=events[-1].seq if len(events) == EVENTS_A_PAGE else None,
        verdict=verdict,
        whole=whole,
    )


def _page(request: Request, *, status: int = 200, message: str = "", link: str = "") -> Response:
    studio = studio_of(request)
    return studio.pages.render(
        request,
        "people/people.html.jinja",
        status=status,
        accounts=studio.store.accounts.listing(),
        answers=studio.store.authors(),
        roles=ROLES,
        longest_name=LONGEST_NAME,
        hours=f"{studio.settings.invite_hours:g}",
        message=message,
        link=link,
    )


def _account(studio: Studio, name: str) -> Account:
    account = studio.store.accounts.by_name(name)
    if account is None:
        raise HTTPException(404)
    return account


def _link(request: Request, studio: Studio, key: str) -> str:
    """Return the link as the owner's own browser reaches the studio; the gate has looked at that Host."""
    scheme = "https" if studio.settings.secure_cookies else "http"
    return f"{scheme}://{request.headers['host']}/invite/{key}"


def _told(request: Request, studio: Studio, event: Event, names: dict[int, str]) -> dict[str, str | int]:
    """Return a row of the log in words, with the names of those who are still here."""
    say = studio.pages.say
    key = f"log.{event.action.replace(' ', '_')}"
    kind, _, of = event.subject.partition(":")
    subject = event.subject
    if kind == "account":
        subject = names.get(int(of), say(request, "log.gone"))
    actor = say(request, "log.nobody") if event.actor is None else names.get(event.actor, say(request, "log.gone"))
    action = say(request, key) if key in sentences() else event.action
    details = ", ".join(f"{name}: {value}" for name, value in event.details.items())
    return {
        "seq": event.seq,
        "time_ms": event.time_ms,
        "actor": actor,
        "action": action,
        "subject": subject,
        "details": details,
    }
