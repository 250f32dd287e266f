"""The log of what people did in a study, in order: appended, never changed but by an erasure."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, func, insert, select

from burnish.store.held import Held
from burnish.store.studies_schema import study_events

MOST: Mapping[str, int] = {"draft": 100, "flag": 10}
"""How often one of a kind is noted of one assignment: these a person may send without end, with words in them."""

_EVENT = insert(study_events).values(
    seq=select(func.coalesce(func.max(study_events.c.seq), 0) + 1).scalar_subquery(),
    **{name: bindparam(f"the_{name}") for name in ("study", "assignment", "person", "kind", "body", "time_ms")},
)
_SO_FAR = select(func.count()).where(
    study_events.c.assignment == bindparam("the_assignment"), study_events.c.kind == bindparam("the_kind")
)


def note(connection: Connection, held: Held, kind: str, body: str, now_ms: int) -> bool:
    """Append to the log; return False where the person has sent too many of this kind for this assignment."""
    which = {"the_assignment": held.seq, "the_kind": kind}
    if kind in MOST and connection.execute(_SO_FAR, which).scalar_one() >= MOST[kind]:
        return False
    about = {"the_study": held.study_seq, "the_person": held.person, "the_body": body, "the_time_ms": now_ms}
    connection.execute(_EVENT, {**which, **about})
    return True
