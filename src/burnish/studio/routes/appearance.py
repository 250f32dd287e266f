"""Language and colours: remembered with the account, and in a cookie for the pages before signing in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from burnish.studio.context import studio_of
from burnish.studio.pages import THEMES
from burnish.studio.routes.sign_in import local
from burnish.studio.session import Person
from burnish.studio.wording import LANGUAGES

router = APIRouter()

_YEAR_SECONDS = 365 * 24 * 3600


@router.post("/appearance")
def choose(
    request: Request, language: Annotated[str, Form()], theme: Annotated[str, Form()], back: Annotated[str, Form()]
) -> Response:
    """Remember the choice and go back to the page it was made on."""
    if language not in LANGUAGES or theme not in THEMES:
        raise HTTPException(422)
    studio = studio_of(request)
    who: Person | None = request.state.who
    if who is not None:
        studio.store.accounts.set_look(who.number, language=language, theme=theme)
    answer = RedirectResponse(local(back), 303)
    for name, value in (("burnish_language", language), ("burnish_theme", theme)):
        answer.set_cookie(
            name, value, max_age=_YEAR_SECONDS, httponly=True, secure=studio.settings.secure_cookies, samesite="lax"
        )
    return answer
