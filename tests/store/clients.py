"""A program that other tests start and kill: forks one client of a store for each line of JSON it reads.

Forking from a process that has imported everything makes a client cost milliseconds instead of a second. A client
writes what was acknowledged to a file, one id a line and one `write` a line: what is there was acknowledged, also when
the client is killed the moment after.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from burnish.store import open_store
from conftest import make_rated


def submit(url: str, log: str, *, threads: int, each: int, name: str) -> None:
    """Submit from many threads through the validated call, logging each acknowledgement."""
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_store(url) as store:

        def work(thread: int) -> None:
            for number in range(each):
                (receipt,) = store.submit(make_rated(f"{name}-{thread}-{number}"))
                os.write(acknowledged, f"{receipt.feedback_id} {receipt.status}\n".encode())

        running = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()


def load(url: str, log: str, *, rows: int, name: str, batch: int) -> None:
    """Import many rows, logging each receipt."""
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_store(url) as store:
        entries = (make_rated(f"{name}-0-{number}") for number in range(rows))
        for receipt in store.submit_many(entries, batch=batch):
            os.write(acknowledged, f"{receipt.feedback_id} {receipt.status}\n".encode())


def watch(url: str, log: str, *, times: int) -> None:
    """Read the whole store again and again, logging what each reading saw: the highest number and the count by name."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_store(url) as store:
        for _ in range(times):
            seen: dict[str, list[int]] = {}
            for entry in store.entries():
                for record in entry.feedback:
                    name, _, number = record.id.rpartition("-")
                    seen.setdefault(name, []).append(int(number))
            counts = {name: [len(numbers), max(numbers) + 1] for name, numbers in seen.items()}
            os.write(out, f"{json.dumps(counts)}\n".encode())
            time.sleep(0.02)


CLIENTS = {"submit": submit, "load": load, "watch": watch}


def main() -> None:
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = start(order)
        print(json.dumps(answer), flush=True)


def start(order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        CLIENTS[order.pop("do")](**order)
        status = 0
    except BaseException as error:  # noqa: BLE001  (a forked child must never return into the loop above)
        Path(order["log"]).with_suffix(".error").write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
