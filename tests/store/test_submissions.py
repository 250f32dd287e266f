"""Many threads, one writer: each acknowledged, none lost, none twice, and one bad entry takes nobody with it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from burnish.errors import BusyError, InputError
from burnish.store import open_store


def test_threads_are_all_acknowledged_and_share_commits(store, rated):
    commits = []
    event.listen(store._database.writers, "commit", commits.append)
    gate = threading.Barrier(16)

    def submit(thread):
        gate.wait()
        return [store.submit(rated(f"f{thread}-{number}"))[0] for number in range(25)]

    with ThreadPoolExecutor(16) as pool:
        receipts = [receipt for some in pool.map(submit, range(16)) for receipt in some]
    assert {receipt.status for receipt in receipts} == {"stored"}
    stored = [record.id for entry in store.entries() for record in entry.feedback]
    assert sorted(stored) == sorted(receipt.feedback_id for receipt in receipts)
    assert len(commits) < 200, "400 submissions from 16 threads must not cost a commit each"


def test_each_thread_s_records_are_stored_in_its_order(store, rated):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda thread: [store.submit(rated(f"{thread}-{number}")) for number in range(20)], range(8)))
    stored = [record.id for entry in store.entries() for record in entry.feedback]
    for thread in range(8):
        assert [name for name in stored if name.startswith(f"{thread}-")] == [f"{thread}-{n}" for n in range(20)]


def test_double_clicks_at_the_same_moment_are_one_record(store, rated):
    gate = threading.Barrier(12)

    def click(_):
        gate.wait()
        return store.submit(rated("f1"))[0].status

    with ThreadPoolExecutor(12) as pool:
        statuses = sorted(pool.map(click, range(12)))
    assert statuses == ["known"] * 11 + ["stored"]
    assert store.stats()["records"] == 1


def test_of_two_contents_under_one_id_one_wins_and_the_other_hears_of_it(store, rated):
    gate = threading.Barrier(8)

    def submit(rating):
        gate.wait()
        try:
            return store.submit(rated("f1", rating))[0].status
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(submit, range(8)))
    assert outcomes.count("stored") == 1
    assert sum("other content" in outcome for outcome in outcomes) == 7


def test_an_entry_the_database_refuses_takes_nobody_with_it(store, rated, monkeypatch):
    """Validation should never let one through; should it, the group is tried again one by one."""
    insert = store._inserts.store

    def refuse(connection, group):
        if any(work.checked.feedback[0][0][0] == "poison" for work in group):
            raise RuntimeError("constraint failed")
        return insert(connection, group)

    monkeypatch.setattr(store._inserts, "store", refuse)
    names = [f"f{number}" for number in range(9)] + ["poison"]
    gate = threading.Barrier(len(names))

    def submit(name):
        gate.wait()
        try:
            return store.submit(rated(name))[0].status
        except RuntimeError as error:
            return str(error)

    with ThreadPoolExecutor(len(names)) as pool:
        outcomes = list(pool.map(submit, names))
    assert outcomes == ["stored"] * 9 + ["constraint failed"]


def test_closing_commits_what_waits(url, rated):
    store = open_store(url)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(store.submit, rated(f"f{number}")) for number in range(40)]
        waiting[0].result()
        store.close()
        outcomes = [future.exception() for future in waiting]
    acknowledged = sum(outcome is None for outcome in outcomes)
    assert all(outcome is None or "closed" in str(outcome) for outcome in outcomes)
    with open_store(url) as again:
        assert again.stats()["records"] == acknowledged


def test_a_neighbour_that_never_stops_writing_is_named_after_a_bounded_wait(url, rated):
    with open_store(url) as neighbour, open_store(url, wait_seconds=0.2) as store:
        with neighbour._database.writing():
            with pytest.raises(BusyError, match="another process has been writing"):
                store.submit(rated("f1"))
            with pytest.raises(BusyError):
                list(store.submit_many([rated("f2")]))
            assert store.stats()["records"] == 0  # readers never wait
        assert store.submit(rated("f1"))[0].status == "stored"


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_store_opened_before_a_fork_says_so_in_the_child(sqlite_url, rated):
    with open_store(sqlite_url) as store:
        store.submit(rated("f1"))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                store.submit(rated("f2"))
            except InputError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert b"before this process was forked" in os.read(reading, 1000)
        os.close(reading)
        os.close(writing)
