"""The schema at open: brought up to date once, whoever comes first, and never half."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from burnish.errors import InputError
from burnish.store import Store, engine, migrate, open_store, schema


def test_the_constant_names_the_newest_step_and_there_is_one_line_of_them():
    script = ScriptDirectory(str(migrate.FOLDER))
    assert script.get_heads() == [migrate.HEAD]


def test_the_steps_build_what_the_code_expects(store):
    with store._database.reading() as connection:
        options = {"version_table": migrate.VERSION_TABLE, "compare_type": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)
    assert differences == []


def test_many_may_open_a_new_database_at_once(url, rated):
    """Each thread is a store of its own, as a process would be; processes are tried in test_processes.py."""
    gate, errors = threading.Barrier(6), []

    def first_use(number):
        gate.wait()
        try:
            with open_store(url) as store:
                store.submit(rated(f"f{number}"))
        except Exception as error:  # noqa: BLE001  (shown by the assertion)
            errors.append(error)

    threads = [threading.Thread(target=first_use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with open_store(url) as store:
        assert store.stats()["records"] == 6


def test_a_newer_schema_is_refused_with_the_remedy(url):
    with open_store(url) as store, store._database.writing() as connection:
        connection.execute(text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '0999'"))
    with pytest.raises(
        InputError, match=r"newer burnish \(schema 0999; this one knows up to \d+\).*pip install -U burnish"
    ):
        open_store(url)


def test_an_older_store_is_brought_up_to_date_and_keeps_its_records(url, rated):
    database = engine.connect(url, create=True)
    database.use_wal()
    with database.writing() as connection:
        migrate.upgrade(connection, None, "test", to="0001")
    with Store(database) as old:
        old.submit(rated("f1"))
    with open_store(url) as store:
        assert store.stats()["records"] == 1
        assert store.accounts.add("ana", "owner", now_ms=1).name == "ana"
        assert store.studies.listing() == []


def test_a_failure_in_the_middle_leaves_nothing(url):
    database = engine.connect(url, create=True)
    database.use_wal()
    with pytest.raises(RuntimeError, match=f"{len(schema.metadata.tables)} tables"):
        _fail_after_upgrade(database)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    database.dispose()
    open_store(url).close()


def _fail_after_upgrade(database):
    with database.writing() as connection:
        migrate.upgrade(connection, None, "test")
        made = set(inspect(connection).get_table_names()) & set(schema.metadata.tables)
        raise RuntimeError(f"{len(made)} tables")


def test_a_kill_in_the_middle_leaves_a_file_that_opens(sqlite_url, rated):
    """The process dies between creating tables and the commit: SQLite must undo them at the next open."""
    code = f"""
        import os, signal
        from burnish.store import engine, migrate
        database = engine.connect({sqlite_url!r}, create=True)
        database.use_wal()
        with database.writing() as connection:
            migrate.upgrade(connection, None, "test")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -9
    with open_store(sqlite_url) as store:
        store.submit(rated("f1"))
        assert store.stats()["records"] == 1


def test_opening_again_does_not_import_the_migration_library(sqlite_url):
    open_store(sqlite_url).close()
    code = f"""
        import sys
        from burnish.store import open_store
        open_store({sqlite_url!r}).close()
        assert "alembic" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.postgres
def test_tables_of_another_program_beside_ours_are_left_alone_on_postgres(postgres_url, rated):
    database = engine.connect(postgres_url, create=True)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE bookmarks (url TEXT)"))
    with open_store(postgres_url) as store:
        store.submit(rated("f1"))
    with database.writing() as connection:
        connection.execute(text(f"DROP TABLE {migrate.VERSION_TABLE}"))
    with pytest.raises(InputError, match="tables of another program"):
        open_store(postgres_url)
    database.dispose()
