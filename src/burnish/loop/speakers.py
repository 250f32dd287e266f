"""Which models may be talked with: those that were named when the studio began, and what runs have made.

Nobody who only uses a page can name another: a name is looked up in this list, never resolved as it comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish import corpora
from burnish.errors import InputError, nearest
from burnish.models.decoding import decoding_in
from burnish.models.endpoint_address import PREFIX
from burnish.records import Checkpoint

DEFAULT = "smollm2-135m"
"""Offered without being named, where it was fetched already: nothing is downloaded because somebody opened a page."""
PEFT = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Speaker:
    """One model that may be talked with."""

    name: str
    """What it is asked for by: a model's name, a checkpoint's id."""
    base: str
    """The untouched model: a name of `burnish fetch`, a folder, `openai:URL#MODEL`."""
    checkpoint: str = ""
    """Folder of what was trained on it; empty: the untouched model itself speaks."""
    label: str = ""
    """For people: the run it comes of and its step."""
    run: str = ""
    """Name of the run folder it comes of."""

    @property
    def model(self) -> str:
        """What the untouched model is called: a folder by its last part, one that a run made by its run's name too."""
        if self.is_remote or self.base in corpora.names():
            return self.base
        folder = Path(self.base)
        return f"{self.run}/{folder.name}" if self.run and folder.parent.name == self.run else folder.name

    @property
    def is_remote(self) -> bool:
        return self.base.startswith(PREFIX)


def speakers(models: Sequence[str], checkpoints: Iterable[Checkpoint], runs: str | Path = "runs") -> list[Speaker]:
    """Return the models that may be talked with, untouched ones first, then checkpoints, the newest first.

    models: names given by whoever started the studio. checkpoints: those that the store knows. runs: folder of run
    folders, whose promoted checkpoints are offered too. Of a finished run only the promoted checkpoint counts.
    """
    trained: dict[str, Speaker] = {}
    folders = [Path(each.path) for each in checkpoints if each.kind == "adapter"]
    named = [Path(name) for name in models if (Path(name) / PEFT).exists() or decoding_in(Path(name))]
    for folder in (*filter(_is_promoted, folders), *_promoted(Path(runs)), *named):
        if found := of_checkpoint(folder):
            trained.setdefault(found.name, found)
    given = [name for name in models if Path(name) not in named]
    if not models and _is_fetched(DEFAULT):
        given = [DEFAULT]
    under = [Speaker("", each.base, run=each.run) for each in trained.values()]
    untouched = {each.base: replace(each, name=each.model) for each in (*under, *(Speaker("", name) for name in given))}
    return [*untouched.values(), *reversed(trained.values())]


def speaker(name: str, known: Sequence[Speaker]) -> Speaker:
    """Return the model of this name. Raises InputError for one that nobody offers."""
    for each in known:
        if each.name == name:
            return each
    raise InputError(f"model: {name!r} is not offered here.{nearest(name, [each.name for each in known])}")


def _promoted(runs: Path) -> list[Path]:
    """Return the promoted checkpoint of each run folder that has a report, oldest first."""
    reports = sorted(runs.glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    named = [(path.parent / "checkpoints", _read(path).get("checkpoint")) for path in reports]
    return [folder / name for folder, name in named if isinstance(name, str) and name]


def _is_promoted(folder: Path) -> bool:
    """Return whether the checkpoint's run promoted it, or has not promoted any yet."""
    chosen = _read(folder.parent.parent / "report.json").get("checkpoint", folder.name)
    return bool(chosen == folder.name)


def of_checkpoint(folder: Path) -> Speaker | None:
    """Return the speaker of a checkpoint's folder; None where it is gone, or is a reward model's."""
    lineage = _read(folder / "burnish.json")
    config = lineage.get("config") or {}
    model = config.get("model") or _read(folder / PEFT).get("base_model_name_or_path")
    if lineage.get("kind", "adapter") != "adapter" or not isinstance(model, str):
        return None
    run = folder.parent.parent
    base = str(run / "model") if (run / "model").is_dir() else model  # made or merged for this run
    label = f"{run.name}, {lineage['method']} {lineage.get('step', 0)}" if lineage.get("method") else ""
    return Speaker(folder.name, base, str(folder), label=label, run=run.name)


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_fetched(name: str) -> bool:
    return any(corpora.folder().glob(f"{name}-[0-9]*"))
