"""What stands of a person beside what they said: items they had, drafts, steps noted while they worked, conversations.

Forgetting keeps the bookkeeping, which counts and overlap hang on, under a random number, and empties what they typed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from burnish.records import canonical_json
from burnish.store.studies_schema import assignments, deliveries, study_events, study_people, study_versions, webhooks
from burnish.store.talks_schema import talk_turns, talks

_TYPED = {"draft": "{}", "answer_key": None, "answer_digest": None}
"""What of an assignment a person typed, emptied; its digest too, for that of a few choices can be guessed back."""
_UNTOLD = {"body": "{}", "next_ms": None, "done_ms": func.coalesce(deliveries.c.done_ms, deliveries.c.next_ms)}
"""What of a delivery told of a person, emptied. The row stays until deliveries as old are forgotten, for the next one
takes the number after the highest: a receiver that saw a number knows what it stood for, and drops it as told."""


def forget(connection: Connection, person: str) -> int:
    """Return how many rows named a person; none does afterwards, and nothing they typed stands in them."""
    nobody = f"erased_{secrets.token_hex(16)}"
    own_talks = select(talks.c.seq).where(talks.c.person == person)
    changes = (
        update(assignments).where(assignments.c.person == person).values(person=nobody, **_TYPED),
        update(study_events).where(study_events.c.person == person).values(person=nobody, body="{}"),
        update(study_people).where(study_people.c.person == person).values(person=nobody),
        update(study_versions).where(study_versions.c.saved_by == person).values(saved_by=nobody),
        update(webhooks).where(webhooks.c.made_by == person).values(made_by=nobody),
        update(deliveries).where(_tells_of(person)).values(_UNTOLD),
        delete(talk_turns).where(talk_turns.c.talk.in_(own_talks)),
        delete(talks).where(talks.c.person == person),
    )
    return sum(connection.execute(each).rowcount for each in changes)


def _tells_of(person: str) -> ColumnElement[bool]:
    return deliveries.c.body.contains(canonical_json({"person": person})[1:-1], autoescape=True)


def forget_answers(connection: Connection, feedback_ids: Collection[str]) -> None:
    """Empty what was kept for undoing these answers, and the drafts that led to them. For a few ids: it reads all."""
    if not feedback_ids:
        return
    named = or_(*(assignments.c.receipts.contains(canonical_json(each), autoescape=True) for each in feedback_ids))
    held = list(connection.execute(select(assignments.c.seq).where(named)).scalars())
    connection.execute(update(assignments).where(assignments.c.seq.in_(held)).values(_TYPED))
    connection.execute(update(study_events).where(study_events.c.assignment.in_(held)).values(body="{}"))
