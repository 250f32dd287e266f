"""A package index on this machine that can be told to misbehave, and a cache of the test's own."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from burnish.corpora import index
from burnish.corpora.index import Release


@dataclass
class Index:
    """What the server serves, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    """File name -> content; the project of `a_b-1.0.zip` is `a-b`."""
    as_html: bool = False
    with_hashes: bool = True
    ranges: bool = True
    """Whether Range is understood."""
    drops: list[int] = field(default_factory=list)
    """The next answers with a file end after so many bytes each, the connection cut."""
    statuses: list[int] = field(default_factory=list)
    """The next answers of any kind have these statuses."""
    extra: bytes = b""
    """Sent after each file."""
    password: str = ""
    """`name:password` that every request must bring."""
    redirect: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range header) of every request."""
    stalled: threading.Event = field(default_factory=threading.Event)
    stall_after: int | None = None
    """A file's answer stops there, connection open, until `go` is set."""
    go: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def asked_for_files(self) -> list[str]:
        """Return the Range header of every request for a file."""
        return [range for path, range in self.requests if path.startswith("/files/")]


class Handler(BaseHTTPRequestHandler):
    index: Index

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        index = self.index
        index.requests.append((self.path, self.headers.get("Range", "")))
        if index.password:
            given = self.headers.get("Authorization", "")
            if given != "Basic " + base64.b64encode(index.password.encode()).decode():
                self.answer(401)
                return
        if index.statuses:
            self.answer(index.statuses.pop(0))
        elif self.path.startswith("/simple/"):
            self.project_page(self.path.strip("/").rpartition("/")[2])
        elif index.redirect and not self.path.endswith("?moved"):
            self.send_response(302)
            self.send_header("Location", f"{self.path}?moved")
            self.end_headers()
        else:
            self.file(self.path.partition("?")[0].rpartition("/")[2])

    def answer(self, status: int, kind: str = "text/plain", body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def project_page(self, project: str) -> None:
        found = {
            name: hashlib.sha256(content).hexdigest() if self.index.with_hashes else ""
            for name, content in self.index.files.items()
            if name.partition("-")[0].replace("_", "-").lower() == project
        }
        if not found:
            self.answer(404)
        elif self.index.as_html:
            links = "".join(
                f'<a href="../../files/{name}#sha256={sha}">{name}</a><br>\n' for name, sha in found.items()
            )
            self.answer(200, "text/html; charset=utf-8", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        else:
            files = [
                {
                    "filename": name,
                    "url": f"{self.index.url}/files/{html.escape(name)}",
                    "hashes": {"sha256": sha} if sha else {},
                }
                for name, sha in found.items()
            ]
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
            self.answer(200, "application/vnd.pypi.simple.v1+json", json.dumps(page).encode())

    def file(self, name: str) -> None:
        index, content = self.index, self.index.files[name] + self.index.extra
        start = 0
        if index.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.answer(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if index.drops:
            self.wfile.write(body[: index.drops.pop(0)])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        if index.stall_after is not None:
            self.wfile.write(body[: index.stall_after])
            self.wfile.flush()
            index.stalled.set()
            index.go.wait(30)
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def package_index() -> Iterator[Index]:
    served = Index()
    handler = type("BoundHandler", (Handler,), {"index": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # cut connections are what we do here
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield served
    served.go.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, package_index: Index, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and pip's settings pointing at the local index alone, with no waiting between attempts."""
    for name in list(os.environ):
        if name.upper().startswith("PIP_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{package_index.url}/simple")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "WAITS_SECONDS", (0.0, 0.0, 0.0))
    return tmp_path / "cache"


@pytest.fixture
def release(package_index: Index) -> Release:
    """A made-up package of 300,000 bytes that the index serves."""
    content = bytes((7 * number + number // 251) % 256 for number in range(300_000))
    package_index.files["made_up-1.0.zip"] = content
    return Release("Made.Up", "1.0", "made_up-1.0.zip", len(content), hashlib.sha256(content).hexdigest())
