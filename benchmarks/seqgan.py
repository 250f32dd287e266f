"""SeqGAN beside maximum likelihood, tuned by its temperature, where the generator that both learn from is known whole.

python benchmarks/seqgan.py               the table, five seeds (about six minutes of one core)
python benchmarks/seqgan.py --docs docs   docs/beside/seqgan.json and .svg as well, which seqgan's page shows

Both see the same texts of the known generator. Maximum likelihood (`sft`) is stopped where other texts of it are
likeliest; SeqGAN goes on from there, discriminator and generator in turn. Quality and diversity are sums over every
completion there is (`conformance/generators.py`), in nats a completion, lower is better.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np

from burnish.conformance import generators, toys
from burnish.conformance.generators import Point
from burnish.examples import prepared
from burnish.maths.intervals import bootstrap_mean
from burnish.models.table import TablePolicy
from burnish.records import Demonstration

TEXTS = 100
"""Texts of the known generator, to each of the three prompts; another hundred tell where to stop."""
TEMPERATURES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0)
SHOWN = (0.4, 1.4)
"""Temperatures that the table begins and ends with; the picture has all."""
STEPS, EVERY = 200, 20
RATES = {"sft": 0.03, "seqgan": 0.01}
Curve = list[Point]


@dataclass(frozen=True)
class Run:
    """What one seed showed."""

    likely: Curve
    """Maximum likelihood, by temperature."""
    way: Curve
    """SeqGAN from there, every so many steps."""
    cooled: Curve
    """SeqGAN at its end, by temperature."""
    entropy: float
    """The known generator's: both numbers of a generator that is it."""

    def worse(self, each: Point) -> float:
        """Return by how much a point's diversity is worse than that of likelihood at equal quality."""
        return each.diversity - generators.at_equal_quality(self.likely, each.quality)


def main() -> int:
    """Print the table; return 0 whatever it says: this is a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--docs", type=Path)
    args = parser.parse_args()
    runs = [both(seed) for seed in range(args.seeds)]
    heads, rows = table(runs)
    for row in [heads, *rows]:
        print("  ".join(f"{cell:>24}" for cell in row))
    said = verdict(runs)
    print(f"\n{said}")
    if args.docs:
        (args.docs / "beside").mkdir(exist_ok=True)
        write(args.docs / "beside" / "seqgan.json", heads, rows, said, len(runs))
        draw(runs, args.docs / "beside" / "seqgan.svg")
    return 0


def both(seed: int) -> Run:
    """Let both learn from the texts of one seed."""
    learned, likely = likelihood(seed)
    texts = functools.partial(generators.sampled, count=TEXTS)
    toy = replace(toys.TOYS["seqgan"], signals=texts, rate=RATES["seqgan"])
    begun = toys.begin("seqgan", seed=seed, toy=toy, steps=STEPS)
    begun.policy.tables["logits"].data.copy_(learned.tables["logits"].data)
    way = [generators.point(begun.world, begun.policy)]
    for step in range(1, STEPS + 1):
        begun.step()
        if step % EVERY == 0:
            way.append(generators.point(begun.world, begun.policy))
    cooled = [generators.point(begun.world, begun.policy, each) for each in TEMPERATURES]
    print(f"seed {seed} done", file=sys.stderr, flush=True)
    return Run(likely, way, cooled, generators.entropy(begun.world, begun.policy))


def likelihood(seed: int) -> tuple[TablePolicy, Curve]:
    """Return what maximum likelihood learned, stopped where the held-out loss is least, and its curve."""
    texts = functools.partial(generators.sampled, count=TEXTS)
    toy = replace(toys.IMITATED, signals=texts, rate=RATES["sft"])
    begun = toys.begin("sft", seed=seed, toy=toy, steps=STEPS, examples_per_step=3 * TEXTS)
    aside = generators.sampled(begun.world, begun.policy, count=TEXTS, salt="held out")
    held, logits = prepared(aside, (Demonstration,)), begun.policy.tables["logits"]
    least, best = np.inf, logits.detach().clone()
    for _ in range(STEPS):
        begun.step()
        loss = begun.course.steps.measure(held)["loss"]
        if loss < least:
            least, best = loss, logits.detach().clone()
    logits.data.copy_(best)
    return begun.policy, [generators.point(begun.world, begun.policy, each) for each in TEMPERATURES]


def table(runs: list[Run]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows, means over seeds."""
    known = float(np.mean([run.entropy for run in runs]))
    rows = [["the known generator", f"{known:.3f}", f"{known:.3f}", ""]]
    for temperature, curve in zip(TEMPERATURES, zip(*(run.likely for run in runs), strict=True), strict=True):
        if SHOWN[0] <= temperature <= SHOWN[1]:
            rows.append([f"likelihood, temperature {temperature:g}", *numbers(curve), ""])
    for number, curve in enumerate(zip(*(run.way for run in runs), strict=True)):
        rows.append([f"SeqGAN, step {number * EVERY}", *numbers(curve), worse(runs, curve)])
    for temperature, curve in zip(TEMPERATURES, zip(*(run.cooled for run in runs), strict=True), strict=True):
        if temperature in (0.6, 0.8):
            rows.append([f"its end, temperature {temperature:g}", *numbers(curve), worse(runs, curve)])
    return ["generator", "quality", "diversity", "worse than likelihood by"], rows


