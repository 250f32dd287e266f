"""Tasks: one file each, owning its prompts, its feedback and how an answer is judged.

A task module has NAME, SUMMARY, REPORT (its words in the report), `recipe()` (settings that differ from the defaults),
`prompts()`, `evidence()` and `scripted_feedback(prompts, completions, slope)` (its rule author, from round two on). It
may have `make_model(folder)`, which writes what the setting `model = "tiny"` means, and NEEDS, the names of corpora.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from burnish.errors import InputError, nearest


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return the module of a task. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"{name!r} is neither a task nor a TOML file.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")
