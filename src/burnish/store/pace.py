"""How long answers took lately: of one person in a study, or of all people in it. A few rows, found by index."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select

from burnish.store.schema import feedback, words
from burnish.store.studies_schema import assignments, studies

RECENT = 40
"""Answers that are looked at, the latest: what the first ones took says little of the next."""


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
