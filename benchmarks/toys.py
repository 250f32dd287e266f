"""Every method on the world that is known whole: what it reached of its optimum, over seeds, and at what KL.

python benchmarks/toys.py                          the table, five seeds
python benchmarks/toys.py --seeds 2 grpo dpo       some methods, fewer seeds
python benchmarks/toys.py --json docs/toys.json    the numbers that the methods' pages show, written after each method
python benchmarks/toys.py --picture docs/toys.svg  reward against KL of all policies after equally many completions
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

from burnish import methods
from burnish.conformance import toys
from burnish.maths.intervals import bootstrap_mean
from burnish.records import Critique, Preference

EQUAL = 4_800
"""Completions after which every curve of the picture ends: no toy takes fewer."""
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


FAMILIES = (
    ("draws its own completions", lambda needs: needs.fresh, "tab:orange"),
    ("learns from preferences", lambda needs: Preference in needs.eats, "tab:blue"),
    ("learns from words", lambda needs: Critique in needs.eats, "tab:green"),
    ("imitates, or learns from scores", lambda needs: True, "tab:gray"),
)
"""(what, whether a method is one, colour); the first that fits."""
APART = 0.019
"""Least distance of two names, in reward."""


def draw(found: dict[str, dict], target: Path) -> None:
    """Write reward against KL, mean over seeds, up to `EQUAL` completions; each line ends in its name."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "burnish"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 7))
    policies = {name: row for name, row in found.items() if row["measure"] == "reward" and row["kl_nats"] > 0.05}
    paths = {name: equal(row["path"]) for name, row in policies.items()}
    right = max(path[:, 0].max() for path in paths.values())
    height = math.inf
    for name, path in sorted(paths.items(), key=lambda item: -item[1][-1, 1]):
        colour = next(colour for _, fits, colour in FAMILIES if fits(_needs(name)))
        axes.plot(path[:, 0], path[:, 1], color=colour, marker=".", markersize=4, linewidth=1.2)
        height = min(height - APART, path[-1, 1])
        axes.plot([path[-1, 0], right * 1.06], [path[-1, 1], height], color=colour, linewidth=0.4, alpha=0.6)
        axes.text(right * 1.065, height, name, color=colour, fontsize=8, va="center")
    for what, _, colour in FAMILIES:
        axes.plot([], [], color=colour, label=what)
    axes.set_xlim(-0.05 * right, right * 1.32)
    axes.set_xlabel("KL from the untouched policy, nats a completion")
    axes.set_ylabel("exact mean true reward")
    axes.set_title(f"Reward against KL after {EQUAL:,} completions each, mean over seeds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower center")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def equal(path: list[list[float]]) -> np.ndarray:
    """Return (KL, reward) up to exactly `EQUAL` completions; the end lies between two points where a step passes it."""
    points = np.array(path)
    end = [np.interp(EQUAL, points[:, 0], points[:, column]) for column in (1, 2)]
    return np.vstack([points[points[:, 0] < EQUAL, 1:], end])


def _needs(name: str) -> methods.Needs:
    module = methods.load(name)
    return module.needs(module.Config(**toys.toy_of(name).config))


if __name__ == "__main__":
    sys.exit(main())
