"""A child of the bench: told its job, it does one timed step for each line it reads, and prints a JSON line for each.

    parent: {"side": "trl_grpo", "model": ..., ...}       the job, once
    child:  {"ready": true, "threads": 2, ...}            the model is loaded
    parent: {"step": 0}                                   do one step now
    child:  {"seconds": 6.1, "tokens": 912, "peak_memory_gib": 1.9, ...}
    parent closes its end: the child leaves

Between two lines the child waits for the next and computes nothing.

    PEERS/bin/python child.py
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import resource
import sys
from typing import Any, TextIO


class Turns:
    """What a child is asked, one line at a time, and where it answers."""

    def __init__(self, asked: TextIO, answers: TextIO) -> None:
        self.asked = asked
        self.answers = answers

    @classmethod
    def of_process(cls) -> Turns:
        """Return the turns of this process; whatever libraries print from now on goes to standard error."""
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return cls(sys.stdin, answers)

    def next(self) -> dict[str, Any] | None:
        """Wait for the next line and return it; None when there will be no more."""
        line = self.asked.readline()
        return json.loads(line) if line.strip() else None

    def answer(self, **facts: Any) -> None:
        """Tell what came of it, with the highest resident set of this process so far."""
        facts["peak_memory_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            2**30 if sys.platform == "darwin" else 2**20
        )
        print(json.dumps(facts), file=self.answers, flush=True)

    def ready(self, threads: int, *packages: str) -> None:
        """Tell that the model is loaded, how many threads compute, and which versions of which packages are at work."""
        self.answer(ready=True, threads=threads, versions={name: importlib.metadata.version(name) for name in packages})


def main() -> None:
    turns = Turns.of_process()
    job = turns.next()
    if job is not None:
        importlib.import_module(job["side"]).serve(job, turns)


if __name__ == "__main__":
    main()
