"""A real server, a real browser, and a watch over what pages do: no other host, no dialog, no error in the console.

    def test_something(open_page: OpenPage) -> None:
        page = open_page("ana", role="annotator", width=360)
        page.goto("/")

`open_page` gives a tab that is signed in. The fixture `axe` lists what axe-core finds moderate or worse on it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="needs the studio extra")
pytest.importorskip("playwright", reason="needs playwright")

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from burnish.store import Store
from burnish.studio import create_app
from burnish.studio.context import Studio, now_ms
from burnish.studio.session import session_cookie
from burnish.studio.settings import StudioSettings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
WAIT_MS = 20_000  # for a machine on which much else is going on
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

OpenPage: TypeAlias = Callable[..., Page]
Axe: TypeAlias = Callable[..., list[str]]


@dataclass(slots=True)
class Site:
    """A studio that answers at `url`, over a fresh store."""

    app: FastAPI
    url: str

    @property
    def studio(self) -> Studio:
        found: Studio = self.app.state.studio
        return found


@dataclass
class Watch:  # playwright hangs attributes of its own on those who listen, so no slots
    """What pages did that they must never do."""

    host: str
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of complaints that a test brings about itself, such as a lost connection."""

    def route(self, route: Route) -> None:
        """Let requests to our host pass; write down and stop all others."""
        address = urlsplit(route.request.url)
        if address.netloc == self.host or address.scheme in ("data", "blob"):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def on(self, page: Page) -> None:
        """Listen to a tab."""
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def unexpected(self) -> list[str]:
        """What a page did against the rules."""
        known = ("Failed to load resource", *self.expected)
        return [*self.elsewhere, *(each for each in self.complaints if not any(part in each for part in known))]


@pytest.fixture(scope="module")  # playwright keeps an event loop running: tests elsewhere have to begin their own
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the pages are not tried in a browser")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def site(store: Store, settings: StudioSettings) -> Iterator[Site]:
    """A server in a thread, at a free port."""
    app = create_app(store, settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False, lifespan="off"))
    started = threading.Event()
    thread = threading.Thread(target=_serve, args=(server, started), daemon=True)
    thread.start()
    assert started.wait(20), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Site(app, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join(20)


def _serve(server: uvicorn.Server, started: threading.Event) -> None:
    began = server.startup

    async def startup(*args: Any, **options: Any) -> None:
        await began(*args, **options)
        started.set()

    server.startup = startup  # type: ignore[method-assign]  # tells when the port is known, without asking it again and again
    server.run()


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """What all tabs of a test did; looked at when the test is over."""
    kept = Watch(urlsplit(site.url).netloc)
    yield kept
    assert kept.unexpected() == []


@pytest.fixture
def open_page(browser: Browser, site: Site, watch: Watch) -> Iterator[OpenPage]:
    """Open a tab: `open_page(name, role=..., width=1280, height=800, language="en", theme="light", touch=False)`."""
    contexts: list[BrowserContext] = []

    def opened(
        name: str = "",
        role: str = "annotator",
        *,
        width: int = 1280,
        height: int = 800,
        language: str = "en",
        theme: str = "light",
        touch: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme="dark" if theme == "dark" else "light",
            has_touch=touch,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        context.route("**/*", watch.route)
        if name:
            context.add_cookies(
                [{"name": key, "value": value, "url": site.url} for key, value in _signed_in(site, name, role)]
            )
        page = context.new_page()
        watch.on(page)
        return page

    yield opened
    for context in contexts:
        context.close()


def _signed_in(site: Site, name: str, role: str) -> list[tuple[str, str]]:
    """Cookies of a session, without a password's hashing, which takes a quarter of a second."""
    store = site.studio.store
    account = store.accounts.by_name(name) or store.accounts.add(name, role, now_ms=now_ms())
    return [(session_cookie(site.studio.settings), store.sessions.start(account.number, now_ms=now_ms()))]


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Return what asks axe-core about a page: `axe(page)` lists moderate findings and worse, as `rule: element`."""
    source = AXE.read_text(encoding="utf-8")

    def found(page: Page, impacts: tuple[str, ...] = ("moderate", "serious", "critical")) -> list[str]:
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(source)
        rules: list[dict[str, Any]] = page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
        )
        broken = [rule for rule in rules if rule["impact"] in impacts]
        return [f"{rule['id']}: {node['html'][:160]}" for rule in broken for node in rule["nodes"]]

    return found
