"""How long should OpenMP's threads wait for each other awake? Sampling and a training step at several numbers, in turn.

python benchmarks/spinning.py [--counts 2000 10000 ...] [--repeats 3] [--busy]

Each number (GOMP_SPINCOUNT) is a process of its own that does 16 rows of `burnish bench generate` and a step of
`burnish bench reward`; one works while the others sleep. --busy: beside a process that never sleeps.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys

from burnish import corpora
from burnish.bench import plan
from burnish.bench.drive import Child, alternate
from burnish.bench.run import OURS
from burnish.machine import spinning


def measured(work: str, counts: list[str], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each number's steps."""
    job = {**plan.job(work), "model": str(corpora.resolve("smollm2-135m").absolute()), "dtype": "bfloat16"}
    turn = next(turn for turn in plan.turns(work) if turn["shape"] in ("16", work))
    with contextlib.ExitStack() as open_children:
        children = {}
        for count in counts:
            child = Child(count, OURS, job, environment={**os.environ, spinning.NAME: count})
            open_children.callback(child.close)
            children[count] = child
        alternate(children, [turn])
        found = alternate(children, [turn] * repeats)
    return {count: [each["seconds"] for each in steps] for count, steps in found.items()}


@contextlib.contextmanager
def beside(wanted: bool):
    """Inside, another process takes a core, if wanted."""
    if not wanted:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            yield
        finally:
            other.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="*", default=["2000", "10000", "30000", "300000"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="beside a process that never sleeps")
    asked = parser.parse_args()
    with beside(asked.busy):
        for work in ("generate", "reward"):
            for count, seconds in measured(work, asked.counts, asked.repeats).items():
                low, high = min(seconds), max(seconds)
                print(
                    f"{work:9s} {count:>7s}  {statistics.median(seconds):6.2f} s ({low:.2f} to {high:.2f})", flush=True
                )


if __name__ == "__main__":
    main()
