"""A judge's model by the name a person gives it: `openai:URL#MODEL`, a name of `burnish fetch`, a folder, a hub id."""

from __future__ import annotations

import hashlib
from pathlib import Path

from burnish import corpora
from burnish.models.endpoint_address import PREFIX
from burnish.records import Sampler


def sampler_of(name: str) -> Sampler:
    """Return the model of a name: an endpoint, asked once whether it gives log-probs, or a model in this process."""
    if not name.startswith(PREFIX):
        return local_sampler(name)
    from burnish.models.endpoint import Endpoint

    endpoint = Endpoint(name)
    endpoint.probe()
    return endpoint


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
