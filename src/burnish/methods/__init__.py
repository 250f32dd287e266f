"""Methods: one file per algorithm. The file name is the registry.

Each holds its frozen `Config`, `needs(config)`, and pure functions on `burnish.maths.batch` records: `targets(batch,
config) -> Batch` where something is computed once for a whole window, and `loss(batch, outputs, config) -> (share_B,
metrics)`. `share_B` is each row's share of the window's loss: slices of a window add up (trap T26). `metrics` maps a
name to (B,) values, NaN where it does not apply; the trainer prints their mean.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from burnish.errors import InputError, nearest


@dataclass(frozen=True, slots=True)
class Needs:
    """What a method asks of the loop that trains it; a function of its config (`needs(config)`)."""

    eats: tuple[type, ...]
    """Which of the four signals."""
    fresh: bool = False
    """Completions drawn now by the policy."""
    views: tuple[str, ...] = ()
    """"reference": statistics of the untouched model beside the policy's."""
    heads: Mapping[str, int] = field(default_factory=dict)
    """{"reward": K}."""
    together: bool = False
    """Rows of a group stay in one slice."""


def names() -> list[str]:
    """Return the names of all methods, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return the module of a method. Raises InputError with the nearest name when there is none."""
    if name not in names():
        raise InputError(f"method {name!r} is not known.{nearest(name, names())}")
    return importlib.import_module(f"{__name__}.{name}")
