"""How a checkpoint speaks that does not speak by its bare logits: by what its heads have learned.

A method may say what the next token is drawn from (`act` in `burnish.methods`). Its checkpoints then name it in
`burnish.json`, and the settings it was trained with stand beside it:

    "config": {"decoded": "ilql", "ilql": {"tilt": 1.0, ...}, ...}

Whoever cannot decode it so must not speak for it: the language model alone is the data's imitation at best (`ilql`),
and was never trained at worst (`dqn`). `loop.speaking` can.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.errors import InputError
from burnish.models.asking import LINEAGE


@dataclass(frozen=True)
class Decoding:
    """What the next token is drawn from."""

    method: str
    """The method whose `act` says it."""
    settings: Mapping[str, Any]
    """The method's settings, plain values."""


def decoding_in(folder: Path) -> Decoding | None:
    """Return how the checkpoint of a folder is decoded; None for one that speaks by its logits."""
    file = folder / LINEAGE
    if not file.exists():
        return None
    config = json.loads(file.read_text("utf-8")).get("config") or {}
    method = config.get("decoded")
    return Decoding(str(method), dict(config.get(method, {}))) if method else None


def refuse(decoding: Decoding | None, name: object) -> None:
    """Raise InputError for a checkpoint that is decoded otherwise than by its logits; called where only they speak."""
    if decoding is not None:
        raise InputError(
            f"{name}: it speaks by the values that {decoding.method} has taught its heads, which are left out here. "
            "Talk with it in the studio, draw from it by burnish.loop.speaking.sampler_in, or train a plain model on "
            "what it says (burnish train sft)."
        )
