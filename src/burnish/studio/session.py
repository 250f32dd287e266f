"""Who is asking: the person behind a session's cookie or a token, and what their role lets them do.

A route says what it needs by its parameter: `who: Annotator`, `who: Reviewer` or `who: Owner`. `Gate` (security.py) has
looked at the request before and left the person at `request.state.who`; nobody gets here without one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

from burnish.store.accounts import ROLES, Account, Role, digest
from burnish.studio.settings import StudioSettings


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever sent this request."""

    name: str
    """Author of their feedback."""
    role: Role
    language: str
    theme: str
    csrf: str
    """What their forms must send along; empty for a program with a token, which has no cookie that could be abused."""
    number: int = 0
    """Their account, as the audit log names it."""
    session: str = field(default="", repr=False)
    """Key of the browser's session; empty for a program."""


def person_of(account: Account, session: str = "") -> Person:
    """Return an account's person, as a browser with this session's key or as a program."""
    csrf = csrf_of(session) if session else ""
    return Person(account.name, account.role, account.language, account.theme, csrf, account.number, session)


def csrf_of(key: str) -> str:
    """Return the mark that forms of a session, or of a visitor's cookie, must carry: nobody else can compute it."""
    return digest(f"csrf:{key}")


def require(role: Role) -> Callable[[Request], Person]:
    """Return the dependency that hands a route its person: 401 without one, 403 for a role below `role`."""

    def person(request: Request) -> Person:
        who: Person | None = getattr(request.state, "who", None)
        if who is None:
            raise HTTPException(401)
        if ROLES.index(who.role) < ROLES.index(role):
            raise HTTPException(403)
        return who

    person.__dict__["role"] = role  # read by the test that asks every route as every role
    return person


Annotator = Annotated[Person, Depends(require("annotator"))]
Reviewer = Annotated[Person, Depends(require("reviewer"))]
Owner = Annotated[Person, Depends(require("owner"))]


# ------------------------------------------------------------------------------------------------------------- cookies


def session_cookie(settings: StudioSettings) -> str:
    """Return the cookie's name. With HTTPS a browser then takes it from this very host only, and only for all of it."""
    return "__Host-burnish_session" if settings.secure_cookies else "burnish_session"


def visit_cookie(settings: StudioSettings) -> str:
    """Return the name of the cookie that ties a visitor's forms to their browser before they have signed in."""
    return "__Host-burnish_visit" if settings.secure_cookies else "burnish_visit"


def give_session(response: Response, settings: StudioSettings, key: str) -> None:
    """Let the browser keep a session until it is closed; the server ends it earlier when it is not used."""
    response.set_cookie(
        session_cookie(settings), key, httponly=True, secure=settings.secure_cookies, samesite="lax", path="/"
    )
    _forget(response, settings, visit_cookie(settings))


def take_session(response: Response, settings: StudioSettings) -> None:
    """Have the browser forget its session."""
    _forget(response, settings, session_cookie(settings))


def _forget(response: Response, settings: StudioSettings, name: str) -> None:
    response.delete_cookie(name, httponly=True, secure=settings.secure_cookies, samesite="lax", path="/")
