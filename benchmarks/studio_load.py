"""Many people at work in the studio at once: is every answer stored once, no item given too often, how long is a wait.

    python benchmarks/studio_load.py                       64 people, an answer every 2 s each, 60 s, 100,000 items
    python benchmarks/studio_load.py --people 8 --seconds 5 --items 500 --answers 500        a quick look

A server of its own is started over a fresh SQLite file; people are threads of this process that speak HTTP with tokens.
One in ten answers is sent twice, 20 ms apart, as by a double click. In the end what people were told was stored is
compared with what is stored. Clients and server share the machine, so the server's processor time is printed too: on an
idle machine a request takes that long and no longer. `--first` has the work itself run before other programs, for a
busy machine (it takes root). Exit status 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store, open_store
from burnish.store.studies import NewItem
from burnish.studio.study import Question, Study
from burnish.studio.study_file import to_toml

STUDY = Study("load", "Load", (Question("better", "comparison", "Which one is better?", strength=True),), overlap=2)
DOUBLE_CLICK, CLICK_SECONDS = 0.1, 0.02
P99_MS, P95_MS, EXPORT_SECONDS = 250.0, 100.0, 10.0


@dataclass
class Seen:
    """What the people saw."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {"next": [], "answer": [], "page": []})
    told: list[str] = field(default_factory=list)
    """Ids that were acknowledged, each as often as it was."""
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, milliseconds: float) -> None:
        with self.lock:
            self.waits[what].append(milliseconds)


