"""Where does the time of a step go, and what would be left if everything but the unavoidable cost nothing?

python benchmarks/where_time_goes.py [--docs docs] [--repeats N] [WORK ...]      WORK: generate, grpo, dpo, sft, reward

Steps of `burnish bench` (the same model, prompts and shapes) are timed as they are, then once more under torch's
profiler, whose times of each operation are put together by what the operation is for. With --docs the tables go into
DIR/profile.md; the figures are this machine's, of this hour.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from burnish import corpora, files, memory
from burnish.bench import ours, plan
from burnish.bench.flops import Size, step_flops
from burnish.machine.speed import copy_rate, rate

WORKS = ("generate", "grpo", "dpo", "sft", "reward")
NARROW = 64
"""A product with a side of so many columns or fewer is an adapter's."""
KINDS = ("weights", "adapter", "vocabulary", "attention", "rest")
TOLD = {
    "weights": "products with the model's weights",
    "adapter": "products with the adapter's",
    "vocabulary": "output head: its products, softmax, draws",
    "attention": "attention over keys",
    "rest": "norms, gates, positions, copies, optimiser",
}
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "mkldnn::_linear_pointwise")
ATTENTION = ("bmm", "_softmax", "scaled_dot_product", "index_copy", "masked_fill")
MATRIX = 2048


@dataclass
class Part:
    """What operations of one kind took together."""

    seconds: float = 0.0
    calls: int = 0
    flops: float = 0.0


@dataclass
class Profile:
    """One step."""

    work: str
    seconds: float
    """Median of steps without the profiler."""
    parts: dict[str, Part] = field(default_factory=lambda: {kind: Part() for kind in KINDS})
    least: float = 0.0
    """Seconds that it takes in any case; `why` says what they are."""
    why: str = ""


def sides(name: str, shapes: Sequence[Sequence[int]]) -> tuple[int, int, int] | None:
    """Return (rows, inner, columns) of a product, None for what is no product."""
    if name not in PRODUCTS:
        return None
    if name == "mkldnn::_linear_pointwise":  # input, (what is added,) weight (columns, inner)
        (rows, inner), weight = shapes[0], shapes[2] if len(shapes[2]) == 2 else shapes[1]
        return rows, inner, weight[0]
    a, b = (shapes[1], shapes[2]) if name.startswith("aten::addmm") else (shapes[0], shapes[1])
    return a[0], a[1], b[1]


def kind_of(name: str, shapes: Sequence[Sequence[int]], vocabulary: int) -> str:
    """Return what an operation is for, one of `KINDS`."""
    if any(vocabulary in shape for shape in shapes):
        return "vocabulary"
    product = sides(name, shapes)
    if product is not None:
        # in training all three sides are long but an adapter's; in decoding the rows are few, and tell nothing
        asked = product[1:] if name.startswith("mkldnn") else product
        return "adapter" if min(asked) <= NARROW else "weights"
    return "attention" if any(each in name for each in ATTENTION) else "rest"


def profiled(work: str, step: ours.Step, turn: Mapping[str, Any], repeats: int, vocabulary: int) -> Profile:
    """Return a step's time and its parts."""
    for _ in range(2):
        step(turn)
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        step(turn)
        taken.append(time.perf_counter() - began)
    found = Profile(work, statistics.median(taken))
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as watched:
        step(turn)
    for each in watched.key_averages(group_by_input_shape=True):
        part = found.parts[kind_of(each.key, each.input_shapes, vocabulary)]
        part.seconds += each.self_cpu_time_total / 1e6
        part.calls += each.count
        if product := sides(each.key, each.input_shapes):
            part.flops += 2.0 * product[0] * product[1] * product[2] * each.count
    return found


def profiles(works: Sequence[str], repeats: int, peak: float, copied: float) -> Iterator[Profile]:
    """Yield the profile of every step; peak: FLOP/s of a large product; copied: bytes a second read and written."""
    folder = corpora.resolve("smollm2-135m")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    size, vocabulary = Size.of(config), config["vocab_size"]
    for work in works:
        job = {**plan.job(work), "model": str(folder), "dtype": "bfloat16"}
        step = ours.WORKS[work](job)
        for turn in plan.turns(work):
            name = f"{work}, batch {turn['shape']}" if work == "generate" else work
            found = profiled(name, step, turn, repeats, vocabulary)
            if work == "generate":
                rows, tokens = int(turn["shape"]), plan.GENERATED
                bytes_read = 2.0 * (size.layers + size.head) * tokens
                flops = 2.0 * (size.layers + size.head) * rows * tokens
                found.least = max(bytes_read / copied, flops / peak)
                what = "weights read" if bytes_read / copied > flops / peak else "products at the peak"
                found.why = f"{what}, prompts not counted"
            else:
                facts = step(turn)
                found.least = sum(step_flops(work, size, facts["groups"]).values()) / peak
                found.why = "reference formula at the peak"
            yield found


def table(found: Sequence[Profile], peak: float) -> str:
    """Return the table as Markdown: seconds of each kind under the profiler, and how near the peak products came."""
    head = ["work", "seconds", *(TOLD[kind] for kind in KINDS), "operations", "least possible", "share"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for each in found:
        whole = sum(part.seconds for part in each.parts.values())
        cells = []
        for kind in KINDS:
            part = each.parts[kind]
            said = f"{part.seconds:.2f} s, {part.seconds / whole:.0%}"
            if kind in ("weights", "adapter") and part.seconds:
                said += f" (at {part.flops / part.seconds / peak:.0%} of the peak)"
            cells.append(said)
        calls = sum(part.calls for part in each.parts.values())
        least = f"{each.least:.2f} s ({each.why})"
        line = [each.work, f"{each.seconds:.2f}", *cells, f"{calls:,}", least, f"{each.least / each.seconds:.0%}"]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)} (default: all)")
    parser.add_argument("--repeats", type=int, default=5, help="steps that are timed (default: %(default)s)")
    parser.add_argument("--docs", type=Path, help="folder that profile.md is written into")
    asked = parser.parse_args()
    if unknown := set(asked.works) - set(WORKS):
        parser.error(f"{sorted(unknown)[0]!r} is not known (known: {', '.join(WORKS)}).")
    memory.keep()
    threads = torch.get_num_threads()
    before = rate("bfloat16", threads, MATRIX).gflops
    copied = copy_rate(threads)
    found = list(profiles(asked.works or WORKS, asked.repeats, before * 1e9, copied * 1e9))
    after = rate("bfloat16", threads, MATRIX).gflops
    told = (
        f"A {MATRIX}³ product in bfloat16: {before:.0f} GFLOP/s before, {after:.0f} after; "
        f"copying: {copied:.0f} GB/s read and written; {threads} threads."
    )
    print(table(found, before * 1e9), told, sep="\n\n")
    if asked.docs:
        page = asked.docs / "profile.md"
        text = page.read_text("utf-8")
        begin, end = "<!-- measured -->", "<!-- end -->"
        kept = text[: text.index(begin) + len(begin)], text[text.index(end) :]
        files.write_atomic(page, f"{kept[0]}\n{table(found, before * 1e9)}\n\n{told}\n{kept[1]}")


if __name__ == "__main__":
    main()
