"""What no browser sends: bytes on a socket that try to be another request than they are. 0 get through."""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from burnish.store import Store
from burnish.studio import StudioSettings, create_app
from burnish.studio.context import now_ms

SECRET = "olga-who-is-only-on-the-page-of-people"
PATHS = (
    "/people",
    "//people",
    "///people",
    "/people/",
    "/people//",
    "/people/.",
    "/./people",
    "/.//people",
    "/%70eople",
    "/%2570eople",
    "/PEOPLE",
    "/people%2f",
    "/people%20",
    "/people%00",
    "/people%0d%0a",
    "/people;x=1",
    "/people;/health",
    "/people?/health",
    "/people?x=/static/",
    "/people#/static/",
    "/people%23/static/",
    "/people%3f",
    "/health/../people",
    "/health/%2e%2e/people",
    "/health;/../people",
    "/sign-in/../people",
    "/sign-in%2f..%2fpeople",
    "/static/../people",
    "/static/%2e%2e/people",
    "/static/..%2fpeople",
    "/static/..;/people",
    "/static//people",
    "/static/..\\people",
    "/static/%5c..%5cpeople",
    "/static/../../../../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%252f..%252fapp.py",
    "/invite/../people",
    "/invite/%2e%2e/people",
    "/invite/x/../../people",
    "/invite/..%2fpeople",
    "/invite//people",
    "/invite/%2fpeople",
    "/api/../people",
    "\\people",
    "/\\people",
    "/people\\",
    "people",
    "*",
    "http://testserver/people",
    "http://testserver@evil.example/people",
    "http://evil.example/people",
    "https://evil.example:80//people",
    "/%e2%80%8bpeople",
    "/peop\u200ble",
    "/.%2e/people",
    "/..%c0%afpeople",
)
HEADERS = (
    "",
    "X-Original-URL: /health",
    "X-Rewrite-URL: /health",
    "X-Forwarded-Prefix: /static",
    "X-Forwarded-Host: localhost",
    "X-Forwarded-For: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=localhost",
    "X-HTTP-Method-Override: OPTIONS",
    "X-Method-Override: GET",
    "X-User: olga",
    "Remote-User: olga",
    "Authorization: Basic b2xnYTpvbGdh",
    "Authorization: Bearer null",
    "Cookie: burnish_session=",
    "Cookie: burnish_session=%27%20OR%201=1--",
    "Cookie: burnish_session=null; burnish_session=x",
    "Host: localhost",
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==",
)
REFUSED = (b"400", b"401", b"403", b"404", b"405", b"413", b"501")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "TRACE", "get", "CONNECT", "QUERY")


@pytest.fixture
def port(store: Store) -> Iterator[int]:
    """A real server on a real socket, started as `burnish studio` starts it."""
    store.accounts.add(SECRET, "owner", now_ms=now_ms(), password="scrypt$")
    app = create_app(store, StudioSettings(requests_per_second=100_000))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", access_log=False, ws="none", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def answer(port: int, raw: bytes, *, patience: float = 0.5) -> bytes:
    """Return all that comes back for these bytes; the server closes, or says nothing more for so many seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(raw)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
        except (TimeoutError, ConnectionResetError):
            pass
    return found


def request(method: str, path: str, header: str = "", *, version: str = "1.1", host: str = "127.0.0.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}" if host else "", header, "Connection: close"]
    return "\r\n".join([*(line for line in lines if line), "", ""]).encode()


def opened(reply: bytes) -> bool:
    """Return whether a reply gave away what a stranger may not see, or took it for a request that may pass."""
    status = re.match(rb"HTTP/1\.1 (\d{3})", reply)
    if SECRET.encode() in reply or b"root:" in reply or b"create_app" in reply:
        return True
    return status is not None and status.group(1) not in REFUSED


def test_no_spelling_of_a_path_and_no_header_opens_a_page(port: int, store: Store) -> None:
    raws = [request("GET", path) for path in PATHS]
    raws += [request(method, "/people", header) for method, header in itertools.product(METHODS, HEADERS)]
    raws += [request("GET", path, header) for path, header in itertools.product(PATHS[:4], HEADERS)]
    assert len(raws) > 250
    assert [raw for raw in raws if opened(answer(port, raw))] == []
    key = store.sessions.start(store.accounts.listing()[0].number, now_ms=now_ms())
    assert SECRET.encode() in answer(port, request("GET", "/people", f"Cookie: burnish_session={key}"), patience=60)


def test_no_framing_smuggles_a_second_request(port: int) -> None:
    inner = request("GET", "/people").decode()
    body = f"0\r\n\r\n{inner}"
    both = "Content-Length: {}\r\nTransfer-Encoding: chunked"
    raws = [
        request("GET", "/people", version="1.0"),
        request("GET", "/people", version="1.0", host=""),
        request("GET", "/people", version="1.1", host=""),
        request("GET", "/people", version="2.0"),
        b"GET /people\r\n\r\n",
        request("GET", "/health", "Host: evil.example"),
        request("GET", "/people", host="evil.example"),
        request("GET", "/people", host="127.0.0.1/health?"),
        request("GET", "/people", host="127.0.0.1#"),
        request("GET", "/people", host="x@127.0.0.1"),
        request("POST", "/sign-in", both.format(4)) + body.encode(),
        request("POST", "/sign-in", both.format(len(body))) + body.encode(),
        request("POST", "/sign-in", "Content-Length: 4\r\nContent-Length: 40") + body.encode(),
        request("POST", "/sign-in", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity") + body.encode(),
        request("POST", "/sign-in", "Transfer-Encoding: \x0bchunked") + body.encode(),
        request("POST", "/sign-in", "Content-Length: -1") + body.encode(),
        request("POST", "/sign-in", "Content-Length: 9999999999999") + body.encode(),
        request("GET", "/people", "X: a\r\n Cookie: burnish_session=x"),
        request("GET", "/people", "X: " + "a" * 100_000),
        b"\x00" * 1000 + b"\r\n\r\n",
    ]
    assert [raw[:60] for raw in raws if opened(answer(port, raw))] == []
    assert opened(answer(port, request("GET", "/health"), patience=60))  # the server still stands, and `opened` tells
