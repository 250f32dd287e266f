"""What a person said leaves: out of the store, out of what judges answered about it, and into the log as a number.

Models that learned from it are not changed; their ids are returned, and stand in the log.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from burnish.feedback.masking import Masker
from burnish.store import Erasure
from burnish.store.judge_cache import DEFAULT_FILE, forget
from burnish.studio.assign import study_at
from burnish.studio.context import Studio, now_ms
from burnish.studio.study_file import to_toml


def depart(studio: Studio, number: int, name: str, *, actor: int) -> Erasure:
    """Return what forgetting a person touched: their account is deleted, then their words and their traces.

    Raises `LastOwnerError` for the only owner, before anything is gone.
    """
    # first, so that nothing is added meanwhile
    studio.store.accounts.delete(number, now_ms=now_ms(), actor=actor, leaving=True)
    _take_out_of_studies(studio, name)
    return _told(studio, studio.store.erase_author(name), actor, f"account:{number}")


def erase_answer(studio: Studio, feedback_id: str, *, actor: int) -> Erasure:
    """Return what erasing one record touched, with its earlier versions."""
    return _told(studio, studio.store.erase(feedback_id), actor, "")


def _take_out_of_studies(studio: Studio, name: str) -> None:
    """Put a random name where a study names who may work in it: a list without anybody would let everybody in, and
    whoever takes the name next is somebody else."""
    nobody = f"erased_{secrets.token_hex(8)}"
    studies = studio.store.studies
    for row in studies.listing():
        for version, *_ in studies.versions(row.name):
            study = study_at(studio, row.name, version)
            if name in study.people:
                people = tuple(nobody if each == name else each for each in study.people)
                studies.rewrite(row.name, version, to_toml(replace(study, people=people)))


def _told(studio: Studio, erasure: Erasure, actor: int, subject: str) -> Erasure:
    cache = studio.settings.judge_cache or DEFAULT_FILE
    judged = 0
    if Path(cache).exists():
        masker = Masker(bytes(32))  # the placeholders differ from the judge's; what stands between them is the same
        judged = forget(cache, [*erasure.words, *map(masker.text, erasure.words)])
    touched = {"records": erasure.records, "snapshots": erasure.snapshots, "checkpoints": erasure.checkpoints}
    studio.store.audit.record(now_ms(), actor, "erase", subject, judged=judged, **touched)
    return erasure
