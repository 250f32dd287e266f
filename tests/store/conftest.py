"""Stores to test: the same tests run on SQLite and on a private PostgreSQL server, from the system's binaries."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store, open_store
from burnish.store.schema import metadata

ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
_numbers = itertools.count(1)


def postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """Folder of the socket of a server that lives for this session; nothing listens on the network."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="pip install 'burnish[postgres]'")
    folder = Path(tempfile.mkdtemp(prefix="burnish-postgres-"))
    as_user = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd=folder)

    try:
        run(f"{binaries}/initdb", "-D", f"{folder}/data", "-E", "UTF8", "-A", "trust", "-U", "burnish", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run(f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start")
        try:
            yield folder
        finally:
            run(f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_socket: Path) -> str:
    """An empty database of its own: one schema for each test."""
    import psycopg

    schema = f"t{next(_numbers)}"
    with psycopg.connect(host=str(postgres_socket), user="burnish", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"postgresql://burnish@/postgres?host={postgres_socket}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which nothing is yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/burnish.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables made, to be copied: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgres_spares() -> list[str]:
    """Schemas with the tables made, emptied by the test that used them: the next test takes one over."""
    return []


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An open store with nothing in it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_sqlite"), tmp_path / "burnish.db")
        with open_store(f"sqlite:///{tmp_path}/burnish.db") as opened:
            yield opened
        return
    spares = request.getfixturevalue("postgres_spares")
    url = spares.pop() if spares else request.getfixturevalue("postgres_url")
    with open_store(url) as opened:
        yield opened
        with opened._database.writing() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        spares.append(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/burnish.db"


@pytest.fixture
def rated() -> Callable[..., Entry]:
    return make_rated


def make_rated(name: str, rating: float = 4, *, asked: str = "", text: str = "", **more: Any) -> Entry:
    """Return an entry with one rating called `name`."""
    prompt = Prompt.of(asked or f"How is thing {name}?")
    completion = Completion(prompt.id, text or f"Thing {name} is fine.")
    more.setdefault("author", Author("ana"))
    value = {"rating": rating, "scale": [1, 5]}
    feedback = Feedback(name, "rating", prompt.id, (completion.id,), value, **more)
    return Entry(prompt, (completion,), (feedback,))
