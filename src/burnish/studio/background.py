"""Statistics computed while nobody waits: one thread, the latest result of each name, and what it was computed from.

A page asks for a name and the store's revision. It is given what is there, however old, and told how old; if the
revision has moved on, the thread computes anew, but spends at most `BUSY_SHARE` of its time on one name, so that a
study in full swing is not slowed by its own dashboard.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

BUSY_SHARE = 0.1
QUICK_SECONDS = 1.0
"""What takes less needs no rest."""
MOST_KEPT = 32
"""Results kept; those asked for longest ago go first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Latest:
    """What was computed last."""

    value: Any
    """None where it failed."""
    revision: str
    as_of: datetime
    seconds: float
    """That it took."""
    failed: str = ""
    """What went wrong, in words; empty where nothing did."""


class Background:
    """One worker for a process; its thread lives only while there is something to compute."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._latest: OrderedDict[str, Latest] = OrderedDict()
        self._rest_until: dict[str, float] = {}
        self._wanted: OrderedDict[str, tuple[str, Callable[[], Any]]] = OrderedDict()
        self._worker: threading.Thread | None = None
        self._doing = ""
        self._stopped = False

    def latest(self, name: str, revision: str, compute: Callable[[], Any]) -> Latest | None:
        """Return the last result of the name, None before there is one; have it computed anew where it is outdated."""
        with self._lock:
            found = self._latest.get(name)
            if found is not None:
                self._latest.move_to_end(name)
            if found is None or found.revision != revision:
                self._want(name, revision, compute)
            return found

    def is_busy(self, name: str) -> bool:
        """Return whether the name is being computed, or about to be."""
        with self._lock:
            return name in self._wanted or self._doing == name

    def wait(self, timeout: float = 60.0) -> bool:
        """Return once nothing is left to compute: for tests and for scripts that take pictures."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._wanted and not self._doing, timeout)

    def stop(self) -> None:
        """Begin nothing more, and keep quiet about what the closing of the store cuts short."""
        with self._lock:
            self._stopped = True
            self._wanted.clear()

    def _want(self, name: str, revision: str, compute: Callable[[], Any]) -> None:
        if self._stopped or self._doing == name or time.monotonic() < self._rest_until.get(name, 0.0):
            return
        self._wanted[name] = (revision, compute)
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="burnish-statistics", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._worker, self._doing = None, ""
                    self._lock.notify_all()
                    return
                self._doing, (revision, compute) = self._wanted.popitem(last=False)
                name = self._doing
            found = self._computed(name, revision, compute)
            with self._lock:
                self._latest[name] = found
                self._latest.move_to_end(name)
                while len(self._latest) > MOST_KEPT:
                    self._latest.popitem(last=False)
                rest = found.seconds * (1 / BUSY_SHARE - 1) if found.seconds > QUICK_SECONDS else 0.0
                self._rest_until[name] = time.monotonic() + rest
                self._doing = ""
                self._lock.notify_all()

    def _computed(self, name: str, revision: str, compute: Callable[[], Any]) -> Latest:
        began = time.monotonic()
        value, failed = None, ""
        try:
            value = compute()
        except Exception as error:
            if not self._stopped:
                log.exception("computing %s failed", name)
            failed = f"{type(error).__name__}: {error}"  # the page tells of it, and the next revision is tried again
        return Latest(value, revision, datetime.now(UTC), time.monotonic() - began, failed)
