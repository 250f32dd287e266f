"""What a person said leaves: out of the store, out of what judges answered about it, and into the log as a number.

Models that learned from it are not changed; their ids are returned, and stand in the log.
"""

from __future__ import annotations

from pathlib import Path

from burnish.feedback.masking import Masker
from burnish.store import Erasure
from burnish.store.judge_cache import DEFAULT_FILE, forget
from burnish.studio.context import Studio, now_ms


def depart(studio: Studio, number: int, name: str, *, actor: int) -> Erasure:
    """Return what forgetting a person touched: their account is deleted, then their words and their traces.

    Raises `LastOwnerError` for the only owner, before anything is gone.
    """
    studio.store.accounts.delete(number, now_ms=now_ms(), actor=actor)  # first, so that nothing is added meanwhile
    return _told(studio, studio.store.erase_author(name), actor, f"account:{number}")


def erase_answer(studio: Studio, feedback_id: str, *, actor: int) -> Erasure:
    """Return what erasing one record touched, with its earlier versions."""
    return _told(studio, studio.store.erase(feedback_id), actor, "")


def _told(studio: Studio, erasure: Erasure, actor: int, subject: str) -> Erasure:
    cache = studio.settings.judge_cache or DEFAULT_FILE
    judged = 0
    if Path(cache).exists():
        masker = Masker(bytes(32))  # the placeholders differ from the judge's; what stands between them is the same
        judged = forget(cache, [*erasure.words, *map(masker.text, erasure.words)])
    touched = {"records": erasure.records, "snapshots": erasure.snapshots, "checkpoints": erasure.checkpoints}
    studio.store.audit.record(now_ms(), actor, "erase", subject, judged=judged, **touched)
    return erasure
