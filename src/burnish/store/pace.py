"""How long answers took lately, of one person in a study or of all in it; how many came when; how many are missing."""

from __future__ import annotations

import json

from sqlalchemy import Connection, func, select

from burnish.store.schema import feedback, words
from burnish.store.studies import MOST_SKIPS
from burnish.store.studies_schema import assignments, studies, study_items

RECENT = 40
"""Answers that are looked at, the latest: what the first ones took says little of the next."""

_HOUR_MS = 3_600_000


def recent_seconds(connection: Connection, study: str, person: str = "") -> list[float]:
    """Return the seconds that the latest answered items took a person, or everybody; erased answers tell none."""
    seq = select(studies.c.seq).where(studies.c.name == study).scalar_subquery()
    query = select(assignments.c.receipts).where(assignments.c.study == seq, assignments.c.state == "answered")
    if person:
        query = query.where(assignments.c.person == person).order_by(assignments.c.ended_ms.desc())
    else:
        query = query.order_by(assignments.c.due_ms.desc())  # which has an index, and is nearly when it was answered
    told = [json.loads(receipts) for receipts in connection.execute(query.limit(RECENT)).scalars()]
    first = [ids[0] for ids in told if ids]  # every record of an item says what the whole item took
    timed = (
        select(words.c.seconds_spent)
        .join_from(feedback, words, words.c.seq == feedback.c.seq)
        .where(feedback.c.id.in_(first), words.c.seconds_spent.is_not(None))
    )
    return [float(seconds) for seconds in connection.execute(timed).scalars()] if first else []


def answered_by_hour(connection: Connection, study: str, since_ms: int) -> dict[int, int]:
    """Return how many items of work people answered in each hour, counted from 1970. Reads every answered one."""
    hour = assignments.c.ended_ms // _HOUR_MS
    query = (
        select(hour, func.count())
        .join_from(assignments, studies, studies.c.seq == assignments.c.study)
        .join(study_items, study_items.c.seq == assignments.c.item)
        .where(studies.c.name == study, assignments.c.state == "answered", assignments.c.ended_ms >= since_ms)
        .where(study_items.c.role != "training")
        .group_by(hour)
    )
    return {int(number): count for number, count in connection.execute(query)}


def places_left(connection: Connection, study: str) -> int:
    """Return how many answers are still missing; items that everybody may answer, or that were set aside, ask none."""
    missing = func.sum(study_items.c.places - study_items.c.answered)
    query = select(missing).join_from(study_items, studies, studies.c.seq == study_items.c.study)
    query = query.where(studies.c.name == study, study_items.c.places > study_items.c.answered)
    return int(connection.execute(query.where(study_items.c.skipped < MOST_SKIPS)).scalar() or 0)
