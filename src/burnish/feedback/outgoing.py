"""Feedback out of the store, in the shapes in which it comes in: export, import and export again is the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from burnish.errors import InputError, nearest
from burnish.feedback import kinds
from burnish.feedback.answers import answers_of
from burnish.feedback.rows import to_row

if TYPE_CHECKING:
    from burnish.store import Store


def export_rows(store: Store, *, kinds_wanted: Collection[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield one row for each current record, by prompt and then in the order stored; superseded ones stay behind.

    Streams one prompt's records at a time. Raises InputError at once for a kind nobody knows.
    """
    for name in kinds_wanted or ():
        if name not in kinds.names():
            raise InputError(f"--kind: {name!r} is unknown.{nearest(name, kinds.names())}")
    entries = store.entries(kinds=kinds_wanted)
    return (to_row(answer) for entry in entries for answer in answers_of(entry))
