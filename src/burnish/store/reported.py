"""What people pointed out or skipped instead of answering, with their words: for whoever leads a study.

Read from the events of the few items that were flagged or skipped at all, by index, so that a study of 100,000 items
is no slower to look at than a small one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, select

from burnish.store.studies_schema import assignments, studies, study_events, study_items

What: TypeAlias = Literal["flag", "skip"]

MOST_REPORTS = 200
"""Read at once, the latest first."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One person on one item; after they were erased, without their words."""

    study: str
    item: str
    prompt_id: str
    completion_ids: tuple[str, ...]
    what: What
    person: str
    reason: str
    """Why it was skipped: one of the study's reasons."""
    note: str
    time_ms: int


def reported(connection: Connection, study: str = "", item: str = "", *, limit: int = MOST_REPORTS) -> list[Reported]:
    """Return what people flagged and skipped, the latest first; of one study, or one of its items, where named."""
    query = (
        select(
            studies.c.name.label("study"),
            *(study_items.c[name] for name in ("id", "prompt_id", "completion_ids")),
            *(study_events.c[name] for name in ("kind", "person", "body", "time_ms")),
        )
        .join_from(study_items, studies, studies.c.seq == study_items.c.study)
        .join(assignments, assignments.c.item == study_items.c.seq)
        .join(study_events, study_events.c.assignment == assignments.c.seq)
        .where((study_items.c.flagged > 0) | (study_items.c.skipped > 0), study_events.c.kind.in_(("flag", "skip")))
        .order_by(study_events.c.seq.desc())
        .limit(limit)
    )
    if study:
        query = query.where(studies.c.name == study)
    if item:
        query = query.where(study_items.c.id == item)
    return [_reported(row) for row in connection.execute(query).mappings()]


def _reported(row: RowMapping) -> Reported:
    said = json.loads(row["body"])
    return Reported(
        study=row["study"],
        item=row["id"],
        prompt_id=row["prompt_id"],
        completion_ids=tuple(json.loads(row["completion_ids"])),
        what=row["kind"],
        person=row["person"],
        reason=str(said.get("reason", "")),
        note=str(said.get("note", "")),
        time_ms=row["time_ms"],
    )
