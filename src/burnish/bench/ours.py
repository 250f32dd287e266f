"""Our side of the bench: a child that loads once and does one timed step a turn.

python -m burnish.bench.ours          (started by `drive`; the protocol is that of `peers/child.py`)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from burnish import memory
from burnish.bench import sampling, training
from burnish.bench.depth import cut
from burnish.bench.peers.child import Turns
from burnish.machine.speed import rate

Step = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Does one step of a turn and returns its "tokens", and "groups" and "parts" where it has them."""

WORKS: Mapping[str, Callable[[Mapping[str, Any]], Step]] = {
    "generate": sampling.sampled,
    "mixed": sampling.sampled,
    "grpo": training.grpo_step,
    "sft": training.offline_step,
    "dpo": training.offline_step,
    "reward": training.reward_step,
}
MATRIX = 2048
"""Rows of the matrices whose product is the measure of the machine."""


def timed(step: Step, turn: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step tells, with its seconds."""
    began = time.perf_counter()
    facts = step(turn)
    return {"seconds": time.perf_counter() - began, **facts}


def serve(job: Mapping[str, Any], turns: Turns) -> None:
    """Answer until nobody asks; a turn of {"rate": true} asks for the matrix product instead of a step."""
    memory.keep()
    with tempfile.TemporaryDirectory() as made:
        if layers := job.get("layers"):
            cut(Path(job["model"]), layers, Path(made))
            job = {**job, "model": made}
        step = WORKS[job["name"]](job)
    turns.ready(torch.get_num_threads(), "torch", "transformers")
    while (turn := turns.next()) is not None:
        if turn.get("rate"):
            found = rate(job["dtype"], torch.get_num_threads(), MATRIX)
            turns.answer(matrix_gflops=found.gflops, size=found.size)
        else:
            turns.answer(**timed(step, turn))


def main() -> None:
    turns = Turns.of_process()
    job = turns.next()
    if job is not None:
        serve(job, turns)


if __name__ == "__main__":
    main()
