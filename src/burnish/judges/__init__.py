"""Judges: one file per way to ask a machine, and this folder is their registry.

A judge takes a `Sampler` (our engine, an endpoint, a script, a replay) wrapped in an `Asker`, and is a `records.Judge`:

    judge(prompts, completions) -> list[Feedback | None]       what the store keeps: an author of kind ai
    verdicts(prompts, completions, *, seed) -> list[Verdict]   the same with probability, parts and, for a failure, why
    author -> str                                              the model, the form and a hash of its wording

A judgement that failed is None with a reason, counted (`verdict.count`), and never a 0. What all share lies in
`asking/`: the fence around judged text, the shape of an answer, the ladder from words to it, the memory. The prompts
are plain files in `prompts/`. Nothing here needs torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from burnish.errors import InputError, nearest


def names() -> list[str]:
    """Return the names of all ways to ask, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str) -> ModuleType:
    """Return the module of a way to ask. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"judge {name!r} is not known.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")
