"""How fast the store takes submissions, and whether a kill ever loses one that was acknowledged.

    python benchmarks/store.py submit            64 threads x 1,000 submissions through the validated call
    python benchmarks/store.py kill              300 times kill -9 a process of 16 submitting threads
    python benchmarks/store.py rest              import, read, snapshot, erase: 100,000 records

On SQLite in a temporary folder by default, or on any `--db URL` (an empty one: rows are added). Prints figures, one
JSON object at the end; exits 1 when anything acknowledged was lost or stored twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish.records import Author, Completion, Feedback, Prompt, Score
from burnish.store import Entry, Store, open_store


def make_entry(name: str, author: str) -> Entry:
    """Return a rating with a comment, on a text of its own, as a page would send it."""
    prompt = Prompt.of(f"Write a short review of thing {name}.")
    text = f"It is a fine thing, number {name}; I would buy it again and tell my friends about it."
    completion = Completion(prompt.id, text)
    value = {"rating": 4, "scale": [1, 5]}
    said = Feedback(
        name,
        "rating",
        prompt.id,
        (completion.id,),
        value,
        Author(author),
        comment="I like it",
        time="2025-01-01T10:00:00Z",
    )
    return Entry(prompt, (completion,), (said,))


# --------------------------------------------------------------------------------------------------------------- submit


def submit(store: Store, args: argparse.Namespace) -> dict[str, Any]:
    """Measure many threads that each wait for their own acknowledgement; entries are made before the clock starts."""
    gate = threading.Barrier(args.threads + 1)
    seconds: list[float] = []
    statuses: Counter[str] = Counter()
    lock = threading.Lock()
    run = os.urandom(4).hex()

    def client(thread: int) -> None:
        entries = [make_entry(f"{run}-{thread}-{number}", f"person {thread}") for number in range(args.each)]
        mine, heard = [], Counter[str]()
        gate.wait()
        for entry in entries:
            start = time.perf_counter()
            (receipt,) = store.submit(entry)
            mine.append(time.perf_counter() - start)
            heard[receipt.status] += 1
        with lock:
            seconds.extend(mine)
            statuses.update(heard)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(args.threads)]
    for thread in threads:
        thread.start()
    gate.wait()
    start, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    sent = args.threads * args.each
    found = Counter(record.id for entry in store.entries() for record in entry.feedback if record.id.startswith(run))
    ranked = sorted(seconds)
    return {
        "submissions": sent,
        "acknowledged": statuses["stored"],
        "lost": sent - len(found),
        "twice": sum(count - 1 for count in found.values()),
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "per_second": round(sent / wall),
        "milliseconds": {
            name: round(1000 * ranked[int(share * (len(ranked) - 1))], 1)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
    }


# ----------------------------------------------------------------------------------------------------------------- kill


def kill(url: str, args: argparse.Namespace) -> dict[str, Any]:
    """Kill a submitting process at random moments and look for what it had been told was stored."""
    draw = random.Random(args.seed)
    run = os.urandom(4).hex()
    heard: set[str] = set()
    lost: set[str] = set()
    unheard = 0
    with tempfile.TemporaryDirectory() as folder:
        for cycle in range(args.cycles):
            log = Path(folder) / f"{cycle}.log"
            child = _fork_client(url, log, args.threads, f"{run}-{cycle}")
            while not (log.exists() and log.stat().st_size):
                if os.waitpid(child, os.WNOHANG)[0]:
                    raise SystemExit(f"cycle {cycle}: the client ended by itself")
                time.sleep(0.001)
            time.sleep(draw.uniform(0, args.longest))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            now = set(log.read_text().rpartition("\n")[0].splitlines())
            with open_store(url) as store:
                lost |= {name for name in now if store.feedback(name) is None}
                for thread in range(args.threads):  # what was being sent: stored without an answer, or not at all
                    number = sum(name.startswith(f"{run}-{cycle}-{thread}-") for name in now)
                    (receipt,) = store.submit(make_entry(f"{run}-{cycle}-{thread}-{number}", f"person {thread}"))
                    unheard += receipt.status == "known"
                    now.add(receipt.feedback_id)
            heard |= now
            if cycle % 25 == 24:
                print(f"{cycle + 1} kills, {len(heard):,} acknowledged, {len(lost)} lost", file=sys.stderr)
    with open_store(url) as store:
        found = Counter(record.id for entry in store.entries() for record in entry.feedback)
        mine = {name: count for name, count in found.items() if name.startswith(run)}
    return {
        "cycles": args.cycles,
        "acknowledged": len(heard),
        "lost": len(lost | (heard - set(mine))),
        "twice": sum(count - 1 for count in mine.values()),
        "stored_but_never_heard_of": unheard,
        "known_again_by_retry": unheard,
    }


def _fork_client(url: str, log: Path, threads: int, name: str) -> int:
    """Return the id of a child that submits; this process has no threads at that time, so a fork is safe."""
    child = os.fork()
    if child:
        return child
    try:
        _submit_until_killed(url, log, threads, name)
    finally:
        os._exit(1)


def _submit_until_killed(url: str, log: Path, threads: int, name: str) -> None:
    acknowledged = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = open_store(url)

    def client(thread: int) -> None:
        number = 0
        while True:
            (receipt,) = store.submit(make_entry(f"{name}-{thread}-{number}", f"person {thread}"))
            os.write(acknowledged, f"{receipt.feedback_id}\n".encode())
            number += 1

    running = [threading.Thread(target=client, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


# ----------------------------------------------------------------------------------------------------------------- rest


def rest(store: Store, args: argparse.Namespace) -> dict[str, Any]:
    """Measure what is not submitting: each figure is records a second, or seconds."""
    names = [f"{os.urandom(8).hex()}" for _ in range(args.records)]
    seconds: dict[str, float] = {}

    def timed(what: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[what] = time.perf_counter() - start
        return result

    def entries() -> Any:
        return (make_entry(name, f"person {number % 100}") for number, name in enumerate(names))

    timed("import", lambda: sum(receipt.status == "stored" for receipt in store.submit_many(entries())))
    timed("import again", lambda: sum(receipt.status == "known" for receipt in store.submit_many(entries())))
    read = timed("read", lambda: list(store.entries()))
    signals = [Score(entry.prompt, entry.completions[0], 0.5, feedback_ids=(entry.feedback[0].id,)) for entry in read]
    snapshot = timed("save snapshot", lambda: store.save_snapshot(signals))
    timed("load snapshot", lambda: store.load_snapshot(snapshot))
    timed("stats", lambda: store.stats())
    erased = timed("erase a person", lambda: store.erase_author("person 7"))
    return {
        "records": args.records,
        "seconds": {what: round(spent, 2) for what, spent in seconds.items()},
        "records_per_second": {
            what: round(args.records / seconds[what]) for what in ("import", "import again", "read", "save snapshot")
        },
        "erased": erased.records,
        "lost": 0,
        "twice": 0,
    }


# ----------------------------------------------------------------------------------------------------------------- main


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, threads in (("submit", 64), ("kill", 16), ("rest", 0)):
        verb = verbs.add_parser(name)
        verb.add_argument("--db", metavar="URL", help="default: SQLite in a temporary folder of --folder")
        verb.add_argument("--folder", default=".", help="where the temporary folder is made (default: here)")
        verb.add_argument("--threads", type=int, default=threads)
        verb.add_argument("--each", type=int, default=1000, help="submissions a thread")
        verb.add_argument("--cycles", type=int, default=300, help="kills")
        verb.add_argument("--longest", type=float, default=0.1, help="longest time to a kill after the first answer, s")
        verb.add_argument("--records", type=int, default=100_000)
        verb.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix=".bench-store-") as folder:
        url = args.db or f"sqlite:///{folder}/bench.db"
        if args.verb == "kill":
            open_store(url).close()
            result = kill(url, args)
        else:
            with open_store(url) as store:
                result = submit(store, args) if args.verb == "submit" else rest(store, args)
        report = {"benchmark": args.verb, **result, "machine": machine(url, args.folder)}
    print(json.dumps(report, indent=2))
    return 1 if result["lost"] or result["twice"] else 0


def machine(url: str, folder: str) -> dict[str, Any]:
    """Return what the figures depend on."""
    from burnish.store.engine import sqlite_driver

    engine = (
        f"SQLite {sqlite_driver().sqlite_version}, WAL, synchronous=FULL" if url.startswith("sqlite") else "PostgreSQL"
    )
    start = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    return {
        "engine": engine,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "fsync_milliseconds": round((time.perf_counter() - start) / 50 * 1000, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
