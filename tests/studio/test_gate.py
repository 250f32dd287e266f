"""Nobody gets past the gate who may not: every route, every role, every trick we know."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message
from tests.studio.doors import UNSAFE, Door, as_browser, ask, doors, knock

from burnish.errors import BusyError, DamagedFileError, InputError
from burnish.store import Store
from burnish.store.accounts import ROLES
from burnish.studio import StudioSettings, create_app, limits
from burnish.studio.context import now_ms
from burnish.studio.security import HEADERS, is_public

ClientAs = Callable[..., TestClient]
PUBLIC = {"/health", "/ready", "/static/{file}", "/sign-in", "/appearance", "/invite/{key}"}
OTHER_HOSTS = (
    "evil.example",
    "testserver@evil.example",
    "testserver/..",
    "testserver?",
    "testserver#",
    "testserver:80:80",
    "testserver.",
    "testserver,evil.example",
    "test_server",
    "[::1",
    "127.0.0.1.evil.example",
)
DAY_MS = 24 * 3_600_000


def test_strangers_reach_the_public_list_and_nothing_else(app: FastAPI) -> None:
    found = dict(zip(doors(app), knock(app, [(door, {}) for door in doors(app)]), strict=True))
    assert {door.template for door, status in found.items() if status != 401} == PUBLIC
    assert {door.template for door in found if is_public(door.path)} == PUBLIC
    assert {door.template for door in found if door.role is None} == PUBLIC


def test_a_token_that_does_not_work_opens_nothing(app: FastAPI, store: Store) -> None:
    """Nor does one that works, but for the API."""
    keys = {name: a_token(store, name) for name in ("good", "expired", "revoked", "closed")}
    bearers = {name: [f"Bearer {key}"] for name, key in keys.items() if name != "good"}
    bearers["wrong"] = [f"Bearer {keys['good']}x"]
    bearers["basic"] = [f"Basic {keys['good']}"]
    bearers["twice"] = [f"Bearer {keys['good']}"] * 2
    closed = [door for door in doors(app) if door.role]
    api, pages = ([door for door in closed if door.path.startswith("/api/") is wanted] for wanted in (True, False))
    knocks = [(door, given) for given in bearers.values() for door in api]
    knocks += [(door, [f"Bearer {keys['good']}"]) for door in pages]
    found = knock(app, [(door, {"headers": [("Authorization", each) for each in given]}) for door, given in knocks])
    assert len(found) > 100
    assert set(found) == {401}


def a_token(store: Store, name: str) -> str:
    """Return an owner's token that is good, or is not for the reason named."""
    account = store.accounts.add(name, "owner", now_ms=now_ms())
    lasts_ms = 1 if name == "expired" else DAY_MS
    key = store.sessions.make_token(account, "x", "owner", now_ms=now_ms() - 5, lasts_ms=lasts_ms)
    if name == "revoked":
        store.sessions.revoke(account.number, store.sessions.tokens(account.number)[0].id, now_ms=now_ms())
    if name == "closed":
        store.accounts.set_closed(account.number, True, now_ms=now_ms())
    return key


def test_no_role_passes_where_a_higher_one_is_asked_for(app: FastAPI, client_as: ClientAs) -> None:
    asked = [
        (door, role)
        for door in doors(app)
        for role in ROLES
        if door.role and ROLES.index(role) < ROLES.index(door.role)
    ]
    sent = {role: as_browser(client_as(role, role=role)) for role in ROLES}
    found = knock(app, [(door, sent[role]) for door, role in asked])
    assert len(found) > 20
    assert [each for each in zip(asked, found, strict=True) if each[1] != 403] == []


def test_each_role_passes_where_it_may(app: FastAPI, client_as: ClientAs) -> None:
    sent = {role: as_browser(client_as(role, role=role)) for role in ROLES}
    asked = [door for door in doors(app) if door.role and door.method == "GET"]
    found = knock(app, [(door, sent[door.role or ""]) for door in asked])
    assert [each for each in zip(asked, found, strict=True) if each[1] in (401, 403, 500)] == []


# ---------------------------------------------------------------------------------------------------- forged requests


