"""Append-only feedback in a database, snapshots of signals, and record files: the only room that opens either.

`Entry` and the JSONL functions need no database library; `open_store` and `Store` import it when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burnish.store.entry import Entry, Erasure, LostSignalsError, OnDuplicate, Receipt, SnapshotInfo
from burnish.store.jsonl import Line, read_objects, write_objects
from burnish.store.validation import Checked, check

if TYPE_CHECKING:
    from burnish.store.store import Store, open_store

__all__ = [
    "Checked",
    "Entry",
    "Erasure",
    "Line",
    "LostSignalsError",
    "OnDuplicate",
    "Receipt",
    "SnapshotInfo",
    "Store",
    "check",
    "open_store",
    "read_objects",
    "write_objects",
]


def __getattr__(name: str) -> Any:
    """Return a name of the database half, importing it now."""
    if name not in ("Store", "open_store"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module("burnish.store.store"), name)
