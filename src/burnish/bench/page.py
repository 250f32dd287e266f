"""The page and the pictures of a folder of results: `benchmarks.md`, `benchmarks.svg`, `growth.svg`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import files
from burnish.bench import plan
from burnish.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTICE = "<!-- Written by `burnish bench report` from measured results: measure anew, do not edit. -->"
READING = """\
Both sides in one run on one machine, step by step in turn, each in a process of its own that is idle while the other \
works. Times are medians with the least and the most. Of the peer's number formats the faster counts.

*Ratio*: the peer's time over burnish's. *Share of the peak*: operations of the reference formula (no padding, each \
prompt once; `src/burnish/bench/flops.py`) over time and over the rate of a 2048³ product in the same run. \
*GiB*: the most memory that the process ever held."""
NONE = "-"
"""What was not measured."""
AXES = {
    "completions": "completions a step",
    "length": "tokens of each completion",
    "group_size": "completions of a prompt (32 in all)",
    "layers": "layers of the model",
}


@dataclass(frozen=True)
class Row:
    """One line of the table and one pair of bars."""

    work: str
    found: Mapping[str, Any]
    """With "ours", "peer" and "ratio"."""
    share: float | None


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results in a folder by the name of their bench. Raises InputError when there is none."""
    found = {}
    for name in plan.BENCHES:
        path = folder / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text("utf-8"))
    if not found:
        raise InputError(
            f"{folder}: no results here (expected generate.json, grpo.json, ...). Measure first: `burnish bench all`."
        )
    return found


def write(results: Mapping[str, Mapping[str, Any]], docs: Path) -> list[Path]:
    """Write the page and its pictures into a folder; return their paths."""
    docs.mkdir(parents=True, exist_ok=True)
    written = []
    pictures = {}
    if sides := [row for row in rows(results) if row.found["peer"]]:
        pictures["benchmarks"] = bars(sides)
    if "growth" in results:
        pictures["growth"] = curves(results["growth"]["axes"])
    for name, figure in pictures.items():
        written.append(docs / f"{name}.svg")
        files.write_atomic(written[-1], _svg(figure))
    written.append(docs / "benchmarks.md")
    files.write_atomic(written[-1], page(results, sorted(pictures)))
    return written


def page(results: Mapping[str, Mapping[str, Any]], pictures: Sequence[str] = ()) -> str:
    """Return the page as Markdown: the table, how each line was measured, the machine."""
    parts = [
        "# Benchmarks",
        NOTICE,
        READING,
        table(results),
    ]
    if "benchmarks" in pictures:
        parts.append("![Time of a step, the peer's beside burnish's](benchmarks.svg)")
    if "growth" in results:
        parts += ["## Growth", growth_table(results["growth"])]
    if "growth" in pictures:
        parts.append("![How the time of a step grows](growth.svg)")
    parts += ["## How it was measured", _how(results)]
    return "\n\n".join(parts) + "\n"


def rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the lines of the table: one for each bench, or for each shape of one that has several."""
    for name, found in results.items():
        if name == "growth":
            continue
        if shapes := found.get("shapes"):
            for shape, each in shapes.items():
                yield Row(f"{name}, batch {shape}", each, None)
                for way, other in each.get("also", {}).items():
                    yield Row(f"{name}, batch {shape}, {way}", other, None)
        else:
            yield Row(found["summary"], found, found.get("peak_share"))


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table as Markdown; what was not measured is `NONE`."""
    lines = [
        "| work | peer | seconds | tokens/s | GiB | burnish, seconds | tokens/s | GiB | ratio | share of the peak |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows(results):
        peer, ratio = row.found["peer"], row.found["ratio"]
        cells = [
            row.work,
            peer["what"] if peer else NONE,
            *_side(peer),
            *_side(row.found["ours"]),
            f"**{ratio:.1f}**" if ratio else NONE,
            f"{row.share:.0%}" if row.share is not None else NONE,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def growth_table(found: Mapping[str, Any]) -> str:
    """Return the growth curves as a table: seconds a step along every axis."""
    lines = ["| axis | seconds a step |", "|---|---|"]
    for axis, points in found["axes"].items():
        told = " · ".join(f"{point['at']}: {_number(point['median'])}" for point in points)
        lines.append(f"| {AXES.get(axis, axis)} | {told} |")
    return "\n".join(lines)


def _side(side: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if not side:
        return NONE, NONE, NONE
    seconds = f"{_number(side['median'])} ({_number(side['min'])} to {_number(side['max'])})"
    return seconds, f"{side['tokens_per_second']:,.0f}", f"{side['peak_memory_gib']:.1f}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _how(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| bench | command | repetitions | 2048³, GFLOP/s | load before | time |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        rate = found.get("matrix_gflops")
        told = f"{rate['mean']:.0f}" if rate else NONE
        busy = found["machine"].get("load_average")
        load = f"{busy[0]:.1f}" if busy else NONE
        lines.append(f"| {name} | `{found['command']}` | {found['repeats']} | {told} | {load} | {found['time']} |")
    machine = next(iter(results.values()))["machine"]
    memory = machine.get("memory_bytes")
    facts = [
        str(machine.get("processor") or machine.get("name")),
        f"{machine.get('usable_cores')} cores",
        f"{memory / 2**30:.0f} GiB" if memory else "",
        ", ".join(machine.get("flags", ())),
    ]
    versions = sorted(
        {f"{name} {number}" for found in results.values() for name, number in _versions(found["machine"]).items()}
    )
    return "\n\n".join(
        ["\n".join(lines), f"Machine: {'; '.join(filter(None, facts))}.", f"Versions: {', '.join(versions)}."]
    )


def _versions(machine: Mapping[str, Any]) -> dict[str, str]:
    return {name: number for side in machine.get("versions", {}).values() for name, number in side.items()}


# ---------------------------------------------------------------------------------------------------------- pictures


def bars(sides: Sequence[Row]) -> Figure:
    """One pair of bars for each line, the peer's time as 1: what is left of it is burnish's."""
    from matplotlib.figure import Figure

    from burnish.evaluation import pictures as look

    with look.style():
        figure = Figure(figsize=(7.2, 0.62 * len(sides) + 0.9), layout="constrained")
        axes = figure.add_subplot()
        for place, row in enumerate(reversed(sides)):
            axes.barh(place + 0.18, 1, height=0.3, color=look.RULE)
            axes.barh(place - 0.18, 1 / row.found["ratio"], height=0.3, color=look.ACCENT)
            axes.text(
                1 / row.found["ratio"] + 0.012, place - 0.18, f"{row.found['ratio']:.1f} times as fast", va="center",
                fontsize=9, color=look.ACCENT,
            )  # fmt: skip
            axes.text(1.012, place + 0.18, row.found["peer"]["what"], va="center", fontsize=8.5, color=look.MUTED)
        axes.set_yticks(range(len(sides)), [_folded(row.work) for row in reversed(sides)])
        axes.set(xlim=(0, max(1.75, *(1.3 / row.found["ratio"] for row in sides))), xlabel="time, the peer's = 1")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    return figure


def curves(axes_found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Seconds a step along each axis, both axes from 0, with the least and the most."""
    from matplotlib.figure import Figure

    from burnish.evaluation import pictures as look

    with look.style():
        figure = Figure(figsize=(7.2, 5.0), layout="constrained")
        for place, (axis, points) in enumerate(axes_found.items()):
            axes = figure.add_subplot(2, 2, place + 1)
            at = [point["at"] for point in points]
            low, high = [point["min"] for point in points], [point["max"] for point in points]
            axes.fill_between(at, low, high, color=look.ACCENT, alpha=0.14, linewidth=0)
            axes.plot(at, [point["median"] for point in points], "o-", color=look.ACCENT, markersize=4)
            axes.set(xlabel=AXES.get(axis, axis), ylabel="seconds a step", xlim=(0, None), ylim=(0, None))
    return figure


def _folded(text: str) -> str:
    return textwrap.fill(text, 34)


def _svg(figure: Figure) -> bytes:
    from burnish.evaluation import pictures as look
    from burnish.evaluation.svg import picture

    with look.style():
        return picture("bench", figure, "", {}).svg
