"""Runs a bench: starts the sides, gives them their turns, and returns the JSON."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import burnish
from burnish import corpora, progress
from burnish.bench import plan, results
from burnish.bench.drive import Child, alternate
from burnish.bench.flops import Size
from burnish.errors import InputError
from burnish.machine import spinning

SCHEMA = 1
DTYPES = ("bfloat16", "float32")
OURS = (sys.executable, "-m", "burnish.bench.ours")
CHILD = Path(__file__).parent / "peers" / "child.py"
NOT_FOR_PEERS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""Taken out of the peers' surroundings: they see their own packages only."""


@dataclass(frozen=True)
class Options:
    """What `burnish bench` was asked."""

    peer: str = ""
    peer_dtypes: Sequence[str] = DTYPES
    repeats: int = 5
    model: str = "smollm2-135m"
    dtype: str = "bfloat16"
    peers: Path = Path(".peers")
    """Folder of the peers' environment."""


def check(name: str, options: Options) -> None:
    """Raise InputError for what cannot be measured, before anything is loaded."""
    bench = plan.bench(name)
    if options.repeats < 1:
        raise InputError(f"--repeats: {options.repeats} is not a whole number from 1 up.")
    if options.peer and options.peer != bench.peer:
        with_whom = f"compared with {bench.peer}" if bench.peer else "ours alone: leave --peer out"
        raise InputError(f"--peer: {options.peer!r} has no {name}; {name} is {with_whom}.")
    if options.peer:
        python_of(options.peers)


def python_of(peers: Path) -> Path:
    """Return the Python of the peers' environment. Raises InputError when there is none."""
    python = peers / "bin" / "python"
    if not python.exists():
        raise InputError(
            f"bench: {python} is not there: the peers need an environment of their own. Run `make peers` in the "
            "checkout (or name another folder with --peers), or leave out --peer to measure burnish alone."
        )
    return python.absolute()  # not resolved: a virtual environment's Python is a link that must be called by its name


def measure(name: str, options: Options) -> dict[str, Any]:
    """Return the JSON of one bench; `burnish bench --help` tells its keys."""
    check(name, options)
    folder = corpora.resolve(options.model)
    found = _growth(folder, options) if name == "growth" else _side_by_side(plan.bench(name), folder, options)
    return {
        "schema": SCHEMA,
        "name": name,
        "summary": plan.bench(name).summary,
        "command": _command(name, options),
        "model": options.model,
        "dtype": options.dtype,
        "repeats": options.repeats,
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "version": burnish.__version__,
        **found,
    }


def _side_by_side(bench: plan.Bench, folder: Path, options: Options) -> dict[str, Any]:
    machine = results.machine()
    jobs = dict(_jobs(bench, folder, options))
    shapes = {f"burnish, {name}": also.shapes for name, also in bench.also.items()}

    def takes_part(label: str, turn: Mapping[str, Any]) -> bool:
        return label not in shapes or turn["shape"] in shapes[label]

    turns = plan.turns(bench.name) * options.repeats
    with contextlib.ExitStack() as open_children:
        children = {}
        for label, (command, job, environment) in jobs.items():
            progress.say(f"{bench.name}: loading and warming up {label}")
            try:
                child = Child(label, command, job, environment=environment)
                open_children.callback(child.close)
                for turn in plan.warm_up(bench.name):
                    if takes_part(label, turn):
                        child.ask(turn)
            except InputError as error:
                if label not in shapes:
                    raise
                progress.say(f"{bench.name}: without {label}, which is not possible here. {error}")
                continue
            children[label] = child
        ours = children["burnish"]
        rates = [ours.ask({"rate": True})["matrix_gflops"]]
        steps = sum(takes_part(label, turn) for turn in turns for label in children)
        with progress.bar(steps, f"measuring {bench.name}", "steps") as bar:
            found = alternate(
                children,
                turns,
                takes_part=takes_part,
                done=lambda label, each: bar.advance(1, f"{label}: {each['seconds']:.2f} s"),
            )
        rates.append(ours.ask({"rate": True})["matrix_gflops"])
        machine["threads"] = {label: child.facts["threads"] for label, child in children.items()}
        machine["versions"] = {label: child.facts["versions"] for label, child in children.items()}
    gflops = sum(rates) / len(rates)
    by_shape = {
        shape: _compared(bench, [i for i, turn in enumerate(turns) if turn["shape"] == shape], found)
        for shape in dict.fromkeys(turn["shape"] for turn in turns)
    }
    share: dict[str, Any] = {"peak_share": None, "peak_share_parts": {}}
    if bench.trains:
        size = Size.of(json.loads((folder / "config.json").read_text("utf-8")))
        share["peak_share"], share["peak_share_parts"] = results.peak_share(bench.name, size, found["burnish"], gflops)
    more = {"shapes": by_shape} if len(by_shape) > 1 else {}
    return {
        **by_shape[turns[-1]["shape"]],
        **share,
        **more,
        "matrix_gflops": {"mean": gflops, "all": rates},
        "machine": machine,
    }


