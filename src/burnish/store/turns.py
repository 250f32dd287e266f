"""Many threads, one write transaction: each act waits for the commit that holds it, and a commit holds all that wait.

As `GroupWriter` does for feedback alone, but for any act on the database: giving out an item, storing an answer with
the counts it changes, a draft. Each act has a savepoint of its own, so that one that raises takes nothing with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from burnish.errors import InputError
from burnish.store.engine import Database

T = TypeVar("T")

MOST_ACTS = 128
"""Acts in one commit: bounds how long another process waits for its turn."""


class _Ticket:
    """An act and the gate its thread waits at."""

    __slots__ = ("act", "error", "gate", "result")

    def __init__(self, act: Callable[[Connection], Any]) -> None:
        self.act = act
        self.gate = threading.Lock()
        self.gate.acquire()
        self.result: Any = None
        self.error: BaseException | None = None


class Turns:
    """The thread that writes for all others; it starts with the first act."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._door = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process = os.getpid()

    def run(self, act: Callable[[Connection], T]) -> T:
        """Return what the act returns, once what it wrote is durable. Raises what it raised, with nothing written."""
        if self._process != os.getpid():
            raise InputError("store: it was opened before this process was forked. Open it again in the child.")
        ticket = _Ticket(act)
        with self._door:
            if self._closed:
                raise InputError("store: it is closed. Open it again with open_store(url).")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="burnish-store-turns", daemon=True)
                self._thread.start()
            self._queue.put(ticket)
        ticket.gate.acquire()
        if isinstance(ticket.error, InputError):  # a failed commit is shared: each thread raises its own
            raise type(ticket.error)(*ticket.error.args) from ticket.error
        if ticket.error is not None:
            raise ticket.error
        return cast(T, ticket.result)

    def close(self) -> None:
        """Commit what waits, then stop; in a forked child there is nothing to stop."""
        if self._process != os.getpid():
            return
        with self._door:
            self._closed = True
            if self._thread is not None:
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while (ticket := self._queue.get()) is not None:
            group, ended = self._gather(ticket)
            self._commit(group)
            for each in group:
                each.gate.release()
            if ended:
                return

    def _gather(self, first: _Ticket) -> tuple[list[_Ticket], bool]:
        """Return everybody who waits, and whether `close` was called behind them."""
        group = [first]
        while len(group) < MOST_ACTS:
            try:
                ticket = self._queue.get_nowait()
            except Empty:
                break
            if ticket is None:
                return group, True
            group.append(ticket)
        return group, False

    def _commit(self, group: Sequence[_Ticket]) -> None:
        try:
            with self._database.writing() as connection:
                for ticket in group:
                    _act(connection, ticket)
        except BaseException as error:  # noqa: BLE001  (handed to the threads that wait, which raise it)
            for ticket in group:  # nothing of the group was stored, so nobody is told that it was
                ticket.error = ticket.error or error


def _act(connection: Connection, ticket: _Ticket) -> None:
    savepoint = connection.begin_nested()
    try:
        ticket.result = ticket.act(connection)
    except BaseException as error:
        if _has_ended(connection):  # SQLite ends a transaction by itself when the disk is full: nothing of it stands
            raise
        savepoint.rollback()
        ticket.error = error
    else:
        savepoint.commit()


def _has_ended(connection: Connection) -> bool:
    driver: Any = connection.connection.dbapi_connection
    return not getattr(driver, "in_transaction", True)
