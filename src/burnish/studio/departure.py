"""A person's data leave: the account first, so that nothing is added meanwhile, then their words, then their traces."""

from __future__ import annotations

from burnish.store import Erasure
from burnish.studio.context import Studio, now_ms


def depart(studio: Studio, number: int, name: str, *, actor: int) -> Erasure:
    """Return what forgetting a person touched: their answers are erased, their account is deleted.

    Models that learned from the answers are not changed; their ids are returned, and stand in the log.
    Raises `LastOwnerError` for the only owner, before anything is gone.
    """
    store = studio.store
    store.accounts.set_closed(number, True, now_ms=now_ms(), actor=actor)
    erasure = store.erase_author(name)
    touched = {"records": erasure.records, "snapshots": erasure.snapshots, "checkpoints": erasure.checkpoints}
    store.accounts.delete(number, now_ms=now_ms(), actor=actor, **touched)
    return erasure