def _compared(
    bench: plan.Bench, rows: Sequence[int], found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return burnish beside the peers in these turns; "also" holds burnish's other ways, each beside the same peers."""
    asked = {label: [steps[i] for i in rows] for label, steps in found.items()}
    sides = {label: results.summary(label, steps) for label, steps in asked.items() if all(steps)}
    mine = sides.pop("burnish")
    others = {name: sides.pop(f"burnish, {name}") for name in bench.also if f"burnish, {name}" in sides}
    peers = list(sides.values())
    compared = {name: results.compared(side, peers, same_tokens=bench.same_tokens) for name, side in others.items()}
    more = {"also": compared} if compared else {}
    return {**results.compared(mine, peers, same_tokens=bench.same_tokens), **more}


def _jobs(
    bench: plan.Bench, folder: Path, options: Options
) -> Iterator[tuple[str, tuple[Sequence[str], dict[str, Any], Mapping[str, str]]]]:
    """Yield (label, (command, job, environment)) of every side, ours first."""
    job = {**plan.job(bench.name), "model": str(folder.absolute())}
    ours = {**job, "dtype": options.dtype}
    yield "burnish", (OURS, ours, os.environ)
    for name, also in bench.also.items():
        if also.dtype == options.dtype:
            yield f"burnish, {name}", (OURS, {**ours, **also.job}, os.environ)
    if not options.peer:
        return
    command = (str(python_of(options.peers)), str(CHILD))
    around = {name: value for name, value in os.environ.items() if name not in NOT_FOR_PEERS}
    if spinning.is_ours():
        around.pop(spinning.NAME, None)
    around |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    for script, variants in bench.scripts.items():
        for variant in variants:
            for dtype in _dtypes(variant, options):
                label = " ".join(filter(None, (bench.peer, variant.get("mode", ""), dtype)))
                yield label, (command, {**job, **variant, "side": script, "dtype": dtype}, around)


def _dtypes(variant: Mapping[str, Any], options: Options) -> Sequence[str]:
    """Return the number formats of a peer's job: those asked for; for one that takes long, ours if it is among them."""
    if not variant.get("one_dtype"):
        return options.peer_dtypes
    return (options.dtype,) if options.dtype in options.peer_dtypes else options.peer_dtypes[:1]


def _growth(folder: Path, options: Options) -> dict[str, Any]:
    """Return medians along every axis, each point measured by a child of its own, so that its memory is its own."""
    machine = results.machine()
    axes: dict[str, list[dict[str, Any]]] = {}
    points = list(plan.growth(_layers(folder)))
    with progress.bar(len(points), "measuring growth", "points") as bar:
        for axis, value, changes in points:
            job = {**plan.job("growth"), **changes, "model": str(folder.absolute()), "dtype": options.dtype}
            child = Child("burnish", OURS, job, environment=os.environ)
            with contextlib.closing(child):
                child.ask({})
                steps = [child.ask({}) for _ in range(options.repeats)]
                machine["threads"] = {"burnish": child.facts["threads"]}
            axes.setdefault(axis, []).append({"at": value, **results.summary("burnish", steps)})
            bar.advance(1, f"{axis} {value}: {axes[axis][-1]['median']:.2f} s")
    whole = next(point for point in axes["completions"] if point["at"] == 32)
    return {"ratio": None, "ours": whole, "peer": None, "axes": axes, "machine": machine}


def _layers(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return int(config["num_hidden_layers"])


def _command(name: str, options: Options) -> str:
    words = ["burnish bench", name]
    if options.peer:
        words.append(f"--peer {options.peer}")
        if tuple(options.peer_dtypes) != DTYPES:
            words.append(f"--peer-dtype {' '.join(options.peer_dtypes)}")
    default = Options()
    words.extend(
        f"--{flag} {getattr(options, flag)}"
        for flag in ("repeats", "model", "dtype")
        if getattr(options, flag) != getattr(default, flag)
    )
    return " ".join(words)
