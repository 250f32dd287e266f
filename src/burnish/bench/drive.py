"""Children that do one step when they are told to, and the order in which they are told."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from burnish.errors import InputError

SETTLE_SECONDS = 0.3
"""Pause before each step: threads of the side that has just worked stop spinning for more."""
TOLD_LINES = 12


class Child:
    """One side in a process of its own; idle unless it is asked."""

    def __init__(
        self, name: str, command: Sequence[str], job: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see close
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=dict(environment) if environment is not None else None,
            text=True,
        )
        self.facts: dict[str, Any] = {}
        """What it said when it was ready: threads, versions."""
        try:
            self.facts = self._talk(job)
        except BaseException:  # an interrupt too: nobody else knows of the child yet
            self.close()
            raise

    def ask(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the child measured for this turn."""
        time.sleep(SETTLE_SECONDS)
        return self._talk(turn)

    def close(self) -> None:
        """End the child; it has nothing to save."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # what it never read
                stream.close()

    def _talk(self, line: Mapping[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer.strip():
            raise self._died()
        found: dict[str, Any] = json.loads(answer)
        return found

    def _died(self) -> InputError:
        status = self.process.wait()
        self.log.seek(0)
        told = "".join(self.log.readlines()[-TOLD_LINES:]).strip() or "it said nothing"
        hint = " It was killed: is there too little memory for both sides?" if status == -9 else ""
        return InputError(f"bench: {self.name} ended with status {status}.{hint} Its last words:\n{told}")


def alternate(
    children: Mapping[str, Child],
    turns: Sequence[Mapping[str, Any]],
    *,
    takes_part: Callable[[str, Mapping[str, Any]], bool] = lambda name, turn: True,
    done: Callable[[str, dict[str, Any]], None] = lambda name, found: None,
) -> dict[str, list[dict[str, Any]]]:
    """Return what each child measured, turn by turn: for each turn one child after the other, never two at once.

    takes_part: whether a child takes this turn; of others it has an empty answer.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in children}
    for turn in turns:
        for name, child in children.items():
            if not takes_part(name, turn):
                found[name].append({})
                continue
            measured = child.ask(turn)
            found[name].append(measured)
            done(name, measured)
    return found
