"""`burnish doctor`: is this machine fit, how fast is it, which settings follow; with --model or --reward: are they."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from burnish.machine.description import Machine
    from burnish.machine.fit import Choice, Fit
    from burnish.machine.plan import Plan

DESCRIPTION = """\
Measures this machine in a few seconds (matrix products by number format and threads, memory,
what other processes take) and tells which settings `burnish run` takes from that, and why, and
what it then holds in memory.
Then it looks whether everything a run needs is here, and says what to do about what is not.

What is measured on a quiet machine is remembered for two weeks; this measures it again.

With --model it looks at a model instead, and with --data at what that is to learn from: the known
ways to train something else than was meant (docs/traps.md), each tried on the model with a small
adapter that is thrown away; the template with what carries loss; texts that do not fit, repeats,
contradictions, pairs that length decides. On SmolLM2-135M it takes under a minute.

With --reward it looks at a reward, on the texts of --data: whether another name or gender in the
same text moves its score, what it pays for length and style, and with --group how groups (by a
key of metadata) come off."""

EPILOG = """\
exit status   0 when burnish can run here, though perhaps slowly, or when no check of the model found a
              fault; 2 when something must be mended first

examples
  burnish doctor
  burnish doctor --json > machine.json
  burnish doctor --model smollm2-135m --data pairs.jsonl
  burnish doctor --reward runs/reviews-0/checkpoints/reward-0 --data sqlite:///burnish.db"""

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy", "scikit-learn")
NEEDED = ("torch", "transformers", "peft", "scikit-learn")
"""Without these nothing can be trained."""
LEAST_DISK, LEAST_MEMORY = 2**30, 2 * 2**30
"""Bytes that a run writes at most, with what it fetches; bytes that the smallest real model and its training take."""
_GIB = 2**30


@dataclass(frozen=True)
class Here:
    """What is installed and fetched."""

    python: str
    burnish: str
    packages: dict[str, str | None]
    """Version of each; None: not installed."""
    sqlite: str | None
    """Version of a SQLite that several processes may share; None: there is none."""
    sqlite_fault: str
    cache: str
    fetched: dict[str, bool]
    """For each model and corpus known by name."""
    free_disk_bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags of `burnish doctor`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--model", metavar="M", help="look at this model: a known name, a folder, a hub id")
    parser.add_argument("--reward", metavar="R", help="look at this reward: a checkpoint, a name, a TOML file")
    parser.add_argument("--data", metavar="FILE|URL|SNAPSHOT", help="what the model is to learn from; texts to score")
    parser.add_argument("--group", metavar="KEY", help="with --reward: compare texts by this key of metadata")
    parser.add_argument("--db", metavar="URL", help="store a SNAPSHOT lies in (default: sqlite:///burnish.db)")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress; what was found is still printed")


def run(args: argparse.Namespace) -> int:
    """Measure, look around, print; everything that takes time or torch is imported only here."""
    from burnish import corpora, progress
    from burnish.errors import InputError

    if args.model is not None and args.reward is not None:
        raise InputError("burnish doctor: --model and --reward are looked at one by one. Leave one of them out.")
    if args.group is not None and args.reward is None:
        raise InputError("burnish doctor --group: groups of whose scores? Name a --reward.")
    if args.reward is not None:
        from burnish.cli import doctor_reward

        return doctor_reward.run(args)
    if args.model is not None:
        from burnish.cli import doctor_model

        return doctor_model.run(args)
    if args.data is not None:
        raise InputError("burnish doctor --data: which --model is to learn from it? Name one.")
    from burnish.machine import kept
    from burnish.machine.fit import fit, planned

    progress.say("measuring this machine, which takes a few seconds ...")
    machine = kept.measured(corpora.folder())
    found, here = fit(machine), look()
    memory = planned(machine, found)
    faults = list(faults_of(machine, here))
    notes = [*found.warnings, *notes_of(machine, here)]
    if args.json:
        plain = {"fit": not faults, "faults": faults, "notes": notes, "settings": dataclasses.asdict(found)}
        plain["memory"] = {**dataclasses.asdict(memory), "most": memory.most}
        print(json.dumps({**plain, "machine": dataclasses.asdict(machine), "here": dataclasses.asdict(here)}))
    else:
        show(machine, found, memory, here, faults, notes)
    return 2 if faults else 0


