"""A judge's model by the name a person gives it: `openai:URL#MODEL`, a name of `burnish fetch`, a folder, a hub id."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from burnish import corpora
from burnish.judges.asking.remembered import Memory, Remembered
from burnish.models.endpoint_address import PREFIX
from burnish.records import Sampler

if TYPE_CHECKING:
    from burnish.models.spending import Purse


def remembered(name: str, memory: Memory, purse: Purse | None = None, *, probed: bool = True) -> Remembered:
    """Return the model of a name behind its memory; an endpoint was asked once whether it gives log-probs.

    With a purse it raises `SpentError` where the cap leaves a question unasked. `probed`: whether that is asked at all;
    who only has texts written need not know.
    """
    found = Remembered(sampler_of(name, purse), memory, stops=purse is not None)
    if probed:
        found.probe()
    return found


def sampler_of(name: str, purse: Purse | None = None) -> Sampler:
    """Return the model of a name: an endpoint that spends from a purse, or a model in this process."""
    if not name.startswith(PREFIX):
        return local_sampler(name)
    from burnish.models.endpoint import Endpoint

    return Endpoint(name, purse=purse)


def local_name(name: str) -> str:
    """Return what a model in this process is called as a judge: its name and its weights' hash, because another
    training of the same folder is another judge, and remembers nothing of this one's answers."""
    folder = corpora.resolve(name)
    return f"{name if name in corpora.names() else folder.name}@{_digest(folder)}"


def local_sampler(name: str, *, dtype: str = "bfloat16") -> Sampler:
    """Return a model in this process that also tells log-probs."""
    from burnish.models.choosing import EngineChooser
    from burnish.models.policy import Policy

    folder = corpora.resolve(name)
    return EngineChooser(Policy.load(folder, name=folder.name, dtype=dtype), name=local_name(name))


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        with path.open("rb") as file:
            found.update(path.name.encode())
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:8]
