"""In and out: signing in, the link that makes an account or a new password, signing out."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from burnish.errors import InputError
from burnish.store.accounts import LONGEST_NAME, Account, NameTakenError, PasswordChangedError, plain_name
from burnish.studio import passwords
from burnish.studio.attempts import tried
from burnish.studio.context import Studio, now_ms, studio_of
from burnish.studio.publishing import is_named
from burnish.studio.refusals import mistake
from burnish.studio.session import Annotator, Person, give_session, take_session

router = APIRouter()

Text = Annotated[str, Form(max_length=200)]


@router.get("/sign-in")
def sign_in_page(request: Request, back: str = "/") -> Response:
    """The form; whoever is signed in already goes on."""
    if request.state.who is not None:
        return RedirectResponse(local(back), 303)
    return _form(request, studio_of(request), back=local(back))


@router.post("/sign-in")
def sign_in(request: Request, name: Text = "", password: Text = "", back: Text = "/") -> Response:
    """Open a session under a key that is new each time; whatever key the browser brought ends."""
    studio = studio_of(request)
    with tried(request, name) as attempt:
        account, stored = _signed_in(studio, name, password)
        attempt.right = account is not None
    with contextlib.suppress(PasswordChangedError):
        if account is not None:
            return _welcome(request, studio, account, stored, local(back))
    message = studio.pages.say(request, "sign_in.wrong")
    return _form(request, studio, status=401, message=message, back=local(back), name=name)


@router.post("/sign-out")
def sign_out(request: Request, who: Annotator) -> Response:
    """End the session."""
    studio = studio_of(request)
    studio.store.sessions.end(who.session, now_ms=now_ms())
    answer = RedirectResponse("/sign-in", 303)
    take_session(answer, studio.settings)
    return answer


@router.get("/invite/{key}")
def invite_page(request: Request, key: str) -> Response:
    """The form for a new account, or for a new password; the same page for every link that does not work."""
    return _invite(request, key)


@router.post("/invite/{key}")
def accept_invite(request: Request, key: str, name: Text = "", password: Text = "", again: Text = "") -> Response:
    """Make the account, or set the password, and sign in."""
    studio = studio_of(request)
    offer = studio.store.accounts.invited(key, now_ms=now_ms())
    if offer is None:
        return _invite(request, key)
    try:
        if password != again:
            raise InputError(studio.pages.say(request, "invite.differ"))
        checked = passwords.checked_password(password, offer.account.name if offer.account else name)
        if offer.account is None and is_named(studio, plain_name(name)):  # else whoever is invited could become them
            raise NameTakenError(f"name: {name!r} is taken. Choose another.")
        stored = passwords.hashed(checked)
        account = studio.store.accounts.accept(key, name, stored, now_ms=now_ms())
    except InputError as error:
        return _invite(request, key, status=422, message=mistake(request, error), name=name)
    return _welcome(request, studio, account, stored, "/") if account else _invite(request, key)


def local(path: str) -> str:
    """Return a path on this host to go back to; the start page for anything else, such as `//elsewhere`."""
    plain = path.isprintable() and "\\" not in path and path.startswith("/") and not path.startswith("//")
    return path if plain and path.partition("?")[0] not in ("/sign-in", "/sign-out") else "/"


def _signed_in(studio: Studio, name: str, password: str) -> tuple[Account | None, str]:
    """Return the account when the password is its own, with its hash; every refusal takes as long as any other."""
    account = studio.store.accounts.by_name(name)
    stored = studio.store.accounts.password_of(account.number) if account else ""
    right = passwords.matches(password, stored)
    if account is None or not right or account.closed_ms is not None:
        return None, ""
    if passwords.is_outdated(stored):
        was, stored = stored, passwords.hashed(password)
        studio.store.accounts.rehash(account.number, was, stored)
    return account, stored


def _welcome(request: Request, studio: Studio, account: Account, stored: str, path: str) -> Response:
    before: Person | None = request.state.who
    replaces = before.session if before else ""
    key = studio.store.sessions.start(account.number, now_ms=now_ms(), replaces=replaces, password=stored)
    answer = RedirectResponse(path, 303)
    give_session(answer, studio.settings, key)
    return answer


def _form(
    request: Request, studio: Studio, *, status: int = 200, message: str = "", back: str = "/", name: str = ""
) -> Response:
    if not studio.store.accounts.has_owner():
        message = message or studio.pages.say(request, "sign_in.no_owner")
    values = {"message": message, "back": back, "name": name}
    return studio.pages.render(request, "people/sign_in.html.jinja", status=status, **values)


def _invite(request: Request, key: str, *, status: int = 200, message: str = "", name: str = "") -> Response:
    studio = studio_of(request)
    offer = studio.store.accounts.invited(key, now_ms=now_ms())
    values = {
        "offer": offer,
        "message": message,
        "name": name,
        "shortest": passwords.SHORTEST,
        "longest": passwords.LONGEST,
        "longest_name": LONGEST_NAME,
    }
    return studio.pages.render(request, "people/invite.html.jinja", status=status if offer else 404, **values)
