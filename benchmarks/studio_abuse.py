"""How often a studio that is attacked gives way: the attacks of the tests and more of each, on a real server, counted.

    python benchmarks/studio_abuse.py

Prints a table: attack, tries, how many got through (0 in each row is the promise), and the time a wrong password costs
for a name that exists and one that does not. Takes about a minute on one quiet core.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import delete, insert, select

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.studio import doors, test_raw_requests

from burnish.errors import DamagedFileError
from burnish.store import Store, open_store
from burnish.store import audit as chain
from burnish.store.accounts import ROLES
from burnish.store.accounts_schema import audit
from burnish.studio import StudioSettings, create_app, passwords
from burnish.studio.context import now_ms
from burnish.studio.security import HEADERS
from burnish.studio.session import csrf_of

DAY_MS = 24 * 3_600_000
LOG_ROWS = 10_000
SEED = 7


@dataclasses.dataclass
class Table:
    """Rows as they are measured."""

    failed: int = 0

    def row(self, attack: str, tries: int, through: int) -> None:
        self.failed += through
        print(f"{attack:<72} {tries:>6} {through:>6}", flush=True)


@contextmanager
def served(store: Store) -> Iterator[tuple[Any, int]]:
    """Yield the app and the port of a server as `burnish studio` starts it, but for how fast one may ask."""
    app = create_app(store, StudioSettings(requests_per_second=100_000))
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, ws="none", proxy_headers=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield app, listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def main() -> int:
    """Run every attack; 1 when any got through."""
    table = Table()
    print(f"{'attack':<72} {'tries':>6} {'passed':>6}")
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/studio.db") as store:
        owner = store.accounts.add(test_raw_requests.SECRET, "owner", password="scrypt$", now_ms=now_ms())
        with served(store) as (app, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            strangers(table, app, client)
            tokens(table, app, client, store)
            roles(table, app, client, store)
            forged(table, app, client, store.sessions.start(owner.number, now_ms=now_ms()))
            spellings(table, port)
            guessing(table, client, store)
        keys_at_rest(table, store, Path(folder))
        tampering(table, store)
    return 1 if table.failed else 0


def send(client: httpx.Client, door: doors.Door, **more: Any) -> httpx.Response:
    return client.request(door.method, door.path, **more)


def strangers(table: Table, app: Any, client: httpx.Client) -> None:
    answers = [send(client, door) for door in doors.doors(app) if door.role]
    table.row("a stranger at every route that is not public", len(answers), sum(a.status_code != 401 for a in answers))
    bare = sum({name: each.headers.get(name) for name in HEADERS} != HEADERS for each in answers)
    table.row("an answer without the headers", len(answers), bare)


def tokens(table: Table, app: Any, client: httpx.Client, store: Store) -> None:
    account = store.accounts.add("token", "owner", now_ms=now_ms())
    good = store.sessions.make_token(account, "x", "owner", now_ms=now_ms(), lasts_ms=DAY_MS)
    expired = store.sessions.make_token(account, "x", "owner", now_ms=0, lasts_ms=1)
    generator = random.Random(SEED)
    near = [good[:place] + generator.choice("abcdef") + good[place + 1 :] for place in range(8, len(good), 4)]
    near = [each for each in near if each != good]
    bearers = [f"Bearer {key}" for key in [*near, expired, good.upper(), good[:-1], "null", "' OR 1=1 --"]]
    bearers += [f"Basic {good}", f"bearer{good}", good]
    api = [door for door in doors.doors(app) if door.role and door.path.startswith("/api/")]
    pages = [door for door in doors.doors(app) if door.role and not door.path.startswith("/api/")]
    tried = [(door, bearer) for door in api for bearer in bearers] + [(door, f"Bearer {good}") for door in pages]
    found = [send(client, door, headers={"Authorization": bearer}).status_code for door, bearer in tried]
    table.row("a token that is wrong, expired or for another door", len(found), sum(each != 401 for each in found))


def roles(table: Table, app: Any, client: httpx.Client, store: Store) -> None:
    sent = {}
    for role in ROLES:
        key = store.sessions.start(store.accounts.add(role, role, now_ms=now_ms()).number, now_ms=now_ms())
        sent[role] = {"Cookie": f"burnish_session={key}", "X-CSRF": csrf_of(key)}
    tried = [(door, role) for door in doors.doors(app) if door.role for role in ROLES[: ROLES.index(door.role)]]
    found = [send(client, door, headers=sent[role]).status_code for door, role in tried]
    table.row("a lower role at every route", len(found), sum(each != 403 for each in found))


def forged(table: Table, app: Any, client: httpx.Client, key: str) -> None:
    cookie, mark = {"Cookie": f"burnish_session={key}"}, csrf_of(key)
    headers = [{}, {"X-CSRF": ""}, {"X-CSRF": csrf_of("other")}, {"X-CSRF": mark.upper()}, {"X-CSRF": mark[:-1]}]
    origins = ("null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "http://localhost")
    headers += [{"X-CSRF": mark, "Origin": each} for each in origins]
    headers += [{"X-CSRF": mark, "Sec-Fetch-Site": each} for each in ("cross-site", "same-site", "odd")]
    unsafe = [door for door in doors.doors(app) if door.method in doors.UNSAFE]
    found = [send(client, door, headers=cookie | each).status_code for door in unsafe for each in headers]
    table.row("a forged request at every route that changes something", len(found), sum(each != 403 for each in found))


def spellings(table: Table, port: int) -> None:
    raw = test_raw_requests
    paths = [raw.request("GET", path, header) for path, header in itertools.product(raw.PATHS, raw.HEADERS)]
    methods = [raw.request(method, "/people", header) for method, header in itertools.product(raw.METHODS, raw.HEADERS)]
    for name, tried in (("an odd path with an odd header", paths), ("an odd method with an odd header", methods)):
        table.row(f"{name}, on a raw socket", len(tried), sum(raw.opened(raw.answer(port, each)) for each in tried))


def guessing(table: Table, client: httpx.Client, store: Store) -> None:
    right = "four small green boats"
    store.accounts.add("ana", "annotator", password=passwords.hashed(right), now_ms=now_ms())
    client.get("/sign-in")
    headers = {"X-CSRF": csrf_of(client.cookies["burnish_visit"])}

    def guess(name: str, password: str) -> tuple[int, float]:
        began = time.perf_counter()
        status = client.post("/sign-in", data={"name": name, "password": password}, headers=headers).status_code
        return status, time.perf_counter() - began

    known = [guess("ana", f"guess {number}") for number in range(5)]
    unknown = [guess(f"nobody{number}", "guess") for number in range(5)]
    with ThreadPoolExecutor(16) as pool:
        rest = list(pool.map(lambda number: guess("ana", right if number % 2 else "guess"), range(90)))
    table.row("a guess past the tenth, half of them right, 16 at once", len(rest), sum(each[0] != 429 for each in rest))
    medians = [1000 * statistics.median(each[1] for each in tries) for tries in (known, unknown)]
    print(f"{'  ms a wrong password takes: known name, unknown name':<72} {medians[0]:>6.0f} {medians[1]:>6.0f}")


def keys_at_rest(table: Table, store: Store, folder: Path) -> None:
    account = store.accounts.add("keys", "owner", now_ms=now_ms())
    makers: list[Callable[[], str]] = [
        lambda: store.sessions.start(account.number, now_ms=now_ms()),
        lambda: store.accounts.invite("annotator", now_ms=now_ms(), lasts_ms=DAY_MS),
        lambda: store.sessions.make_token(account, "x", "owner", now_ms=now_ms(), lasts_ms=DAY_MS),
    ]
    keys = [make() for make in makers for _ in range(50)]
    raw = b"".join(path.read_bytes() for path in folder.iterdir())
    table.row("a key that stands in the database's files", len(keys), sum(key.encode() in raw for key in keys))


def tampering(table: Table, store: Store) -> None:
    """Change one of 10,000 rows of the log in every way, and see whether the row is named."""
    with store._database.writing() as connection:
        connection.execute(delete(audit))
        for number in range(LOG_ROWS):
            chain.append(connection, number, number % 7, "deed", f"thing:{number}", number=number)
        rows = [row._asdict() for row in connection.execute(select(audit).order_by(audit.c.seq))]
    noted, generator = store.audit.head(), random.Random(SEED)
    ways: dict[str, Callable[[int], list[dict[str, Any]]]] = {
        "changed": lambda at: [*rows[:at], {**rows[at], "actor": 99}, *rows[at + 1 :]],
        "taken out": lambda at: [*rows[:at], *rows[at + 1 :]],
        "taken out and closed up": lambda at: _numbered([*rows[:at], *rows[at + 1 :]]),
        "put in": lambda at: _numbered([*rows[: at + 1], rows[at], *rows[at + 1 :]]),
        "moved": lambda at: _numbered([*rows[: at - 1], rows[at], rows[at - 1], *rows[at + 1 :]]),
        "cut off from there": lambda at: rows[:at],
    }
    for name, way in ways.items():
        places = generator.sample(range(1, LOG_ROWS), 5)
        missed = sum(not _is_noticed(store, way(place), noted) for place in places)
        table.row(f"a row of the log that was {name}, of {LOG_ROWS:,}", len(places), missed)


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "seq": number} for number, row in enumerate(rows, 1)]


def _is_noticed(store: Store, rows: list[dict[str, Any]], noted: chain.Anchor) -> bool:
    with store._database.writing() as connection:
        connection.execute(delete(audit))
        connection.execute(insert(audit), rows)
    try:
        store.audit.verify(noted)
    except DamagedFileError:
        return True
    return False


if __name__ == "__main__":
    raise SystemExit(main())
