"""The run folder: who holds it, which stages are done, how long each took, and whether somebody asked to stop."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from burnish import files, memory
from burnish.errors import InputError, StoppedOnRequest

STATUS = "status.json"


class RunFolder:
    """A folder whose `status.json` is rewritten whole after every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status: dict[str, Any] = {"state": "new", "done": [], "seconds": {}, "peak_memory_gib": 0.0}
        if self._file.exists():
            self.status |= self._read()
        self._asked = False
        self._since: tuple[str, float] | None = None

    @property
    def _file(self) -> Path:
        return self.path / STATUS

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text("utf-8"))
        except ValueError as error:
            found = error
        if not isinstance(found, dict):
            raise InputError(
                f"{self._file}: not what a run wrote there ({found}). Remove the folder, or take another --out."
            )
        return found

    def is_done(self, stage: str) -> bool:
        return stage in self.status["done"]

    def update(self, **values: Any) -> None:
        """Write values into status.json."""
        self._count()
        self.status |= values
        files.write_atomic(self._file, json.dumps(self.status, indent=1))

    def stage(self, name: str, work: Callable[[], None]) -> None:
        """Do a stage once: a finished one is passed over, its time is kept across interruptions."""
        if self.is_done(name):
            return
        self.check_stop()
        self._since = (name, time.monotonic())
        self.update(state=name)
        try:
            work()
            self.status["done"].append(name)
        finally:
            self._count()
            self._since = None
            self.update()
            memory.give_back()

    def _count(self) -> None:
        if self._since:
            name, began = self._since
            now = time.monotonic()
            self.status["seconds"][name] = self.status["seconds"].get(name, 0.0) + now - began
            self._since = (name, now)
        # ru_maxrss is in KiB on Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        self.status["peak_memory_gib"] = max(self.status["peak_memory_gib"], peak)

    # ------------------------------------------------------------------------------------------------- stopping

    def wants_stop(self) -> bool:
        """Return whether a signal came, or a file named `stop` lies in the folder."""
        return self._asked or (self.path / "stop").exists()

    def check_stop(self) -> None:
        """Raise StoppedOnRequest if somebody asked; call it where everything is saved."""
        if self.wants_stop():
            (self.path / "stop").unlink(missing_ok=True)
            self.update(state="stopped")
            raise StoppedOnRequest(
                f"stopped; everything is saved in {self.path}. Go on with the same command and --resume."
            )

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the first Ctrl-C or SIGTERM asks for a stop at the next saved place, a second one leaves at once."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self._asked and number == signal.SIGINT:
                raise KeyboardInterrupt
            self._asked = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        except KeyboardInterrupt:
            raise StoppedOnRequest(
                f"left at once; what was saved last lies in {self.path}. Go on with the same command and --resume."
            ) from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
