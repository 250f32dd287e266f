"""What goes into the store and what comes back: plain values, importable without a database library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from burnish.errors import InputError
from burnish.records import Completion, Feedback, Prompt

OnDuplicate: TypeAlias = Literal["error", "skip", "replace"]
Status: TypeAlias = Literal["stored", "known", "replaced", "conflict"]

BESIDE = "beside"
"""Metadata of the first record of a line that holds several kinds: the others. The id of that record stands for all."""
KEPT = "its id stands for other content, which was kept"
"""Message of a conflict that was asked for, with "skip"; every other conflict refused its entry."""
WITHDRAWN = "withdrawn"
"""Kind of a record that only takes another back: nothing of it is ever read out."""


def ids_beside(feedback_id: str, metadata: Mapping[str, Any]) -> list[str]:
    """Return the ids of the records that came in the same line as this one."""
    names = metadata.get(BESIDE)
    return [f"{feedback_id}/{name}" for name in names] if isinstance(names, list) else []


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt, completions of it and what people said of them. It is stored whole or not at all."""

    prompt: Prompt
    completions: tuple[Completion, ...] = ()
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one feedback record, given out only once it is committed."""

    feedback_id: str
    """The id under which it stands: after `replaced` the new record's own id."""
    status: Status
    """`stored` new; `known` the same record was there; `replaced` stored as a new record that supersedes the old one;
    `conflict` the id stands for other content, nothing was changed."""
    message: str = ""
    prompt_kept: str = ""
    """What the entry says of its prompt otherwise than the store, which keeps its own: names of fields (reference,
    metadata, split). Told with the first record of the entry; what an entry leaves at its default is not compared."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What one request to forget touched."""

    records: int
    """Feedback records that lost their words; their tombstones stay."""
    snapshots: tuple[str, ...] = ()
    """Hashes of the snapshots that can no longer be reproduced whole."""
    checkpoints: tuple[str, ...] = ()
    """Ids of the checkpoints trained on those snapshots, and of checkpoints trained from these."""
    purged: bool = True
    """Whether the bytes are gone from the files too. False while another process still reads an older state: they go
    when the store is next opened or erased from."""
    texts_kept: int = 0
    """Completions that read as a text of theirs and stay, because what somebody else said speaks of them."""
    words: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What was erased, for caches beside the store to forget it too (`burnish.store.judge_cache`): never kept, shown or
    compared."""


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A saved list of signals."""

    hash: str
    signals: int
    feedback: int
    """How many feedback records it was made from."""
    lost: int
    """How many of its signals an erasure took."""
    time: str
    """When it was saved, RFC 3339, UTC."""


class LostSignalsError(InputError):
    """A snapshot cannot be loaded whole, because feedback it used was erased; the message says which."""
