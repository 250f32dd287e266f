"""An assignment as it is read: with its item, for the person who holds it and for nobody else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, bindparam, select

from burnish.errors import InputError
from burnish.store import picking
from burnish.store.picking import Standing
from burnish.store.studies import Role
from burnish.store.studies_schema import assignments, studies, study_items

AssignmentState: TypeAlias = Literal["open", "answered", "skipped", "expired"]


class NotYoursError(InputError):
    """There is no such assignment, or it is another person's."""


class ExpiredError(InputError):
    """The time of an assignment ran out and its place was taken, or it was ended otherwise."""


class OtherAnswerError(InputError):
    """The same key came with another answer, or another answer stands already."""


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment with its item."""

    seq: int
    id: str
    study: str
    study_seq: int
    item_seq: int
    version: int
    person: str
    state: AssignmentState
    before: str
    """The state to which it returns when it was reopened and its time runs out; else empty."""
    shown: tuple[int, ...]
    """Which of the item's completions stands at each place."""
    round: int
    """How often it was answered."""
    given_ms: int
    due_ms: int
    draft: Mapping[str, Any]
    answer_key: str | None
    answer_digest: str | None
    receipts: tuple[str, ...]
    """Ids of the feedback of the last round."""
    item: str
    role: Role
    prompt_id: str
    completion_ids: tuple[str, ...]
    """In the item's own order."""
    expected: Mapping[str, Any] | None

    @property
    def shown_ids(self) -> tuple[str, ...]:
        """The completions in the order in which they are shown."""
        return tuple(self.completion_ids[place] for place in self.shown)


HELD = (
    select(
        *(column for column in assignments.c if column.name not in ("study", "item", "ended_ms")),
        studies.c.name.label("study"),
        studies.c.seq.label("study_seq"),
        study_items.c.id.label("item"),
        study_items.c.seq.label("item_seq"),
        *(study_items.c[name] for name in ("role", "prompt_id", "completion_ids", "expected")),
    )
    .join_from(assignments, study_items, study_items.c.seq == assignments.c.item)
    .join(studies, studies.c.seq == assignments.c.study)
)
_NAMED = HELD.where(assignments.c.id == bindparam("name"), assignments.c.person == bindparam("person"))
_OPEN = (
    HELD.where(
        assignments.c.study == bindparam("of"),
        assignments.c.person == bindparam("person"),
        assignments.c.state == "open",
    )
    .order_by(assignments.c.before == "", assignments.c.due_ms.desc(), assignments.c.seq.desc())
    .limit(1)
)


def held_of(row: RowMapping) -> Held:
    values = dict(row)
    for name in ("shown", "receipts", "completion_ids"):
        values[name] = tuple(json.loads(values[name]))
    values["draft"] = json.loads(values["draft"])
    values["expected"] = None if values["expected"] is None else json.loads(values["expected"])
    return Held(**values)


def held_by(connection: Connection, name: str, person: str) -> Held:
    row = connection.execute(_NAMED, {"name": name, "person": person}).mappings().first()
    if row is None:
        raise NotYoursError("assignment: there is none of this name that is yours.")
    return held_of(row)


def standing_of(connection: Connection, study: str, person: str) -> Standing:
    found = picking.standing(connection, study, person)
    if found is None:
        raise NotYoursError(f"study {study!r}: there is none of this name.")
    return found


def study_number(connection: Connection, name: str) -> int:
    return standing_of(connection, name, "").study


def open_one(connection: Connection, study: int, person: str) -> Held | None:
    """Return what a person holds; of several, by undoing, the one that was reopened last."""
    row = connection.execute(_OPEN, {"of": study, "person": person}).mappings().first()
    return None if row is None else held_of(row)


def need_open(connection: Connection, name: str, person: str, now_ms: int) -> Held:
    held = held_by(connection, name, person)
    if held.state != "open" or held.due_ms < now_ms:
        raise ExpiredError("assignment: it is no longer open. Load the page again for the next item.")
    return held
