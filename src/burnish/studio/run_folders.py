"""Run folders as the studio reads them: what a run is doing, what it logged, what it said, what it reports.

Only read, but for the file `stop`. A run writes while we read: a line cut off in the middle is left out, a file that is
not there yet is empty.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from burnish.evaluation.figures import logged
from burnish.evaluation.reward_card import RewardCard, card_from_plain

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of folders that are looked at: what `burnish` makes, and nothing that leads elsewhere."""
_LOOK = re.compile(r"round-(\d+)-step-(\d+)\.jsonl")
STOPPED, DONE = "stopped", "done"


@dataclass(frozen=True)
class Run:
    """One run folder."""

    path: Path
    status: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def state(self) -> str:
        """The stage it is in, or `done`, or `stopped`."""
        return str(self.status.get("state", ""))

    @cached_property
    def is_live(self) -> bool:
        """Whether a process works on it, as far as can be told from here."""
        return self.state not in (DONE, STOPPED) and _holder_lives(_object(self.path / "lock.json"))

    @property
    def is_stopping(self) -> bool:
        return (self.path / "stop").exists()

    @cached_property
    def changed(self) -> float:
        """When something last happened, seconds since 1970."""
        files = (self.path / each for each in ("status.json", "metrics.jsonl", "report.json"))
        return max((each.stat().st_mtime for each in files if each.exists()), default=0.0)

    @cached_property
    def log(self) -> Sequence[Mapping[str, Any]]:
        """The lines of metrics.jsonl."""
        return list(_lines(self.path / "metrics.jsonl"))

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """What report.json says; empty before there is one."""
        return _object(self.path / "report.json")

    @cached_property
    def kl_budget(self) -> float | None:
        """How far it may go from the untouched model, in nats: by its report, or its settings while it runs."""
        told = self.report.get("kl_budget_nats", _settings(self.path).get("rl", {}).get("kl_budget_nats"))
        return float(told) if isinstance(told, (int, float)) else None

    @property
    def has_page(self) -> bool:
        return (self.path / "report.html").is_file()

    @cached_property
    def reward_cards(self) -> Sequence[RewardCard]:
        """The cards of its reward models, the last round's last."""
        files = sorted((self.path / "checkpoints").glob("reward-*/card.json"))
        return [card_from_plain(plain) for file in files if (plain := _object(file))]

    def series(self, name: str, round: int) -> tuple[list[float], list[float]]:
        """Return steps and values of a measure in one round."""
        return logged([line for line in self.log if line.get("round", 0) == round], name)

    @property
    def rounds(self) -> list[int]:
        return sorted({int(line.get("round", 0)) for line in self.log}) or [0]

    def looks(self, prompts: int) -> list[Look]:
        """Return what the same few prompts were answered at each look, the untrained model's first."""
        files = sorted((self.path / "validation").glob("*.jsonl"))
        named = [(match, file) for file in files if (match := _LOOK.fullmatch(file.name))]
        return [Look(int(match[1]), int(match[2]), _first_answers(_lines(file), prompts)) for match, file in named]

    def scored(self) -> dict[str, float]:
        """Return the reward of every text that the run's report scored, by text."""
        return {
            side["text"]: float(side["proxy"])
            for line in _lines(self.path / "samples.jsonl")
            for side in (line.get("before"), line.get("after"))
            if isinstance(side, dict) and isinstance(side.get("proxy"), (int, float)) and "text" in side
        }

    def ask_to_stop(self) -> None:
        """Have the run save and end at its next saved place."""
        (self.path / "stop").touch()


@dataclass(frozen=True, slots=True)
class Look:
    """What a step's policy answered to the validation prompts."""

    round: int
    step: int
    answers: Mapping[str, str] = field(default_factory=dict)
    """Text by prompt id, the first answer to each."""


def runs(folder: str | Path) -> list[Run]:
    """Return the runs in a folder, the one that changed last first; none where there is no such folder."""
    root = Path(folder)
    if not root.is_dir():
        return []
    found = [run for path in root.iterdir() if (run := _run(path))]
    return sorted(found, key=lambda run: (-run.changed, run.name))


def load(folder: str | Path, name: str) -> Run | None:
    """Return one run by its name; None for a name that is not one of a run in this folder."""
    return _run(Path(folder) / name) if NAME.fullmatch(name) else None


def _run(path: Path) -> Run | None:
    if not NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return None
    status = _object(path / "status.json")
    return Run(path, status) if status else None


def _first_answers(lines: Iterator[Mapping[str, Any]], prompts: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if len(found) == prompts and line.get("prompt_id") not in found:
            break
        found.setdefault(str(line.get("prompt_id", "")), str(line.get("text", "")))
    return found


def _holder_lives(lock: Mapping[str, Any]) -> bool:
    """Whether the process named in a lock file is there. Only shown, never acted upon: the lock itself is the OS's."""
    if not lock:
        return False
    if lock.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(lock.get("pid", 0)) or -1, 0)
    except (OSError, ValueError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "config.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
