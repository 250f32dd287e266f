"""Is a run that was killed and resumed the run that was never interrupted? Bit for bit, and for every file that counts.

python benchmarks/resume.py [smoke|reviews] [--kills N] [--dtype float32|bfloat16] [--folder DIR]

One run without interruption; another that is killed (kill -9) N times, in stage after stage at moments drawn by lot,
and gone on with each time.
Prints the SHA-256 of what must be equal in both. reviews: the real model and people's ratings, every stage cut short.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def essence(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of everything in a run folder that an interruption must not change, by name.

    Weights, optimiser, controllers and log of the training; reward model, judge and their cards; every sample; the
    report without its times. Left out: clocks, memory, older saved states, and the order of publication in manifests.
    """
    patterns = ("checkpoints/**/*", "validation/*", "samples/*", "signals/**/*", "samples.jsonl", "config.toml")
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    for stage in folder.glob("state/*"):
        paths += max(stage.glob("state-*")).iterdir()
    kept = sorted(path for path in paths if path.is_file() and path.name != "manifest.json")
    found = {str(path.relative_to(folder)): _sha256(path.read_bytes()) for path in kept}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    plain = [_without(line, ("seconds", "seconds_sampling")) for line in lines]
    found["metrics.jsonl without seconds"] = _sha256(json.dumps(plain).encode())
    report = _without(json.loads((folder / "report.json").read_text("utf-8")), ("seconds", "peak_memory_gib"))
    found["report.json without times"] = _sha256(json.dumps(report, sort_keys=True).encode())
    return found


def _without(line: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in names}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


SHORT = {
    "smoke": {"rl.save_every": 3},
    "reviews": {
        "reward.signals": 320, "gold.epochs": 0.05, "rl.steps": 6, "rl.save_every": 2, "rl.evaluate_every": 3,
        "rl.prompts_per_step": 2, "rl.validation_prompts": 5, "evaluation.prompts": 20, "evaluation.samples": 2,
    },
}  # fmt: skip
"""Settings of a run that passes through every stage in a few minutes."""


STAGES = ("feedback", "before", "reward-0", "train-0", "after", "gold", "report")


def command(folder: Path, recipe: str, dtype: str) -> list[str]:
    """Return the command of one run; the folders of two runs have one name, since completions carry it."""
    sets = [word for name, value in SHORT[recipe].items() for word in ("--set", f"{name}={value}")]
    run = [sys.executable, "-m", "burnish", "run", recipe, "--quiet", "--out", str(folder)]
    return [*run, "--set", f"dtype={dtype}", *sets]


def uninterrupted(run: list[str]) -> float:
    """Return how many seconds one run takes."""
    began = time.monotonic()
    subprocess.run(run, check=True)
    return time.monotonic() - began


def interrupted(run: list[str], folder: Path, kills: int) -> int:
    """Kill a run in stage after stage, some seconds into each; return how often it was killed before it was done.

    Every third kill falls into the training, the longest stage and the one with most to lose.
    """
    draw = random.Random(0)
    for kill in range(kills):
        wanted = "train-0" if kill % 3 == 1 else STAGES[kill % len(STAGES)]
        process = subprocess.Popen([*run, "--resume"])
        while process.poll() is None and not _reached(folder, wanted):
            time.sleep(0.2)
        try:
            status = process.wait(timeout=draw.uniform(0.5, 15.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"  kill {kill + 1}: in stage {_state(folder)}", flush=True)
        else:
            assert status == 0, status
            return kill
    subprocess.run([*run, "--resume"], check=True)
    return kills


def _reached(folder: Path, wanted: str) -> bool:
    """Return whether a run is in this stage or beyond it."""
    state = _state(folder)
    return state == "done" or (state in STAGES and STAGES.index(state) >= STAGES.index(wanted))


def _state(folder: Path) -> str:
    try:
        return str(json.loads((folder / "status.json").read_text("utf-8"))["state"])
    except (OSError, ValueError, KeyError):
        return "starting"


def main() -> int:
    """Print the comparison; 0 when all is equal."""
    parser = argparse.ArgumentParser(description="Is a killed and resumed run the run that was never interrupted?")
    parser.add_argument("recipe", choices=tuple(SHORT), nargs="?", default="smoke")
    parser.add_argument("--kills", type=int, default=6, help="how often to kill it at most (default: 6)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--folder", type=Path, help="where the runs are kept (default: a temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = args.folder or Path(temporary)
        whole, cut = base / "whole" / "run", base / "cut" / "run"
        seconds = uninterrupted(command(whole, args.recipe, args.dtype))
        print(f"uninterrupted: {seconds:.0f} s, {args.recipe}, {args.dtype}", flush=True)
        kills = interrupted(command(cut, args.recipe, args.dtype), cut, args.kills)
        expected, found = essence(whole), essence(cut)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    for name in sorted(expected):
        print(
            f"{'DIFFERS' if name in differing else 'equal  '} {expected[name][:16]} {found.get(name, '-')[:16]} {name}"
        )
    print(f"{kills} kills; {len(expected) - len(differing)} of {len(expected)} equal, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
