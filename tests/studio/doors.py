"""Every door of a studio: what the router really holds, and the role that each asks for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx import ASGITransport, AsyncClient, Response
from starlette.routing import Mount

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Door:
    """One method of one path."""

    method: str
    template: str
    role: str | None
    """The least that may pass, by the route's own parameter; None where it asks for nobody."""

    @property
    def path(self) -> str:
        """An address that leads there; its ids are of nothing."""
        return re.sub(r"\{[^}]*\}", "7", self.template)


def ask(app: FastAPI, asked: Iterable[tuple[str, str, dict[str, Any]]]) -> list[Response]:
    """Return the answers to (method, path, more), all in one event loop, which a test client makes for each."""

    async def send() -> list[Response]:
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            return [await client.request(method, path, **more) for method, path, more in asked]

    return asyncio.run(send())


def knock(app: FastAPI, knocks: Iterable[tuple[Door, dict[str, Any]]]) -> list[int]:
    """Return the status of a request to each door."""
    return [answer.status_code for answer in ask(app, [(door.method, door.path, more) for door, more in knocks])]


def as_browser(client: TestClient) -> dict[str, Any]:
    """Return what a client sends along, for `ask` and `knock`."""
    cookie = f"burnish_session={client.cookies['burnish_session']}"
    return {"headers": {"Cookie": cookie, "X-CSRF": client.headers["X-CSRF"]}}


def doors(app: FastAPI) -> list[Door]:
    """Return every route's every method; a mounted folder is one door."""
    return sorted(_doors(app.routes), key=lambda door: (door.template, door.method))


def _doors(routes: Iterable[object]) -> Iterator[Door]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield from (Door(method, route.path, _role(route)) for method in route.methods)
        elif isinstance(route, Mount):
            yield Door("GET", f"{route.path}/{{file}}", None)
        elif hasattr(route, "original_router"):  # newer FastAPI keeps what was included as a whole
            yield from _doors(route.original_router.routes)
        else:
            raise AssertionError(f"a route of an unknown kind: {route!r}")


def _role(route: APIRoute) -> str | None:
    roles = [role for each in route.dependant.dependencies if (role := getattr(each.call, "role", None))]
    assert len(roles) < 2, route.path
    return roles[0] if roles else None
