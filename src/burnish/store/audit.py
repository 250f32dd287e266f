"""Who did what, in a chain: each row's hash covers the one before, so that no row can be changed, moved or left out.

    hash_n = SHA-256(hash_{n-1} ‖ canonical JSON of (n, time, actor, action, subject, details))

A cut tail leaves a chain that is whole in itself. It shows against an anchor: a number and a hash that were written
down elsewhere (`head`, which the studio shows and prints). Rows name accounts by number, never by name, so that the log
outlives a person's data without keeping any.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from burnish.errors import DamagedFileError
from burnish.records import canonical_json
from burnish.store.accounts_schema import audit
from burnish.store.engine import Database

GENESIS = hashlib.sha256(b"burnish audit").hexdigest()
"""What stands before the first row."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain ended at some time: keep it where the database's writers cannot reach."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """A row of the log."""

    seq: int
    time_ms: int
    actor: int | None
    """The account's number; None is the program itself or a visitor."""
    action: str
    subject: str
    """What it was done to: `account:NUMBER`, `study:NAME`, ..."""
    details: Mapping[str, Any]


def append(
    connection: Connection, now_ms: int, actor: int | None, action: str, subject: str = "", **details: Any
) -> None:
    """Write a row inside the caller's transaction, so that the deed and its record stand or fall together."""
    last = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    seq, before = (last[0] + 1, last[1]) if last else (1, GENESIS)
    row = {"seq": seq, "time_ms": now_ms, "actor": actor, "action": action, "subject": subject}
    row["details"] = canonical_json(details)
    connection.execute(insert(audit), {**row, "hash": link(before, row)})


def link(before: str, row: Mapping[str, Any]) -> str:
    """Return the hash of a row behind the hash of the row before."""
    fields = [row[name] for name in ("seq", "time_ms", "actor", "action", "subject", "details")]
    return hashlib.sha256((before + canonical_json(fields)).encode()).hexdigest()


class Audit:
    """The log of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, now_ms: int, actor: int | None, action: str, subject: str = "", **details: Any) -> None:
        """Write a row for a deed that needs no transaction with it."""
        with self._database.writing() as connection:
            append(connection, now_ms, actor, action, subject, **details)

    def head(self) -> Anchor:
        """Return where the chain ends now."""
        with self._database.reading() as connection:
            last = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
        return Anchor(last[0], last[1]) if last else Anchor(0, GENESIS)

    def latest(self, most: int = 100, *, before: int | None = None, actor: int | None = None) -> list[Event]:
        """Return rows, newest first; those before a number, or of one actor, when asked for."""
        query = select(audit).order_by(audit.c.seq.desc()).limit(most)
        if before is not None:
            query = query.where(audit.c.seq < before)
        if actor is not None:
            query = query.where(audit.c.actor == actor)
        with self._database.reading() as connection:
            return [
                Event(row.seq, row.time_ms, row.actor, row.action, row.subject, json.loads(row.details))
                for row in connection.execute(query)
            ]

    def verify(self, anchor: Anchor | None = None) -> Anchor:
        """Return where the chain ends after following it from the start.

        Raises `DamagedFileError` naming the first row that was changed, moved, put in or taken out, or saying that
        the anchor's row is gone or another one.
        """
        expected, before, anchored = 1, GENESIS, anchor is None or anchor == Anchor(0, GENESIS)
        with self._database.reading() as connection:
            for found in connection.execute(select(audit).order_by(audit.c.seq)):
                row = found._asdict()
                if row["seq"] != expected:
                    raise DamagedFileError(f"audit log: row {expected} is missing. Restore the store from a copy.")
                before = link(before, row)
                if before != row["hash"]:
                    raise DamagedFileError(
                        f"audit log: row {expected} is not what was written, or one before it is gone. Restore a copy."
                    )
                anchored = anchored or Anchor(expected, before) == anchor
                expected += 1
        if not anchored and anchor is not None:
            raise DamagedFileError(
                f"audit log: it ends at row {expected - 1} and does not hold row {anchor.seq} as it was noted down "
                f"({anchor.hash[:12]}…): its end was cut off or written anew. Restore the store from a copy."
            )
        return Anchor(expected - 1, before)
