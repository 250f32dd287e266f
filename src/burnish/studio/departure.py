"""A person's data leave: the account first, so that nothing is added meanwhile, then their words and their traces."""

from __future__ import annotations

from burnish.store import Erasure
from burnish.studio.context import Studio, now_ms


def depart(studio: Studio, number: int, name: str, *, actor: int) -> Erasure:
    """Return what forgetting a person touched: their answers are erased, their account is deleted.

    Models that learned from the answers are not changed; their ids are returned, and stand in the log.
    Raises `LastOwnerError` for the only owner, before anything is gone.
    """
    store = studio.store
    store.accounts.delete(number, now_ms=now_ms(), actor=actor)
    erasure = store.erase_author(name)  # after the account, whose bytes it takes out of the file as well
    touched = {"records": erasure.records, "snapshots": erasure.snapshots, "checkpoints": erasure.checkpoints}
    store.audit.record(now_ms(), actor, "erase", f"account:{number}", **touched)
    return erasure
