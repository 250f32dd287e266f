"""What can be a store, what is refused and in which words, and how connections are set."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import pytest
from sqlalchemy import event, text

from burnish.errors import BusyError, DamagedFileError, InputError, UnreachableError
from burnish.store import engine, open_store


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
        ((4, 0, 0), False),
    ],
)
def test_the_wal_reset_race_is_known_by_version(version, affected):
    """Versions from the SQLite change log: fixed in 3.51.3, back-ported to 3.50.7 and 3.44.6."""
    assert engine.has_wal_reset_race(version) is affected


def test_the_driver_in_use_does_not_have_the_race():
    assert not engine.has_wal_reset_race(engine.sqlite_driver().sqlite_version_info)


def test_a_library_with_the_race_is_refused_with_the_remedy(monkeypatch, sqlite_url):
    for name in ("pysqlite3.dbapi2", "sqlite3.dbapi2"):
        fake = types.SimpleNamespace(sqlite_version_info=(3, 40, 1), sqlite_version="3.40.1")
        monkeypatch.setitem(sys.modules, name, fake)
        package = types.SimpleNamespace(dbapi2=fake)
        monkeypatch.setitem(sys.modules, name.partition(".")[0], package)
    with pytest.raises(InputError, match=r"SQLite 3\.40\.1.*WAL-reset race.*pip install -U pysqlite3"):
        open_store(sqlite_url)


def test_connections_are_durable_and_wait(sqlite_url):
    with open_store(sqlite_url) as store:
        for pool, busy in ((store._database.readers, 30_000), (store._database.writers, 0)):
            with pool.connect() as connection:
                found = {
                    name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
                }
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "secure_delete": 1,
                "busy_timeout": busy,
            }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("burnish.db", r"'burnish\.db' is not a database URL.*sqlite:///burnish\.db"),
        ("", "is not a database URL"),
        ("mysql://host/db", "'mysql' is not supported"),
        ("sqlite://", "names no plain file"),
        ("sqlite:///:memory:", "names no plain file"),
        ("sqlite:///a.db?mode=ro", "names no plain file"),
        ("sqlite:////no/such/folder/a.db", "the folder /no/such/folder does not exist"),
        ("sqlite:////dev/null", "is not a plain file"),
        ("sqlite:////tmp", "is a folder"),
        ("sqlite:///a%00b.db", "holds NUL"),
        (f"sqlite:////tmp/{'x' * 300}", "cannot be a file"),
        ("sqlite:////dev/null/a.db", "cannot be a file"),
        ("postgresql://localhost:abc/x", "is not a database URL"),
        ("postgresql://[::1/x", "is not a database URL"),
        ("postgresql://ana:sec@ret@localhost:abc/x", r"db: 'postgresql://\*\*\*@localhost:abc/x' is not"),
    ],
)
def test_what_is_no_store_is_refused(url, message):
    with pytest.raises(InputError, match=message):
        open_store(url)


def test_a_missing_file_is_only_made_when_asked_for(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_store(f"sqlite:///{tmp_path}/new.db", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"prompt,completion\nhello,world\n" * 50, b"\x00" * 5000, b"SQLite format 3\x00" + b"?" * 9000]
)
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"not a SQLite database|damaged"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(tmp_path, rated):
    (tmp_path / "a.db").touch()
    with open_store(f"sqlite:///{tmp_path}/a.db") as store:
        store.submit(rated("f1"))


def test_another_program_s_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "places.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"tables of another program \(bookmarks\)"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_damaged_page_is_named_when_it_is_met(tmp_path, rated):
    path = tmp_path / "a.db"
    with open_store(f"sqlite:///{path}") as store:
        list(store.submit_many(rated(f"f{number}") for number in range(300)))
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xa5" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"a\.db: the file is damaged"), open_store(f"sqlite:///{path}") as store:
        list(store.entries())


def test_a_cut_file_is_named(tmp_path, rated):
    path = tmp_path / "a.db"
    with open_store(f"sqlite:///{path}") as store:
        list(store.submit_many(rated(f"f{number}") for number in range(300)))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DamagedFileError), open_store(f"sqlite:///{path}") as store:
        list(store.entries())


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user without permissions")
def test_no_permission_is_said(tmp_path, place, rated):
    path = tmp_path / "inner" / "a.db"
    path.parent.mkdir()
    with open_store(f"sqlite:///{path}") as store:
        store.submit(rated("f1"))
    path.chmod(0o600 if place == "file" else 0o666)
    path.parent.chmod(0o777 if place == "file" else 0o755)
    for folder in path.parents:
        if folder.is_relative_to(tmp_path.parent.parent.parent) and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setuid(65534)
            open_store(f"sqlite:///{path}")
        except InputError as error:
            status = 0 if "may not be read and written by this user" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_file_system", lambda folder: "nfs4")
    with pytest.raises(InputError, match=r"network file system \(nfs4\).*local disk, or PostgreSQL"):
        open_store(f"sqlite:///{tmp_path}/a.db")


def test_a_full_disk_is_said_and_what_was_there_stays(sqlite_url, rated):
    with open_store(sqlite_url) as store:
        store.submit(rated("f1"))
        pool = store._database.writers
        with pool.connect() as connection:
            room = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 40  # for the first, not for nine
        pool.dispose()
        event.listen(pool, "connect", lambda driver, _: driver.execute(f"PRAGMA max_page_count = {room}"))
        outcomes = [_stored(store, rated(f"big{number}", comment="x" * 100_000)) for number in range(9)]
        assert outcomes[0] == "stored"
        assert "the disk is full; nothing of this was stored" in outcomes[-1]
        stored = [record.id for entry in store.entries() for record in entry.feedback]
        assert stored == ["f1", *(f"big{number}" for number in range(outcomes.count("stored")))]


def _stored(store, entry):
    try:
        return store.submit(entry)[0].status
    except InputError as error:
        return str(error)


def test_errors_never_show_the_password_or_people_s_words():
    with pytest.raises(UnreachableError) as caught:
        open_store("postgresql://ana:s3cret@127.0.0.1:1/burnish")
    assert "s3cret" not in str(caught.value)
    assert "does not answer" in str(caught.value)
    assert "s3cret" not in repr(caught.value.__cause__)


def test_words_are_not_in_database_errors(store, rated):
    with pytest.raises(Exception, match="no_such_table") as caught, store._database.reading() as connection:
        connection.execute(text("SELECT * FROM no_such_table WHERE x = :words"), {"words": "planted"})
    assert "planted" not in str(caught.value)


def test_a_missing_postgres_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'burnish\[postgres\]'"):
        open_store("postgresql://host/db")


def test_the_turn_is_taken_at_the_start_so_no_lock_is_ever_upgraded(url):
    """Two read-then-write transactions at once: with a deferred BEGIN one of them would fail at once."""
    errors: list[Exception] = []
    with open_store(url) as one, open_store(url) as other:
        gate = threading.Barrier(2)

        def read_then_write(store):
            try:
                for number in range(20):
                    gate.wait()
                    with store._database.writing() as connection:
                        connection.execute(text("SELECT count(*) FROM feedback")).scalar()
                        row = {"key": f"{id(store)}-{number}", "value": "x"}
                        connection.execute(text("INSERT INTO state (key, value) VALUES (:key, :value)"), row)
            except Exception as error:  # noqa: BLE001  (shown by the assertion)
                errors.append(error)
                gate.abort()

        threads = [threading.Thread(target=read_then_write, args=(store,)) for store in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with one._database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM state")).scalar() == 40


def test_a_busy_neighbour_is_a_busy_error(sqlite_url):
    error = engine.explain(_driver_error(sqlite_url), "sqlite:///x")
    assert isinstance(error, BusyError)
    assert engine.explain(ValueError("ours"), "sqlite:///x") is None


def _driver_error(url: str) -> BaseException:
    with open_store(url) as holder, open_store(url) as other, holder._database.writing():
        driver = engine.sqlite_driver()
        with other._database.writers.connect() as connection:
            try:
                connection.connection.dbapi_connection.execute("BEGIN IMMEDIATE")
            except driver.OperationalError as error:
                return error
    raise AssertionError("the second BEGIN IMMEDIATE should have been refused")


def test_importing_the_store_brings_neither_torch_nor_a_database():
    code = """
        import sys
        import burnish.store
        from burnish.store import Entry, check, read_objects
        heavy = {"torch", "transformers", "sqlalchemy", "alembic", "numpy"} & set(sys.modules)
        assert not heavy, heavy
        from burnish.store import open_store
        heavy = {"torch", "transformers", "alembic"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("ask", ["\ud800", "\0"])
def test_a_text_that_cannot_be_stored_is_whoever_sent_it_s_mistake(store, ask):
    if ask == "\0" and store._database.is_sqlite:
        assert store.feedback(ask) is None
        return
    with pytest.raises(InputError, match="text: holds"):
        store.feedback(ask)


def test_a_number_that_cannot_be_stored_is_too(store):
    with pytest.raises(InputError, match="number: beyond"):
        store.history("ana", before=2**63)
