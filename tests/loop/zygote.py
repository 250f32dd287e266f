"""A process that has imported the loop once and forks a child for each command: a run starts in no time.

One JSON object a line on standard input, one a line back:
    {"start": {...}}  -> {"pid": n}       words, folder (working folder), said (file for output), hooks
    {"wait": n}       -> {"status": n}    exit status, or minus the signal that ended it
A hook is [target, times, what]: at the given call of `module:name.attribute` the child sends itself a signal
("SIGKILL", "SIGINT", ...) or makes a file ("touch run/stop"), before the call is made; "nothing" replaces every call by
an empty mapping.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any


def hook(target: str, times: int, what: str) -> None:
    """Put something in the way of the `times`-th call of a function or method."""
    module, _, name = target.partition(":")
    *owners, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    original, calls = getattr(owner, last), [0]

    def hooked(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if what == "nothing":
            return {}
        if calls[0] == times:
            if what.startswith("touch "):
                open(what.removeprefix("touch "), "w").close()
            else:
                os.kill(os.getpid(), getattr(signal, what))
        return original(*args, **kwargs)

    setattr(owner, last, hooked)


def child(words: list[str], folder: str, said: str, hooks: list[tuple[str, int, str]]) -> int:
    """Run one command and return its exit status."""
    from burnish.cli.main import main

    os.chdir(folder)
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in hooks:
        hook(*each)
    try:
        return main(words)
    except SystemExit as left:
        return int(left.code or 0)


def serve() -> None:
    for module in ("burnish.loop.ring", "burnish.tasks.smoke", "jinja2", "sklearn.linear_model"):
        importlib.import_module(module)
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    status = child(**asked["start"])
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            answer = {"pid": pid}
        else:
            answer = {"status": os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