def look() -> Here:
    """Return what is installed and fetched."""
    from importlib.metadata import PackageNotFoundError, version

    from burnish import __version__, corpora, files
    from burnish.errors import InputError
    from burnish.store.engine import sqlite_driver

    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    try:
        sqlite, fault = str(sqlite_driver().sqlite_version), ""
    except InputError as error:
        sqlite, fault = None, str(error)
    cache = corpora.folder()
    places = {name: cache / f"{name}-{corpora.corpus(name).FORMAT}" for name in corpora.names()}
    free = min(files.free_bytes(cache), files.free_bytes(Path.cwd()))
    fetched = {name: place.exists() for name, place in places.items()}
    return Here(platform.python_version(), __version__, packages, sqlite, fault, str(cache), fetched, free)


# ------------------------------------------------------------------------------------------------ what must be mended


def faults_of(machine: Machine, here: Here) -> Iterator[str]:
    """Yield what keeps burnish from running here, each with what to do."""
    missing = [name for name in NEEDED if here.packages.get(name) is None]
    if missing:
        yield f"not installed: {', '.join(missing)}. Nothing can be trained: pip install 'burnish[train]'."
    if here.sqlite is None:
        yield here.sqlite_fault
    if here.free_disk_bytes < LEAST_DISK:
        yield (
            f"disk: {here.free_disk_bytes / _GIB:.1f} GiB are free in {here.cache} or the working folder; a run writes "
            f"up to {LEAST_DISK / _GIB:.0f} GiB. Free some, or set BURNISH_CACHE and --out to another volume."
        )
    memory = machine.system.memory_bytes
    if memory is not None and memory < LEAST_MEMORY:
        yield (
            f"memory: this process may use {memory / _GIB:.1f} GiB; SmolLM2-135M and its training take "
            f"{LEAST_MEMORY / _GIB:.0f} GiB or more. Give the machine or the container more."
        )


def notes_of(machine: Machine, here: Here) -> Iterator[str]:
    """Yield what makes a run slow, or begin with a download."""
    full, half = (machine.speed.gflops(dtype, 1) for dtype in ("float32", "bfloat16"))
    if full and half and half < full:
        yield "bfloat16: this processor has no fast products of it, so a run takes two to three times as long."
    if machine.speed.gpu is not None:
        asked = " unless you set device=cuda (not measured yet)" if machine.speed.gpu.kind == "cuda" else ""
        yield f"GPU: {machine.speed.gpu.name} is there; `burnish run` computes on the processor{asked}."
    lacking = [name for name, is_here in here.fetched.items() if not is_here]
    if lacking:
        yield f"not fetched: {', '.join(lacking)}. `burnish run` does it, or: burnish fetch {' '.join(lacking)}"


# ------------------------------------------------------------------------------------------------------------ the page


