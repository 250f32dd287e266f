"""Several processes on one store (C3), and processes killed at any moment (K2): nothing acknowledged is ever lost."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.store import open_store

KILLS = {"sqlite": 15, "postgresql": 6}  # `benchmarks/store.py kill` does 300


class Nursery:
    """Starts clients of a store as processes of their own and waits for them."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [sys.executable, str(here / "clients.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
        )

    def _ask(self, order):
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, do, url, log, **options):
        return self._ask({"do": do, "url": url, "log": str(log), **options})

    def status(self, client):
        return self._ask({"wait": client})

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


def logged(log):
    """Return what a client heard: id -> status."""
    whole = log.read_text().rpartition("\n")[0] if log.exists() else ""
    return dict(line.split(" ") for line in whole.splitlines())


def stored_ids(url):
    with open_store(url) as store:
        return [record.id for entry in store.entries() for record in entry.feedback]


def error_of(log):
    path = log.with_suffix(".error")
    return path.read_text() if path.exists() else ""


def test_a_page_an_import_and_a_reader_work_on_one_store(url, tmp_path, nursery):
    """C3: no "database is locked" reaches anybody, and every reading is a consistent prefix."""
    logs = {name: tmp_path / f"{name}.log" for name in ("page", "other", "import", "reader")}
    clients = {
        "page": nursery.start("submit", url, logs["page"], threads=16, each=40, name="page"),
        "other": nursery.start("submit", url, logs["other"], threads=2, each=100, name="other"),
        "import": nursery.start("load", url, logs["import"], rows=1000, name="import", batch=100),
        "reader": nursery.start("watch", url, logs["reader"], times=12),
    }
    outcomes = {name: (nursery.status(client), error_of(logs[name])) for name, client in clients.items()}
    assert outcomes == dict.fromkeys(clients, (0, ""))
    wanted = {f"page-{thread}-{number}" for thread in range(16) for number in range(40)}
    wanted |= {f"other-{thread}-{number}" for thread in range(2) for number in range(100)}
    wanted |= {f"import-0-{number}" for number in range(1000)}
    heard = {**logged(logs["page"]), **logged(logs["other"]), **logged(logs["import"])}
    assert heard == dict.fromkeys(wanted, "stored")
    assert sorted(stored_ids(url)) == sorted(wanted)
    readings = [json.loads(line) for line in logs["reader"].read_text().splitlines()]
    assert len(readings) == 12
    for before, after in itertools.pairwise(readings):
        for name, (count, highest) in after.items():
            assert count == highest, f"a reading saw {name}-{highest - 1} but not all before it"
            assert count >= before.get(name, [0])[0], "a later reading saw less"


def test_many_processes_open_a_new_store_at_once(url, tmp_path, nursery):
    logs = [tmp_path / f"{number}.log" for number in range(5)]
    clients = [nursery.start("submit", url, log, threads=1, each=3, name=f"n{i}") for i, log in enumerate(logs)]
    assert [(nursery.status(client), error_of(log)) for client, log in zip(clients, logs, strict=True)] == [(0, "")] * 5
    assert len(stored_ids(url)) == 15


def test_nothing_acknowledged_is_lost_by_a_kill(url, tmp_path, nursery):
    """K2 and C2: kill -9 at random moments; then everybody who was cut off simply sends everything again."""
    draw = random.Random(11)
    heard: dict[str, str] = {}
    cut = 0
    for cycle in range(KILLS[url.partition(":")[0]]):
        log = tmp_path / f"{cycle}.log"
        if cycle % 3 == 2:
            client = nursery.start("load", url, log, rows=100_000, name=f"k{cycle}", batch=50)
        else:
            client = nursery.start("submit", url, log, threads=8, each=100_000, name=f"k{cycle}")
        deadline = time.monotonic() + 30
        while not logged(log) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.08))
        os.kill(client, signal.SIGKILL)
        assert nursery.status(client) == -9, error_of(log)
        now = logged(log)
        assert set(now.values()) == {"stored"}
        heard.update(now)
        stored = stored_ids(url)
        assert set(heard) <= set(stored), f"lost after kill {cycle}"
        assert len(stored) == len(set(stored))
        cut += len(set(stored) - set(heard))
        heard.update(dict.fromkeys(stored, "unheard"))
    again = tmp_path / "again.log"
    client = nursery.start("submit", url, again, threads=8, each=20, name="k0")
    assert nursery.status(client) == 0, error_of(again)
    assert "known" in logged(again).values()
    stored = stored_ids(url)
    assert len(stored) == len(set(stored))


def test_a_file_that_saw_kills_is_sound(sqlite_url, tmp_path, nursery):
    for cycle in range(3):
        log = tmp_path / f"{cycle}.log"
        client = nursery.start("submit", sqlite_url, log, threads=4, each=100_000, name=f"k{cycle}")
        while not logged(log):
            time.sleep(0.002)
        os.kill(client, signal.SIGKILL)
        assert nursery.status(client) == -9
    with open_store(sqlite_url) as store, store._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