class Client:
    """One person's browser: a connection that is kept."""

    def __init__(self, port: int, token: str, seen: Seen) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._seen = seen

    def ask(self, what: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON, and take note of the wait."""
        began = time.perf_counter()
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        self._seen.add(what, 1000 * (time.perf_counter() - began))
        return answer.status, json.loads(raw) if raw else None


def main() -> int:
    """Run everything; 0 when all promises held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two answers of a person")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=50_000, help="answers of the study that is exported")
    parser.add_argument("--rule", default="overlap", choices=("random", "overlap", "active"))
    parser.add_argument("--first", action="store_true", help="run the work before other programs (SCHED_RR)")
    parser.add_argument("--serve", nargs=2, metavar=("URL", "PORT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve[0], int(args.serve[1]))
    with tempfile.TemporaryDirectory(prefix="burnish-load-") as folder:
        url = f"sqlite:///{folder}/load.db"
        with open_store(url) as store:
            began = time.monotonic()
            fill(store, args.items, args.rule)
            print(f"filled: {args.items:,} items in {time.monotonic() - began:.0f} s")
            tokens = [token(store, f"person-{number}", "annotator") for number in range(args.people)]
            owner = token(store, "olga", "owner")
        port = free_port()
        server = start(url, port, owner)
        try:
            if args.first:
                go_first(os.getpid(), server.pid)
            before, queued = processor_seconds(server.pid), queue_seconds(server.pid)
            seen, seconds = work(port, tokens, args)
            spent = processor_seconds(server.pid) - before
            queued = queue_seconds(server.pid) - queued
        finally:
            server.terminate()
            server.wait(20)
        with open_store(url) as store:
            held = [told(seen, seconds, spent, queued), check(store, seen)]
            answer_many(store, args.answers)
        held.append(export(url, args.answers))
    return 0 if all(held) else 1


# ------------------------------------------------------------------------------------------------------------- setting


def fill(store: Store, items: int, rule: str) -> None:
    """Make a study of so many pairs of texts."""
    study = Study(**{**{name: getattr(STUDY, name) for name in STUDY.__dataclass_fields__}, "next_item": rule})
    store.studies.save(study.name, to_toml(study), overlap=study.overlap, by="load", now_ms=1)
    numbers = iter(range(items))
    while some := list(islice(numbers, 2000)):
        entries = []
        for number in some:
            prompt = Prompt.of(f"Say in one sentence what thing number {number} is good for, and why you think so.")
            texts = (f"It is good for {word} things like number {number}, I would say." for word in ("large", "small"))
            entries.append(Entry(prompt, tuple(Completion(prompt.id, text) for text in texts)))
        list(store.submit_many(entries))
        new = [NewItem(entry.prompt.id, tuple(each.id for each in entry.completions)) for entry in entries]
        store.studies.add_items(study.name, new, overlap=study.overlap)
    store.studies.set_state(study.name, "open")


def token(store: Store, name: str, role: str) -> str:
    """Return a new person's token."""
    account = store.accounts.add(name, role, now_ms=1)
    now = time.time_ns() // 1_000_000
    return store.sessions.make_token(account, "load", role, now_ms=now, lasts_ms=86_400_000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(url: str, port: int) -> int:
    """Be the server."""
    import uvicorn

    from burnish.studio import create_app

    with open_store(url) as store:
        uvicorn.run(create_app(store), host="127.0.0.1", port=port, log_level="warning", access_log=False)
    return 0


def start(url: str, port: int, owner: str) -> subprocess.Popen[bytes]:
    """Return the server's process, once it answers."""
    command = [sys.executable, str(Path(__file__).resolve()), "--serve", url, str(port)]
    server = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if Client(port, owner, Seen()).ask("page", "GET", "/ready")[0] == 200:
                return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise SystemExit("the server did not start")


def go_first(*pids: int) -> None:
    """Have all threads of these processes, and those that they start, run before other programs."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))


def processor_seconds(pid: int) -> float:
    """Return what a process has used, in seconds."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def queue_seconds(pid: int) -> float:
    """Return how long a process's threads were ready to run while the machine's cores were taken (sched-stats.txt)."""
    parts = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(part[1]) for part in parts) / 1e9


# ---------------------------------------------------------------------------------------------------------------- work


def work(port: int, tokens: list[str], args: argparse.Namespace) -> tuple[Seen, float]:
    """Have everybody answer for a while; return what they saw and how long it took."""
    seen = Seen()
    until = time.monotonic() + args.seconds
    threads = [threading.Thread(target=person, args=(port, each, until, args.every, seen)) for each in tokens]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, time.monotonic() - began


def person(port: int, key: str, until: float, every: float, seen: Seen) -> None:
    """Answer one item every so many seconds."""
    client = Client(port, key, seen)
    time.sleep(random.random() * every)  # people do not begin in step
    due = time.monotonic()
    while time.monotonic() < until:
        status, task = client.ask("next", "POST", f"/api/work/{STUDY.name}/next")
        if status != 200:
            seen.wrong[f"next: {status}"] += 1
            return
        time.sleep(max(0.0, due + every - time.monotonic()))
        due += every
        answer(client, Client(port, key, seen), task["assignment"], seen)


def answer(client: Client, second: Client, assignment: str, seen: Seen) -> None:
    """Answer an item, now and then by a double click."""
    path = f"/api/assignments/{assignment}/answer"
    said = {"chosen": random.randrange(2), "strength": random.randint(1, 3)}
    body = {"key": secrets.token_hex(8), "seconds": 2.0, "answers": {"better": said}}
    again: threading.Thread | None = None
    if random.random() < DOUBLE_CLICK:
        again = threading.Thread(target=lambda: (time.sleep(CLICK_SECONDS), post(second, path, body, seen)))
        again.start()
    post(client, path, body, seen)
    if again is not None:
        again.join()


def post(client: Client, path: str, body: Any, seen: Seen) -> None:
    status, told_ = client.ask("answer", "POST", path, body)
    with seen.lock:
        if status == 200:
            seen.told += [each["feedback_id"] for each in told_["receipts"]]
        else:
            seen.wrong[f"answer: {status} {told_}"] += 1


# -------------------------------------------------------------------------------------------------------- what came out


def told(seen: Seen, seconds: float, spent: float, queued: float) -> bool:
    """Print the waits; return whether they are short enough."""
    fine = not seen.wrong
    for what, waits in seen.waits.items():
        if waits:
            p50, p95, p99 = (quantile(waits, share) for share in (0.5, 0.95, 0.99))
            print(
                f"{what:7} n={len(waits):6,}  p50 {p50:6.1f}  p95 {p95:6.1f}  p99 {p99:6.1f}  max {max(waits):6.1f} ms"
            )
            fine = fine and p99 <= P99_MS and p95 <= P95_MS
    requests = sum(map(len, seen.waits.values()))
    print(
        f"{requests / seconds:.0f} requests a second; server: {1000 * spent / requests:.1f} ms of processor a request,"
    )
    without = 1000 * queued / requests
    print(f"        {100 * spent / seconds:.0f}% of one core; {without:.1f} ms a request ready to run without a core;")
    print(f"        load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for message, count in seen.wrong.most_common(5):
        print(f"        {count} x {message}")
    return fine


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def check(store: Store, seen: Seen) -> bool:
    """Compare what was acknowledged with what is stored; return whether all promises held."""
    stored = [record for entry in store.entries(include_superseded=True) for record in entry.feedback]
    ids = [record.id for record in stored]
    lost = set(seen.told) - set(ids)
    said = Counter((record.author.id, record.prompt_id) for record in stored)
    doubled = sum(count - 1 for count in said.values())
    over = sum(count > STUDY.overlap for count in Counter(record.prompt_id for record in stored).values())
    acknowledged = set(seen.told)
    twice, unheard = len(seen.told) - len(acknowledged), len(set(ids) - acknowledged)
    print(f"answers: {len(acknowledged):,} acknowledged ({twice:,} of them twice), {len(ids):,} stored")
    print(f"         lost {len(lost)}, doubled {doubled}, items over their overlap {over}, stored unheard {unheard}")
    return not lost and not doubled and not over


def answer_many(store: Store, answers: int) -> None:
    """Store so many answers of a study that is to be exported, without going through the studio."""
    study = Study("many", "Many", STUDY.questions, overlap=1)
    store.studies.save(study.name, to_toml(study), overlap=1, by="load", now_ms=1)
    numbers = iter(range(answers))
    while some := list(islice(numbers, 2000)):
        entries = [answered(number) for number in some]
        list(store.submit_many(entries))
        new = [NewItem(entry.prompt.id, tuple(each.id for each in entry.completions)) for entry in entries]
        store.studies.add_items(study.name, new, overlap=1)


def answered(number: int) -> Entry:
    prompt = Prompt.of(f"What is thing {number} of many?")
    pair = tuple(Completion(prompt.id, f"Thing {number} is {word}, as far as I can tell.") for word in ("red", "blue"))
    feedback = Feedback(
        id=f"many-{number}",
        kind="comparison",
        prompt_id=prompt.id,
        completion_ids=tuple(each.id for each in pair),
        value={"chosen": number % 2},
        author=Author(f"person-{number % 64}"),
        exposure={"order": [0, 1]},
        run="studio:many",
        metadata={"study": "many", "version": 1, "item": f"i_{number}", "question": "better"},
    )
    return Entry(prompt, pair, (feedback,))


def export(url: str, answers: int) -> bool:
    """Take a study's answers out over HTTP; return whether that is quick enough and whole."""
    with open_store(url) as store:
        owner = store.accounts.by_name("olga")
        assert owner is not None
        now = time.time_ns() // 1_000_000
        key = store.sessions.make_token(owner, "export", "owner", now_ms=now, lasts_ms=3_600_000)
    port = free_port()
    server = start(url, port, key)
    try:
        before = processor_seconds(server.pid)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        began = time.perf_counter()
        connection.request("GET", "/api/studies/many/export", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        first = None
        size = lines = 0
        while piece := answer.read1(1 << 16):
            first = first or time.perf_counter() - began
            size, lines = size + len(piece), lines + piece.count(b"\n")
        seconds = time.perf_counter() - began
        spent = processor_seconds(server.pid) - before
        memory = [line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "VmHWM" in line]
    finally:
        server.terminate()
        server.wait(20)
    most = memory[0].split(":")[1].strip()
    print(f"export: {lines:,} answers, {size / 2**20:.0f} MiB in {seconds:.1f} s ({spent:.1f} s of processor)")
    print(f"        first piece after {1000 * (first or 0):.0f} ms; the server's most memory {most}")
    return lines == answers and seconds <= EXPORT_SECONDS


if __name__ == "__main__":
    sys.exit(main())