def show(machine: Machine, found: Fit, memory: Plan, here: Here, faults: list[str], notes: list[str]) -> None:
    """Print everything as tables, and what to do about what is wrong below them."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    tables = machine_table(machine), speed_table(machine), settings_table(found), memory_table(memory), here_table(here)
    for table in tables:
        if table.row_count:
            console.print(table)
            console.print()
    for mark, lines in (("!!", faults), ("note:", notes)):
        for line in lines:
            console.print(f"{mark} {line}")
    slow = ", though not at its best" if notes else ""
    console.print("Something must be mended first." if faults else f"burnish can run here{slow}.")


def machine_table(machine: Machine) -> Table:
    """Return what the machine is and how busy it is."""
    system, load, gpu = machine.system, machine.load, machine.speed.gpu
    table = _table("this machine", "", "")
    flags = f"; {' '.join(system.flags)}" if system.flags else ""
    table.add_row("processor", f"{system.processor or 'unknown'} ({system.name}{flags})")
    physical = "" if system.physical_cores is None else f", {system.physical_cores} physical"
    quota = "" if system.quota_cores is None else f"; a control group grants {system.quota_cores:.1f}"
    table.add_row("cores", f"{system.logical_cores} in all; usable here {system.usable_cores}{physical}{quota}")
    table.add_row("memory", f"{_gib(system.memory_bytes)}, of which {_gib(load.free_bytes)} free")
    who = f", most of it {load.busiest}" if load.busiest else ""
    busy = "unknown" if load.busy_cores is None else f"{load.busy_cores:.2f} cores{who}"
    table.add_row("taken by others", busy)
    memory = "" if gpu is None or gpu.memory_bytes is None else f", {_gib(gpu.memory_bytes)}"
    table.add_row("GPU", "none" if gpu is None else f"{gpu.name} ({gpu.kind}{memory})")
    return table


def speed_table(machine: Machine) -> Table:
    """Return what was measured for each number of threads; without rows when nothing was."""
    speed, load = machine.speed, machine.load
    sizes = sorted({each.size for each in speed.products})
    size = f" of {sizes[-1]} x {sizes[-1]}" if sizes else ""
    table = _table(f"products{size}, GFLOP/s", "threads", "float32", "bfloat16", "small products")
    small = {each.threads: each.microseconds for each in load.small}
    for threads in sorted({each.threads for each in speed.products}):
        rates = [speed.gflops(dtype, threads) for dtype in ("float32", "bfloat16")]
        taken = f"{small[threads]:,.0f} µs each" if threads in small else ""
        table.add_row(str(threads), *("" if rate is None else f"{rate:,.0f}" for rate in rates), taken)
    if speed.copy_gb_s is not None:
        table.caption = f"copying within memory: {speed.copy_gb_s:,.0f} GB/s"
        table.caption_justify = "left"
    return table


def settings_table(found: Fit) -> Table:
    """Return the settings that follow, each with its reason."""
    table = _table("what `burnish run` takes from this, unless you set it", "setting", "value", "why")
    rows: dict[str, Choice] = {
        "dtype": found.dtype,
        "threads": found.threads,
        "rl.prompts_per_slice": found.prompts_per_slice,
        "completions drawn together": found.rollout_rows,
    }
    for name, choice in rows.items():
        table.add_row(name, str(choice.value), choice.reason)
    return table


def memory_table(memory: Plan) -> Table:
    """Return what a run with these settings holds in memory."""
    from burnish.machine.plan import amount

    table = _table("what `burnish run` then holds in memory, of SmolLM2-135M", "", "")
    rows = {**memory.held, **memory.by_turns, "at most, sampling and learning in turns": memory.most}
    for name, size in rows.items():
        table.add_row(name, amount(size))
    return table


def here_table(here: Here) -> Table:
    """Return what is installed and fetched."""
    table = _table("what is here", "", "")
    table.add_row("burnish", f"{here.burnish}, Python {here.python}")
    table.add_row("packages", ", ".join(f"{name} {version or 'MISSING'}" for name, version in here.packages.items()))
    table.add_row("SQLite", f"{here.sqlite}, safe to share" if here.sqlite else "none that is safe to share")
    table.add_row("cache", here.cache)
    for name, is_here in here.fetched.items():
        table.add_row("", f"{name}: {'fetched' if is_here else 'not fetched'}")
    table.add_row("disk", f"{_gib(here.free_disk_bytes)} free")
    return table


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_header = any(columns)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and len(columns) == 4 else "left")
    return table


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / _GIB:,.1f} GiB"
