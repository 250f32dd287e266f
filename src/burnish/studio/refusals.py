"""What somebody is told whose request was refused: a page for people, JSON for programs, and never how it came to be.

JSON is always `{"error": {"field": ..., "message": ...}}`. Whoever is not signed in is shown the sign-in page at the
address they asked for, with status 401.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from burnish.errors import BusyError, DamagedFileError, InputError, UnreachableError
from burnish.studio.context import studio_of
from burnish.studio.wording import say, sentences

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Have the app answer its refusals so."""
    for kind in (HTTPException, RequestValidationError, InputError):
        app.add_exception_handler(kind, answer_to)


def answer_to(request: Request, error: Exception) -> Response:
    """Return the answer to a request that ended in an error; one that we do not know is our own and tells nothing."""
    if isinstance(error, HTTPException):
        return _http(request, error)
    if isinstance(error, RequestValidationError):
        return _not_valid(request, error)
    if isinstance(error, InputError):
        return _input(request, error)
    return refuse(request, 500)


def mistake(request: Request, error: InputError) -> str:
    """Return what somebody did wrong, for the page that they did it on.

    Raises the error when it is the store's trouble: that is nobody's mistake, and names its place.
    """
    if _is_trouble(request, error):
        raise error
    return studio_of(request).pages.translated(request, str(error))


def refuse(
    request: Request, status: int, message: str = "", *, field: str = "", headers: dict[str, str] | None = None
) -> Response:
    """Return the answer to a request that is refused; without a message, the usual sentence of the status."""
    pages = studio_of(request).pages
    usual = f"refused.s{status}"
    usual = usual if usual in sentences() else "refused.other"
    message = pages.translated(request, message) if message else say(usual, pages.language(request))
    headers = dict(headers or {})
    if not wants_page(request):
        if status == 401 and request.headers.get("hx-request"):
            headers["HX-Refresh"] = "true"  # the whole page is asked for again, and answered by the sign-in page
        return JSONResponse({"error": {"field": field, "message": message}}, status, headers)
    if status == 401:
        back = request.scope["path"] if request.method == "GET" else "/"
        page: Response = pages.render(request, "people/sign_in.html.jinja", status=401, message=message, back=back)
    else:
        page = pages.render(request, "error.html.jinja", status=status, message=message)
    page.headers.update(headers)
    return page


def wants_page(request: Request) -> bool:
    """Return whether a person's browser is asking, for a whole page."""
    by_page = "text/html" in request.headers.get("accept", "") and not request.headers.get("hx-request")
    return by_page and not str(request.scope["path"]).startswith("/api/")


def _http(request: Request, error: HTTPException) -> Response:
    if error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=error.headers)
    said = "" if error.detail == HTTPException(error.status_code).detail else str(error.detail)
    return refuse(request, error.status_code, said, headers=dict(error.headers or {}))


def _not_valid(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return refuse(request, 422, f"{field}: {first['msg']}." if field else f"{first['msg']}.", field=field)


def _input(request: Request, error: InputError) -> Response:
    if _is_trouble(request, error):
        log.error("%s", error)  # the store's trouble, which names its place: for whoever runs it
        return refuse(request, 503, headers={"Retry-After": "5"})
    field = str(error).partition(":")[0]
    return refuse(request, 422, str(error), field=field if field.replace("_", "").isalnum() else "")


def _is_trouble(request: Request, error: InputError) -> bool:
    trouble = isinstance(error, (BusyError, DamagedFileError, UnreachableError))
    return trouble or str(error).startswith(studio_of(request).store.url)
