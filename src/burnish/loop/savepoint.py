"""A place to go on from: tensors and a few numbers, published whole; the last two are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish import files, progress
from burnish.errors import InputError

KEPT = 2


def save(folder: Path, step: int, tensors: dict[str, dict[str, Tensor]], numbers: dict[str, Any]) -> None:
    """Publish `state-<step>` under the folder: one safetensors file for each name, and `state.json`.

    The one before it is kept too; older ones go, and so do later ones, which a damaged run left and this one does anew.
    """
    with files.publish(folder / _name(step)) as temporary:
        for name, group in tensors.items():
            save_file({key: value.contiguous() for key, value in group.items()}, temporary / f"{name}.safetensors")
        (temporary / "state.json").write_text(json.dumps({"step": step, **numbers}), "utf-8")
    states = sorted(folder.glob("state-*"))
    place = states.index(folder / _name(step))
    for old in (*states[: max(place + 1 - KEPT, 0)], *states[place + 1 :]):
        shutil.rmtree(old)


def _name(step: int) -> str:
    return f"state-{step:06d}"


def load(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """Return the last whole state, or None when there is none; says which damaged ones were passed over."""
    newest, messages = files.newest_whole(folder, "state-*")
    for message in messages:
        progress.say(message)
    if newest is None:
        if messages:
            progress.say(f"{folder}: no saved state is whole; this stage begins anew.")
        return None
    numbers = json.loads((newest / "state.json").read_text("utf-8"))
    try:
        tensors = {file.stem: load_file(file) for file in sorted(newest.glob("*.safetensors"))}
    except OSError as error:
        raise InputError(f"{newest}: cannot be read ({error}).") from None
    return tensors, numbers


def clear(folder: Path) -> None:
    """Remove the folder with all its states: the stage they belong to is done."""
    shutil.rmtree(folder, ignore_errors=True)