def test_a_request_that_changes_something_must_come_from_our_own_page(app: FastAPI, client_as: ClientAs) -> None:
    """Every such route, nine ways to forge: nothing passes."""
    honest, other = as_browser(client_as("olga", role="owner"))["headers"], client_as("otto", role="owner")
    cookie, mark = {"Cookie": honest["Cookie"]}, honest["X-CSRF"]
    forged: list[dict[str, Any]] = [
        {"headers": cookie},
        {"headers": {**cookie, "X-CSRF": ""}},
        {"headers": {**cookie, "X-CSRF": other.headers["X-CSRF"]}},
        {"headers": cookie, "data": {"csrf": mark[:-1] + ("0" if mark[-1] != "0" else "1")}},
        {"headers": {**honest, "Origin": "https://evil.example"}},
        {"headers": {**honest, "Origin": "null"}},
        {"headers": {**honest, "Origin": "http://["}},
        {"headers": {**honest, "Sec-Fetch-Site": "same-site"}},
        {"headers": {**cookie, "Content-Type": "text/plain"}, "content": f"csrf={mark}"},
    ]
    unsafe = [door for door in doors(app) if door.method in UNSAFE]
    knocks = [(door, each) for door in unsafe for each in forged]
    found = knock(app, knocks)
    assert len(found) > 100
    assert [each for each in zip(knocks, found, strict=True) if each[1] != 403] == []
    assert knock(app, [(Door("GET", "/me", "annotator"), {"headers": cookie})]) == [200]  # /sign-out was among them


@pytest.mark.parametrize("path", ["/sign-in", "/invite/7", "/appearance"])
def test_a_visitors_forms_are_tied_to_their_browser(app: FastAPI, path: str) -> None:
    visitor, other = TestClient(app), TestClient(app)
    mark = re.search(r'name="csrf" content="([0-9a-f]{64})"', other.get("/sign-in").text)
    assert mark
    assert visitor.post(path).status_code == 403
    visitor.get("/sign-in")
    assert visitor.post(path, data={"csrf": mark.group(1)}).status_code == 403


@pytest.mark.parametrize("origin", ["http://testserver", "https://testserver", "http://TestServer"])
def test_our_own_origin_passes(client_as: ClientAs, origin: str) -> None:
    form = {"language": "en", "theme": "dark", "back": "/"}
    assert client_as("ana").post("/appearance", data=form, headers={"Origin": origin}).status_code == 303


def test_the_mark_may_come_in_a_header_a_form_or_before_a_file(client_as: ClientAs) -> None:
    client = client_as("ana")
    form = {"language": "en", "theme": "dark", "back": "/"}
    assert client.post("/appearance", data=form).status_code == 303
    mark = client.headers.pop("X-CSRF")
    assert client.post("/appearance", data={"csrf": mark, **form}).status_code == 303
    parts = {name: (None, value) for name, value in {"csrf": mark, **form}.items()}
    assert client.post("/appearance", files=parts).status_code == 303
    late = {name: (None, value) for name, value in {**form, "csrf": mark}.items()}
    assert client.post("/appearance", files=late).status_code == 403


# ------------------------------------------------------------------------------------------------- headers and hosts


