"""Many threads, one writer: each submission waits for the commit that holds it, and a commit holds all that wait.

While one group is being written and synced, the next one gathers. Then the writer lets those who were here a moment
ago catch up, as long as they keep coming: threads that share the interpreter's lock with the writer slow it down to
half, so one group of 64 costs less than two that take turns (measured: 5,300 a second against 4,400). A lone
submitter is never kept waiting. The writer also validates, before it takes its turn: in a row for a whole group that
costs less than in threads that each find the processor's caches cold (measured: 5,500 a second against 4,500).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from burnish.errors import InputError
from burnish.store.engine import Database
from burnish.store.entry import Entry, OnDuplicate
from burnish.store.insert import Inserts, Outcome, Work
from burnish.store.validation import Checked, checked

MOST_IN_A_GROUP = 512
"""Entries in one commit: bounds how long another process waits for its turn (about 30 ms)."""
_PATIENCE_SECONDS = 0.0003
"""How long nobody new may come before the writer begins."""


class _Ticket:
    """A submission and the gate its thread waits at."""

    __slots__ = ("entry", "error", "gate", "on_duplicate", "outcome")

    def __init__(self, entry: Entry | Checked, on_duplicate: OnDuplicate) -> None:
        self.entry = entry
        self.on_duplicate = on_duplicate
        self.gate = threading.Lock()  # the cheapest thing in Python that a thread can wait for
        self.gate.acquire()
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None


class GroupWriter:
    """The writer thread of one open store; it starts with the first submission."""

    def __init__(self, database: Database, inserts: Inserts) -> None:
        self._database = database
        self._inserts = inserts
        self._queue: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._door = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process = os.getpid()

    def submit(self, entry: Entry | Checked, on_duplicate: OnDuplicate) -> Outcome:
        """Return what became of the entry, once it is durable. Raises what the transaction raised."""
        if self._process != os.getpid():  # asked before the lock, which another thread may have held at the fork
            raise InputError("store: it was opened before this process was forked. Open it again in the child.")
        ticket = _Ticket(entry, on_duplicate)
        with self._door:
            if self._closed:
                raise InputError("store: it is closed. Open it again with open_store(url).")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="burnish-store-writer", daemon=True)
                self._thread.start()
            self._queue.put(ticket)
        ticket.gate.acquire()
        if isinstance(ticket.error, InputError):  # shared by the whole group: each thread raises its own
            raise type(ticket.error)(*ticket.error.args) from ticket.error
        if ticket.error is not None:
            raise ticket.error
        assert ticket.outcome is not None
        return ticket.outcome

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

    def _run(self) -> None:
        crowd = 1
        while (ticket := self._queue.get()) is not None:
            self._let_gather(crowd)
            group, ended = self._gather(ticket)
            self._commit(group)
            crowd = len(group) + self._queue.qsize()
            if ended:
                return

    def _let_gather(self, crowd: int) -> None:
        waiting = -1
        while waiting < self._queue.qsize() < crowd - 1:
            waiting = self._queue.qsize()
            time.sleep(_PATIENCE_SECONDS)

    def _gather(self, first: _Ticket) -> tuple[list[_Ticket], bool]:
        """Return everybody who waits, and whether `close` was called behind them."""
        group = [first]
        while len(group) < MOST_IN_A_GROUP:
            try:
                ticket = self._queue.get_nowait()
            except Empty:
                break
            if ticket is None:
                return group, True
            group.append(ticket)
        return group, False

    def _commit(self, group: list[_Ticket]) -> None:
        works = [work for ticket in group if (work := self._validated(ticket)) is not None]
        valid = [ticket for ticket in group if ticket.outcome is None and ticket.error is None]
        if works:
            self._store(valid, works)
        for ticket in group:
            ticket.gate.release()

    def _validated(self, ticket: _Ticket) -> Work | None:
        try:
            return Work(checked(ticket.entry), ticket.on_duplicate)
        except InputError as error:
            ticket.outcome = error
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits, which raises it)
            ticket.error = error
        return None

    def _store(self, group: Sequence[_Ticket], works: Sequence[Work]) -> None:
        try:
            with self._database.writing() as connection:
                outcomes = self._inserts.store(connection, works)
        except BaseException as error:  # noqa: BLE001  (handed to the threads that wait, which raise it)
            if len(group) > 1 and not isinstance(error, InputError):
                for ticket, work in zip(group, works, strict=True):
                    self._store([ticket], [work])  # one entry that the database refuses must not take others with it
                return
            for ticket in group:
                ticket.error = error
            return
        for ticket, outcome in zip(group, outcomes, strict=True):
            ticket.outcome = outcome
