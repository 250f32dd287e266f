"""How long 100,000 records of feedback take in, take to be told about, and take to be examined, and how much memory.

    python benchmarks/feedback_scale.py [--records 100000] [--db URL]

Writes a file of comparisons, ratings, thumbs and comments by 60 simulated people, then runs the commands as a person
would, each in a process of its own. Time on the clock and in the processor: on a machine that does something else as
well, the second is the one to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

PEOPLE, GUESSING, WORDS = 60, 10, 2_000


def rows(records: int) -> Iterator[dict[str, Any]]:
    """Yield about so many rows: three people answer of each prompt; the first ten guess."""
    generator = np.random.default_rng(0)
    vocabulary = [f"word{number}" for number in range(WORDS)]
    made = prompt = 0
    while made < records:
        prompt += 1
        texts = [" ".join(generator.choice(vocabulary, int(generator.integers(8, 30)))) for _ in range(2)]
        quality = 1.5 * generator.normal(size=2)
        for person in generator.choice(PEOPLE, 3, replace=False).tolist():
            for row in _answers(prompt, texts, quality * (person >= GUESSING), person, generator):
                made += 1
                yield row


def _answers(
    prompt: int, texts: list[str], felt: np.ndarray[Any, Any], person: int, generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    hour, minute = divmod(prompt, 60)
    always = {
        "prompt": f"Write about thing {prompt}.",
        "author": f"person {person}",
        "time": f"2026-01-{1 + hour // 24 % 28:02}T{hour % 24:02}:{minute:02}:00Z",
        "seconds_spent": round(float(generator.uniform(5, 40)), 1),
    }
    best = 0 if generator.random() < expit(felt[0] - felt[1]) else 1
    side = "chosen" if generator.random() < 0.5 else "rejected"
    yield {**always, "chosen": texts[best], "rejected": texts[1 - best], "shown_first": side}
    for text, quality in zip(texts, felt, strict=True):
        rating = int(np.clip(round(3 + quality + 0.7 * generator.normal()), 1, 5))
        yield {**always, "completion": text, "rating": rating, "scale": [1, 5]}
    yield {**always, "completion": texts[0], "thumb": bool(felt[0] + generator.normal() > 0)}
    if generator.random() < 0.3:
        yield {**always, "completion": texts[0], "comment": f"{texts[1][:60]} is missing"}


def measured(*words: str) -> dict[str, float]:
    """Run a command of burnish; seconds on the clock, seconds of processor, peak MiB."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", _MEASURED, *words]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - start, "cpu_seconds": cpu, "peak_mib": int(done.stderr.split()[-1]) / 1024}


_MEASURED = """
import resource, sys
from burnish.cli.main import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="How long do so many records of feedback take?")
    parser.add_argument("--records", type=int, default=100_000, help="default: 100000")
    parser.add_argument("--db", default="", metavar="URL", help="default: SQLite in a temporary folder")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, db = Path(folder, "rows.jsonl"), args.db or f"sqlite:///{folder}/burnish.db"
        with path.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows(args.records))
        for verb, words in {"import": [str(path)], "stats": ["--json"], "doctor": ["--json"]}.items():
            found[verb] = measured("feedback", verb, *words, "--db", db, "--quiet")
            each = found[verb]
            print(
                f"{verb:8} {each['seconds']:6.1f} s on the clock, {each['cpu_seconds']:6.1f} s of processor, "
                f"{each['peak_mib']:6.0f} MiB",
                flush=True,
            )
    print(json.dumps({"records": args.records, **found}))


if __name__ == "__main__":
    main()