def test_every_answer_carries_the_headers_and_allows_no_other_site(
    app: FastAPI, client_as: ClientAs, stranger: TestClient
) -> None:
    owner = client_as("olga", role="owner")
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [
        stranger.get("/sign-in"),
        stranger.get("/health"),
        stranger.get("/static/base.css"),
        stranger.get("/static/none.css"),
        stranger.get("/people"),
        stranger.get("/people", headers={"Host": "evil.example"}),
        stranger.post("/sign-in"),
        owner.get("/people", headers={"Origin": "https://evil.example"}),
        owner.get("/nothing"),
        owner.put("/people"),
        owner.options("/people", headers=preflight),
        owner.post("/people/invite", content=b"x" * (3 * 2**20)),
    ]
    assert {each.status_code for each in answers} == {200, 400, 401, 403, 404, 405, 413}
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_error_of_ours_tells_nothing_and_carries_the_headers(store: Store, settings: StudioSettings) -> None:
    app = create_app(store, settings)

    @app.get("/health/broken")
    def broken() -> None:
        raise RuntimeError("secret words")

    app.state.studio.store.accounts.add("ana", "owner", now_ms=now_ms())
    key = store.sessions.start(store.accounts.listing()[0].number, now_ms=now_ms())
    client = TestClient(app, raise_server_exceptions=False, cookies={"burnish_session": key})
    answer = client.get("/health/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("error", [BusyError("{}: another"), InputError("{}: the disk is full"), DamagedFileError("x")])
def test_trouble_of_the_store_is_not_told_to_whoever_asks(
    client_as: ClientAs, store: Store, monkeypatch: pytest.MonkeyPatch, error: InputError
) -> None:
    """Neither when it comes before the route nor in it: the message names the database."""
    client = client_as("ana")

    def fail(*_: object, **__: object) -> None:
        raise type(error)(str(error).format(store.url))

    for place in ((store.sessions, "account"), (store, "history")):
        with monkeypatch.context() as broken:
            broken.setattr(*place, fail)
            answer = client.get("/me/history", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "studio.db" not in answer.text
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_names_are_refused(stranger: TestClient, host: str) -> None:
    assert stranger.get("/health", headers={"Host": host}).status_code == 400


def test_two_host_headers_are_none(app: FastAPI) -> None:
    twice = [("Host", "testserver"), ("Host", "evil.example")]
    answers = ask(app, [("GET", "/health", {"headers": each}) for each in (twice, twice[:1], twice[::-1])])
    assert [each.status_code for each in answers] == [400, 200, 400]


@pytest.mark.parametrize("host", ["testserver", "TESTSERVER:8900", "127.0.0.1:1", "[::1]:8900", "localhost"])
def test_our_names_are_answered_to_with_any_port(stranger: TestClient, host: str) -> None:
    assert stranger.get("/health", headers={"Host": host}).status_code == 200


def test_cookies_travel_by_https_only_when_it_is_spoken(store: Store) -> None:
    client = TestClient(create_app(store, StudioSettings(secure_cookies=True)), base_url="https://localhost")
    answer = client.get("/sign-in")
    assert re.match(r"__Host-burnish_visit=.*; Path=/; .*Secure", answer.headers["set-cookie"])
    assert answer.headers["strict-transport-security"]


# -------------------------------------------------------------------------------------------------- how much, how fast


def test_who_asks_too_fast_waits_and_others_do_not(store: Store, client_as: ClientAs, settings: StudioSettings) -> None:
    app = create_app(store, replace(settings, requests_per_second=1))
    ana, bob = client_as("ana", of=app), client_as("bob", of=app)
    answers = [ana.get("/me/history") for _ in range(12)]
    assert {each.status_code for each in answers[:10]} == {200}
    assert answers[11].status_code == 429
    assert int(answers[11].headers["retry-after"]) >= 1
    assert bob.get("/me/history").status_code == 200


def test_a_body_past_its_limit_is_refused_announced_or_not(client_as: ClientAs) -> None:
    client = client_as("ana")
    assert client.post("/appearance", content=b"x" * (2 * 2**20 + 1)).status_code == 413
    pieces = (b"x" * 2**16 for _ in range(40))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/appearance", content=pieces, headers=headers).status_code == 413
    big = {"file": b"x" * (2 * 2**20 + 1)}
    assert client.post("/appearance", files=big).status_code == 413  # imports are an owner's


@pytest.mark.parametrize("by", ["session", "token"])
def test_a_right_that_was_taken_back_while_a_body_trickled_in_is_gone(
    app: FastAPI, store: Store, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """An owner who expects to be closed could hold such a request open, and invite themselves back by its end."""
    monkeypatch.setattr(limits, "FRESH_SECONDS", 0.0)
    client_as("olga", "owner")
    more = {"Authorization": f"Bearer {a_token(store, 'eve')}"} if by == "token" else {}
    if by == "session":
        more = as_browser(client_as("eve", "owner"))["headers"]
    account = store.accounts.by_name("eve")
    assert account

    async def slowly(close: bool) -> AsyncIterator[bytes]:
        yield b'{"role": "ow'
        if close:
            store.accounts.set_closed(account.number, True, now_ms=now_ms())
        yield b'ner"}'

    def invite(close: bool) -> int:
        sent = {"headers": {**more, "Content-Type": "application/json"}, "content": slowly(close)}
        return ask(app, [("POST", "/api/people/invites", sent)])[0].status_code

    assert [invite(False), invite(True)] == [201, 401]


def test_a_websocket_is_closed(app: FastAPI) -> None:
    sent: list[object] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(app({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
