"""The bytes of what was erased: out of the files too, and if that cannot be now, at the next open.

`secure_delete` alone left planted words behind (docs/decisions/001-store.md), so files are rewritten.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text

from burnish.errors import BusyError
from burnish.store.accounts_schema import accounts, consents
from burnish.store.engine import Database
from burnish.store.read import LAST_ERASED
from burnish.store.schema import (
    completions,
    feedback,
    prompts,
    snapshot_feedback,
    snapshot_signals,
    snapshot_texts,
    state,
    words,
)
from burnish.store.studies_schema import (
    assignments,
    deliveries,
    study_events,
    study_people,
    study_versions,
    webhooks,
)
from burnish.store.talks_schema import talk_turns, talks

_WITH_WORDS = (
    words, prompts, completions, feedback, snapshot_signals, snapshot_texts, snapshot_feedback, assignments,
    study_events, deliveries, talks, talk_turns,
)  # fmt: skip
_WITH_NAMES = (accounts, consents, study_people, study_versions, webhooks, state)
PURGE_PENDING = "purge_pending"
_PURGE_SECONDS = 2.0  # how long to wait for readers of an older state before leaving the bytes to a later purge


def note_purge(connection: Connection) -> None:
    """Have the bytes of what is deleted in this transaction removed by the next purge."""
    connection.execute(delete(state).where(state.c.key == PURGE_PENDING))
    connection.execute(insert(state), {"key": PURGE_PENDING, "value": "1"})
    connection.execute(delete(state).where(state.c.key == LAST_ERASED))
    connection.execute(insert(state), {"key": LAST_ERASED, "value": str(time.time_ns())})


def purge_if_pending(database: Database) -> bool:
    """Finish an erasure whose bytes could not be removed then, because of readers or a kill; False if still not."""
    with database.reading() as connection:
        pending = connection.execute(select(state.c.key).where(state.c.key == PURGE_PENDING)).first()
    return purge(database) if pending else True


def purge(database: Database) -> bool:
    """Remove erased bytes from the files and return whether that worked; False while others read an older state."""
    try:
        done = purge_sqlite(database) if database.is_sqlite else _purge_postgres(database)
        if done:
            with database.writing() as connection:
                connection.execute(delete(state).where(state.c.key == PURGE_PENDING))
    except BusyError:
        return False
    return done


def purge_sqlite(database: Database) -> bool:
    """Rewrite the file, because b-tree balancing leaves copies in the gaps of pages, and empty the write-ahead log."""
    with database.writers.connect() as connection, database.explaining():
        driver: Any = connection.connection.dbapi_connection
        database.retrying(lambda: driver.execute("VACUUM"))
        deadline = time.monotonic() + _PURGE_SECONDS
        while driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


def _purge_postgres(database: Database) -> bool:
    """Rewrite the tables that held words or names; the server's own log and back-ups are its operator's."""
    with database.writers.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        for table in (*_WITH_WORDS, *_WITH_NAMES):
            connection.execute(text(f"VACUUM (FULL) {table.name}"))
    return True
