"""Rewards: one file per source of reward. Many (prompt, completion) in, as many `Score`s out; trains nothing.

The file name is the registry. A file whose reward can be made from a word offers `make(spec="") -> Reward`; spec is
what follows the name's colon: `chrf`, `rouge:2`, `length:40-80`. `value=None` is "not scored", with a reason, and never
0. Every score explains itself as far as its source can: reason, members of an ensemble, spans, variance.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import cast

from burnish.errors import InputError, nearest
from burnish.records import Reward


def names() -> list[str]:
    """Return the names of all sources of reward, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def load(name: str) -> ModuleType:
    """Return the module of a source. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"reward {name!r} is not known.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")


def make(word: str) -> Reward:
    """Return the reward that a word names: `chrf`, `rouge:2`, `length:40-80`.

    Raises InputError for an unknown name, for one that needs more than a word (a model, people's grades), and for a
    spec that it does not understand.
    """
    name, _, spec = word.partition(":")
    module = load(name)
    if not hasattr(module, "make"):
        by_word = ", ".join(each for each in names() if is_made_by_word(each))
        raise InputError(
            f"reward {name!r}: needs more than a word, a model or people's grades. By a word: {by_word}. "
            "A reward.toml can hold several together, and boosted."
        )
    return cast(Reward, module.make(spec))


def is_made_by_word(name: str) -> bool:
    """Return whether a source offers `make`, without importing it: some import torch."""
    found = importlib.util.find_spec(f"{__name__}.{name}")
    return found is not None and found.origin is not None and "\ndef make(" in Path(found.origin).read_text("utf-8")