def numbers(points: Sequence[Point]) -> list[str]:
    """Return the points' mean as it is printed."""
    middle = mean(points)
    return [f"{middle.quality:.3f}", f"{middle.diversity:.3f}"]


def worse(runs: list[Run], points: Sequence[Point]) -> str:
    """Return by how much the seeds' points lie above likelihood's curves."""
    middle, low, high = around([run.worse(each) for run, each in zip(runs, points, strict=True)])
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def around(values: list[float]) -> tuple[float, float, float]:
    """Return the mean over seeds with its 95% interval by bootstrap."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    found = bootstrap_mean(np.array(values), [str(number) for number in range(len(values))], seed=0)
    return found.mean, found.low, found.high


def verdict(runs: list[Run]) -> str:
    """Return in a sentence or two whether SeqGAN lies above or below likelihood's curve at its end, and ever."""
    gaps = [[run.worse(each) for each in run.way[1:]] for run in runs]
    middle, low, high = around([each[-1] for each in gaps])
    where = "worse" if low > 0 else "better" if high < 0 else "neither better nor worse"
    best = float(np.mean([min(each) for each in gaps]))
    began, ended = mean([run.way[0] for run in runs]), mean([run.way[-1] for run in runs])
    return (
        f"At its end SeqGAN is {where} than likelihood at the temperature of equal quality: "
        f"{middle:+.3f} nats of diversity [{low:+.3f}, {high:+.3f}], {len(runs)} seeds; "
        f"at each seed's best step {best:+.3f}. Its quality went from {began.quality:.3f} to {ended.quality:.3f}, "
        "which a lower temperature does without any training."
    )


def mean(points: Sequence[Point]) -> Point:
    """Return the middle of the points."""
    return Point(*(float(np.mean([getattr(each, name) for each in points])) for name in ("quality", "diversity")))


def write(target: Path, heads: list[str], rows: list[list[str]], said: str, seeds: int) -> None:
    """Write what the method's page shows."""
    intro = (
        "Quality is what the known generator thinks of the method's texts, diversity what the method thinks of the "
        "known generator's: nats a completion, exact, lower is better. Whatever lies above likelihood's curve is "
        f"beaten by choosing a temperature. {TEXTS} texts a prompt, means over {seeds} seeds; the last column is at "
        "equal quality, with its 95% interval over seeds."
    )
    title = "Measured beside maximum likelihood, tuned by its temperature"
    command = "python benchmarks/seqgan.py --docs docs"
    told = {"title": title, "intro": intro, "heads": heads, "rows": rows, "verdict": said, "command": command}
    target.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def draw(runs: list[Run], target: Path) -> None:
    """Write the two curves, means over seeds."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "burnish"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 5))
    for name, style, curves in (
        ("likelihood, by temperature", "o-", [run.likely for run in runs]),
        (f"SeqGAN, every {EVERY} steps", "s-", [run.way for run in runs]),
        ("SeqGAN at its end, by temperature", "^:", [run.cooled for run in runs]),
    ):
        some = [mean(points) for points in zip(*curves, strict=True)]
        axes.plot([p.quality for p in some], [p.diversity for p in some], style, markersize=4, label=name)
    known = float(np.mean([run.entropy for run in runs]))
    axes.plot([known], [known], "k*", markersize=12, label="the known generator")
    axes.set_xlabel("quality: nats of its texts under the known generator (lower is better)")
    axes.set_ylabel("diversity: nats of the known texts under it (lower is better)")
    axes.set_ylim(known - 0.1, known + 1.2)
    axes.set_title(f"What each says, and whether it says all there is ({len(runs)} seeds)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
