"""A studio over a fresh store, and clients that talk to it without a network, as whoever is wanted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.store import Store, open_store

pytest.importorskip("fastapi", reason="needs the studio extra")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from burnish.studio import StudioSettings, create_app
from burnish.studio.context import now_ms
from burnish.studio.session import csrf_of

HOSTS = (*StudioSettings().hosts, "testserver")
"""The names of a studio that is started, and the one that the test client calls it by."""


@pytest.fixture(scope="session")
def empty_studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables made, to be copied: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("studio") / "empty.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(empty_studio: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(empty_studio, tmp_path / "studio.db")
    with open_store(f"sqlite:///{tmp_path}/studio.db") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> StudioSettings:
    """As a studio is started, but for a test's haste."""
    return StudioSettings(
        hosts=HOSTS, requests_per_second=100_000, runs=str(tmp_path / "runs"), judge_cache=str(tmp_path / "judges.db")
    )


@pytest.fixture
def app(store: Store, settings: StudioSettings) -> FastAPI:
    return create_app(store, settings)


@pytest.fixture
def client_as(store: Store, app: FastAPI) -> Callable[..., TestClient]:
    """client_as("ana", role="reviewer"): a browser in which ana is signed in and whose requests carry the mark.

    The account is made when it is not there. No password is hashed, which would take a quarter of a second.
    """

    def sign_in(name: str, role: str = "annotator", *, of: FastAPI | None = None) -> TestClient:
        account = store.accounts.by_name(name) or store.accounts.add(name, role, now_ms=now_ms())
        assert account.role == role
        key = store.sessions.start(account.number, now_ms=now_ms())
        client = TestClient(of or app, follow_redirects=False)
        client.cookies.set("burnish_session", key)
        client.headers["X-CSRF"] = csrf_of(key)
        return client

    return sign_in


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    """A browser in which nobody is signed in."""
    return TestClient(app, follow_redirects=False)
