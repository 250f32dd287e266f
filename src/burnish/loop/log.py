"""The log of training: `metrics.jsonl`, one line a step, and the same numbers in `tensorboard/`.

A run that goes on drops the lines of steps that it does again, and writes the TensorBoard file anew from the others:
the two always agree, whatever a killed process had not yet written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from burnish import files

_NOT_DRAWN = ("step", "round")


class TrainingLog:
    """Open for one stage of training; closing it writes what is still held back."""

    def __init__(self, folder: Path, *, round: int, step: int) -> None:
        """Keep the lines of former rounds and of this one up to the step: what comes after is done again."""
        self.path = folder / "metrics.jsonl"
        lines = self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _is_kept(line, round, step)]
        if kept != lines:
            files.write_atomic(self.path, "".join(line + "\n" for line in kept))
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        self.board = SummaryWriter(str(folder / "tensorboard"))
        for line in kept:
            self._draw(json.loads(line))

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.board.close()

    def add(self, metrics: Mapping[str, float]) -> None:
        """Write a step's numbers; one that is not finite becomes null. Durable when this returns."""
        finite = {key: value if np.isfinite(value) else None for key, value in metrics.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite) + "\n")
            file.flush()
            os.fsync(file.fileno())  # a saved state must never be newer than the log beside it
        self._draw(finite)

    def _draw(self, line: Mapping[str, float | None]) -> None:
        for name, value in line.items():
            if value is not None and name not in _NOT_DRAWN:
                self.board.add_scalar(f"round-{line['round']}/{name}", value, line["step"])


def _is_kept(line: str, round: int, step: int) -> bool:
    try:
        logged = json.loads(line)
    except ValueError:
        return False  # cut off by a kill
    return bool(logged["round"] < round or (logged["round"] == round and logged["step"] <= step))
