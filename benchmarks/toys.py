"""Every method on the world that is known whole: what it reached of its optimum, over seeds, and at what KL.

python benchmarks/toys.py                          the table, five seeds
python benchmarks/toys.py --seeds 2 grpo dpo       some methods, fewer seeds
python benchmarks/toys.py --json docs/toys.json    the numbers that the methods' pages show, written after each method
python benchmarks/toys.py --picture docs/toys.svg  reward against KL of all policies after equally many completions

`python benchmarks/toys_picture.py docs/toys.json docs/toys.svg` draws that picture again and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from toys_picture import EQUAL, draw

from burnish import methods
from burnish.conformance import toys
from burnish.maths.intervals import bootstrap_mean

MARKS = range(EQUAL // 12, EQUAL + 1, EQUAL // 12)
"""Completions after which a point of a curve is noted; a method that takes more in a step has fewer points."""


def main() -> int:
    """Print the table; return 1 when a method stays below its mark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="methods (default: all)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    print(f"{'method':22}{'before':>8}{'reached':>9}{'optimum':>9}{'share':>7}  95% interval      completions  seconds")
    found: dict[str, dict] = json.loads(args.json.read_text("utf-8")) if args.json and args.json.exists() else {}
    for name in args.names or methods.names():
        began = time.process_time()
        runs = [toys.run(name, seed=seed, marks=MARKS) for seed in range(args.seeds)]
        row = summary(runs)
        found[name] = row | {"path": mean_path(runs), "seconds": time.process_time() - began}
        if args.json:
            args.json.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")
        print(
            f"{name:22}{row['before']:8.3f}{row['reached']:9.3f}{row['optimum']:9.3f}{row['share']:7.3f}"
            f"  [{row['low']:.3f}, {row['high']:.3f}]{row['completions']:13,}{found[name]['seconds']:9.1f}",
            flush=True,
        )
    short = [name for name, row in found.items() if row["share"] < toys.NEAR]
    print(
        f"\n{len(found) - len(short)} of {len(found)} reach {toys.NEAR:.0%} of their optimum; short: {short or 'none'}"
    )
    if args.picture:
        draw(found, args.picture)
    return 1 if short else 0


def summary(runs: list[toys.Reached]) -> dict[str, object]:
    """Return means over seeds; the interval of what was reached is a bootstrap over seeds."""
    reached, optimum = np.array([run.after for run in runs]), np.array([run.optimum for run in runs])
    around = bootstrap_mean(reached, [str(run.seed) for run in runs], seed=0) if len(runs) > 1 else None
    return {
        "before": float(np.mean([run.before for run in runs])),
        "reached": float(reached.mean()),
        "low": around.low if around else float(reached.min()),
        "high": around.high if around else float(reached.max()),
        "optimum": float(optimum.mean()),
        "optimum_is": toys.toy_of(runs[0].method).optimum_is,
        "share": float((reached / optimum).mean()),
        "measure": toys.toy_of(runs[0].method).measure,
        "seeds": len(runs),
        "completions": runs[0].completions,
        "kl_nats": float(np.mean([run.kl_nats for run in runs])),
    }


def mean_path(runs: list[toys.Reached]) -> list[list[float]]:
    """Return (completions, KL, reward) along the way, means over seeds, rounded for the file."""
    return [[round(float(value), 4) for value in point] for point in np.array([run.path for run in runs]).mean(0)]


if __name__ == "__main__":
    sys.exit(main())
