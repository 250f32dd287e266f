"""Whole runs on a tiny model: each in a process of its own that can be stopped and killed."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from burnish.tasks import smoke

SMALL = {
    "rl.steps": 5, "rl.evaluate_every": 2, "rl.save_every": 2, "rl.patience": 9, "rl.prompts_per_step": 2,
    "rl.group_size": 4, "rl.prompts_per_slice": 2, "rl.validation_prompts": 5, "rl.validation_samples": 1,
    "rl.least_distinct": 0.5,
    "rl.learning_rate": 0.01, "evaluation.prompts": 10, "evaluation.samples": 2, "reward.signals": 64,
    "reward.epochs": 1.0, "reward.batch": 16, "loop.samples": 8, "sampling.max_new_tokens": 12,
}  # fmt: skip
"""Settings of a run of about two seconds."""
WITHOUT_PICTURES = ("burnish.evaluation.report:draw", 0, "nothing")
Hook = tuple[str, int, str]


@dataclass
class Run:
    """A command under way or ended, and where it works."""

    pid: int
    folder: Path
    """The run folder."""
    log: Path
    _ask: Callable[[dict[str, object]], dict[str, int]]
    status: int | None = None

    def wait(self) -> int:
        """Return the exit status, or minus the signal that ended it."""
        if self.status is None:
            self.status = self._ask({"wait": self.pid})["status"]
        return self.status

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def until(self, is_there: Callable[[], bool]) -> None:
        """Wait for something to be true while the run is under way."""
        for _ in range(60_000):
            if is_there():
                return
            time.sleep(0.002)
        raise AssertionError(f"it did not happen; the run said: {self.said}")


Start = Callable[..., Run]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Callable[[dict[str, object]], dict[str, int]]]:
    """Ask the process that forks runs; see zygote.py."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdin is not None
    assert server.stdout is not None

    def ask(asked: dict[str, object]) -> dict[str, int]:
        print(json.dumps(asked), file=server.stdin, flush=True)
        answer: dict[str, int] = json.loads(server.stdout.readline())
        return answer

    yield ask
    server.stdin.close()
    server.wait()
    server.stdout.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has seen a few batches: it ends its sentences and little more."""
    from burnish.models import tiny

    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder.mkdir()
    draw = random.Random(5)
    asked = [prompt for prompt in smoke.prompts() if prompt.split == "train"]
    dialogues = [(prompt.text, smoke.write(draw, prompt.metadata["words"][0], 0.0)[0]) for prompt in asked]
    tiny.make(folder, dialogues, steps=40)
    return folder


@pytest.fixture(scope="session")
def start(zygote, tiny: Path) -> Start:
    """Start `burnish run smoke` with small settings in a folder `run` below the one given; returns at once.

    `bare` gives no settings at all, as a person does who goes on with --resume.
    """
    numbers = itertools.count(1)

    def start_run(
        below: Path,
        *words: str,
        hooks: Sequence[Hook] = (),
        recipe: str = "smoke",
        out: str = "run",
        bare: bool = False,
        **sets: object,
    ) -> Run:
        below.mkdir(exist_ok=True, parents=True)
        settings = {"model": tiny} | SMALL | {name.replace("__", "."): value for name, value in sets.items()}
        given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        log = below / f"said-{next(numbers)}.txt"
        log.touch()
        asked = {
            "words": ["run", recipe, "--out", out, *words, *([] if bare else given)],
            "folder": str(below),
            "said": str(log),
            "hooks": [WITHOUT_PICTURES, *hooks],
        }
        return Run(zygote({"start": asked})["pid"], below / out, log, zygote)

    return start_run


@pytest.fixture(scope="session")
def finished(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody interrupted, in float32."""
    run = start(tmp_path_factory.mktemp("finished"))
    assert run.wait() == 0, run.said
    return run


@pytest.fixture(scope="session")
def resume() -> ModuleType:
    """benchmarks/resume.py, which knows what must be equal in two runs."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "resume.py"
    spec = importlib.util.spec_from_file_location("resume", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
