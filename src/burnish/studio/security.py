"""The gate before every route: nothing is reached without passing it, and what it does not know it refuses.

In this order: is the Host one of ours (a page elsewhere could point its own name at this address), who is asking, are
they asking too fast, may a stranger see this path, does a request that changes something come from our own pages (its
Origin, and a mark in the form that only they know), is its body of a bearable size. Every answer, refusals included,
leaves with the headers below. The decision reads the path that the router reads, never a URL put together from headers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burnish.errors import InputError
from burnish.store.accounts import new_key
from burnish.studio.attempts import address_of
from burnish.studio.context import Studio, now_ms
from burnish.studio.limits import Body, Buckets
from burnish.studio.refusals import answer_to
from burnish.studio.session import Person, csrf_of, person_of, session_cookie, visit_cookie
from burnish.studio.settings import StudioSettings

PUBLIC = frozenset({"/health", "/ready", "/sign-in", "/appearance"})
"""What a stranger may ask for; `/appearance` sets two cookies of their own and nothing else."""
PUBLIC_FOLDERS = ("/static/", "/invite/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make browsers hide the Origin of our own forms too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.ASCII)
_FIRST_PART = re.compile(rb'--[^\r\n]+\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n([0-9a-f]{64})\r\n')
_FORM = "application/x-www-form-urlencoded"
_FIRST_PART_BYTES = 1024


class Gate:
    """The middleware; the only one."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self._app = app
        self._studio = studio
        self._settings = studio.settings
        self._buckets = Buckets(studio.settings.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what may pass, answer what may not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})  # there are none here

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = _Answer(send, scope, self._settings)
        try:
            inside = await self._pass(request, answer, receive)
            await self._app(scope, inside, answer.send)
        except Exception as error:
            if not answer.started:
                await answer_to(request, error)(scope, receive, answer.send)
            if not isinstance(error, (HTTPException, InputError)):
                raise  # for the server's log; nothing of it goes to the browser

    async def _pass(self, request: Request, answer: _Answer, receive: Receive) -> Receive:
        """Return what the route reads its body from. Raises HTTPException for a request that may not pass."""
        scope = request.scope
        host = _host(request.headers, self._settings)
        if scope["path"].startswith("/static/"):
            return receive
        who = await run_in_threadpool(self._person, request)
        scope.setdefault("state", {})["who"] = who
        if who is None:
            scope["state"]["csrf"] = answer.visitor(request)
        wait = self._buckets.wait_seconds(f"account {who.number}" if who else f"address {address_of(request)}")
        if wait:
            raise HTTPException(429, headers={"Retry-After": str(wait)})
        if who is None and not is_public(scope["path"]):
            raise HTTPException(401)
        body = Body(receive, *self._bounds(request, who), self._recheck(request, who))
        if request.method not in SAFE_METHODS and not (who and not who.session):
            await self._refuse_foreign(request, host, who, body)
        return body.receive

    # --------------------------------------------------------------------------------------------------------- who

    def _person(self, request: Request) -> Person | None:
        """Return whose session or token came along. A token opens the API only, and there it alone counts."""
        bearer = request.headers.getlist("authorization")
        if bearer and request.scope["path"].startswith("/api/"):
            scheme, _, key = bearer[0].partition(" ")
            if len(bearer) > 1 or scheme.lower() != "bearer":
                return None
            account = self._studio.store.sessions.token_account(key.strip(), now_ms=now_ms())
            return person_of(account) if account else None
        key = _cookie(request, session_cookie(self._settings))
        if not key:
            return None
        idle_ms = int(self._settings.session_hours * 3_600_000)
        account = self._studio.store.sessions.account(key, now_ms=now_ms(), idle_ms=idle_ms)
        return person_of(account, key) if account else None

    def _recheck(self, request: Request, who: Person | None) -> Callable[[], Awaitable[None]]:
        """Return what refuses a body of somebody who lost their session, token or role while it was on its way."""

        async def recheck() -> None:
            now = await run_in_threadpool(self._person, request) if who else None
            if who and (now is None or (now.number, now.role) != (who.number, who.role)):
                raise HTTPException(401)

        return recheck

    # -------------------------------------------------------------------------------------------------------- body

    def _bounds(self, request: Request, who: Person | None) -> tuple[int, float]:
        """Return how many bytes a body may have, and how many seconds it may take."""
        kind = _content_type(request)
        is_import = kind in ("multipart/form-data", "application/x-ndjson") and who is not None and who.role == "owner"
        limit = self._settings.import_limit if is_import else self._settings.body_limit
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > limit:
            raise HTTPException(413 if announced.isdecimal() else 400)
        return limit, self._settings.body_seconds * (10 if is_import else 1)

    async def _refuse_foreign(self, request: Request, host: str, who: Person | None, body: Body) -> None:
        """Raise 403 for a request that was not sent by a page of ours, to this very visitor."""
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise HTTPException(403)
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403)
        expected = who.csrf if who else request.scope["state"]["csrf"]
        given = request.headers.get("x-csrf") or await self._field(request, body)
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise HTTPException(403, self._studio.pages.say(request, "error.expired"))

    async def _field(self, request: Request, body: Body) -> str:
        """Return the form's `csrf`; a form with files must send it first, so that no file is read for nothing."""
        kind = _content_type(request)
        if kind == "multipart/form-data":
            found = _FIRST_PART.match(await body.peek(_FIRST_PART_BYTES))
            return found.group(1).decode() if found else ""
        if kind == _FORM:
            raw = await body.peek(self._settings.body_limit)
            try:
                return parse_qs(raw.decode("latin-1"), max_num_fields=1000).get("csrf", [""])[0]
            except ValueError:
                raise HTTPException(400) from None
        return ""


class _Answer:
    """The way out: adds the headers, and for a visitor the cookie that their forms are tied to."""

    def __init__(self, send: Send, scope: Scope, settings: StudioSettings) -> None:
        self._send = send
        self._is_static = scope["path"].startswith("/static/")
        self._settings = settings
        self._visit = ""
        self.started = False

    def visitor(self, request: Request) -> str:
        """Return the mark for a visitor's forms, giving them a cookie if they have none."""
        key = _cookie(request, visit_cookie(self._settings))
        if not key:
            key = self._visit = new_key()
        return csrf_of(key)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)  # a route may say more: a run's report is shown as a stranger's page
            headers.setdefault("Cache-Control", "no-cache" if self._is_static else "no-store")
            secure = "; Secure" if self._settings.secure_cookies else ""
            if secure:
                headers["Strict-Transport-Security"] = "max-age=31536000"
            if self._visit and headers.get("content-type", "").startswith("text/html"):
                name = visit_cookie(self._settings)
                headers.append("Set-Cookie", f"{name}={self._visit}; HttpOnly; Path=/; SameSite=lax{secure}")
        await self._send(message)


def is_public(path: str) -> bool:
    """Return whether a stranger may ask for a path; all that is not listed is not."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def _host(headers: Headers, settings: StudioSettings) -> str:
    """Return the Host header, port included. Raises 400 when it is missing, doubled, odd or not a name of ours."""
    given = headers.getlist("host")
    found = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    if found is None or found.group(1) not in settings.hosts:
        raise HTTPException(400)
    return found.group(0)


def _cookie(request: Request, name: str) -> str:
    """Return a cookie's value; empty when it came twice with different ones, as when another host planted its own."""
    parts = (part.strip().partition("=") for header in request.headers.getlist("cookie") for part in header.split(";"))
    values = {value for found, _, value in parts if found == name}
    return values.pop() if len(values) == 1 else ""


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
