"""Which item a person gets next: training first, then anchors and gold at their shares, then by the study's rule.

Cost does not grow with the study: each rule looks at a few items along an index and asks which of them the person had;
only when these tries all fail, near a person's end, the rest is searched whole.

- random: the next free item after a random place in the shuffled order.
- overlap: items that need the fewest further answers first, so that agreement shows early; among them random.
- active: highest priority first (`Studies.set_priorities`), but one in five at random, so that statistics stay honest.
- anchors come to everybody in the same order, so that people who do little share what they did.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, Select, exists, func, insert, select, update

from burnish.store.studies_schema import assignments, studies, study_items, study_people

NextRule: TypeAlias = Literal["random", "overlap", "active"]

RANDOM_SHARE = 0.2
"""Share of active picking that is random."""
_LOOK_AT = 32  # items a try looks at: of a study half done by this person, 1 in 4 billion tries sees only known ones
_TRIES = 3
_SHUFFLE = 2**31 - 1
_WANTED = ("seq", "id", "role", "shuffle", "completion_ids")


@dataclass(frozen=True, slots=True)
class Rules:
    """What of a study decides who gets what."""

    version: int
    lock_ms: int
    next_item: NextRule = "overlap"
    anchor_share: float = 0.0
    gold_share: float = 0.0
    qualification: float = 0.0
    quota: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person has done in a study; training is counted apart."""

    given: int = 0
    anchors: int = 0
    anchor_at: int = -1
    gold: int = 0
    answered: int = 0
    skipped: int = 0
    trained: int = 0
    trained_right: int = 0

    @property
    def done(self) -> int:
        return self.answered + self.skipped

    def is_qualified(self, training: int, needed: float) -> bool:
        """Whether all training is answered and enough of it as expected."""
        return self.trained >= training and (not training or self.trained_right >= needed * training)


_NOBODY = {"given": 0, "anchors": 0, "anchor_at": -1, "gold": 0}
_NOTHING = {**_NOBODY, "answered": 0, "skipped": 0, "trained": 0, "trained_right": 0}


def standing(connection: Connection, study: int, person: str) -> Standing:
    """Return what a person has done in a study; zeros for whoever is new to it."""
    query = select(*(study_people.c[name] for name in _NOTHING)).where(
        study_people.c.study == study, study_people.c.person == person
    )
    row = connection.execute(query).mappings().first()
    return Standing(**row) if row else Standing()


def pick(connection: Connection, study: int, person: str, rules: Rules, draw: random.Random) -> RowMapping | None:
    """Return the item that a person is to get, None when there is nothing for them."""
    query = select(studies.c.training, studies.c["items"]).where(studies.c.seq == study)  # .items is a method of .c
    training, items = connection.execute(query).one()
    so_far = standing(connection, study, person)
    if training and so_far.trained < training:
        return _whole_search(connection, study, "training", person)
    if not so_far.is_qualified(training, rules.qualification) or (rules.quota and so_far.done >= rules.quota):
        return None
    if so_far.done >= items:
        return None
    for role in _roles(so_far, rules, draw):
        found = _of_role(connection, study, role, person, rules, so_far, draw)
        if found is not None:
            return found
    return None


def _roles(so_far: Standing, rules: Rules, draw: random.Random) -> list[str]:
    """Return the roles in the order to be tried: an anchor or gold when its share is due, else a plain item.

    Rounded by chance, so that nobody can count to the next gold item.
    """
    given = so_far.given + 1
    due = [
        role
        for role, share, had in (
            ("gold", rules.gold_share, so_far.gold),
            ("anchor", rules.anchor_share, so_far.anchors),
        )
        if share and had + draw.random() < share * given
    ]
    rest = [role for role in ("item", "anchor", "gold") if role not in due]
    return due + rest


def _of_role(
    connection: Connection,
    study: int,
    role: str,
    person: str,
    rules: Rules,
    so_far: Standing,
    draw: random.Random,
) -> RowMapping | None:
    if role == "anchor":
        found = _unknown(connection, _free(study, role).where(so_far.anchor_at < _S).order_by(_S), person)
    elif role == "gold" or rules.next_item == "random":
        found = _around(connection, _free(study, role), person, draw)
    elif rules.next_item == "active" and draw.random() >= RANDOM_SHARE:
        found = _unknown(connection, _free(study, role).order_by(study_items.c.priority.desc()), person)
        found = found or _around(connection, _free(study, role), person, draw)
    else:
        found = _by_need(connection, study, person, rules, draw)
    return found or _whole_search(connection, study, role, person)


# --------------------------------------------------------------------------------------------------------------- tries

_S = study_items.c.shuffle


def _free(study: int, role: str) -> Select[Any]:
    columns = [study_items.c[name] for name in _WANTED]
    return select(*columns).where(study_items.c.study == study, study_items.c.role == role, study_items.c.free == 1)


def _unknown(connection: Connection, query: Select[Any], person: str) -> RowMapping | None:
    """Return the first of the query's first few items that the person never had, or had and let run out."""
    rows = connection.execute(query.limit(_LOOK_AT)).mappings().all()
    if not rows:
        return None
    had = select(assignments.c.item).where(
        assignments.c.item.in_([row["seq"] for row in rows]),
        assignments.c.person == person,
        assignments.c.state != "expired",
    )
    known = set(connection.execute(had).scalars())
    return next((row for row in rows if row["seq"] not in known), None)


def _around(connection: Connection, query: Select[Any], person: str, draw: random.Random) -> RowMapping | None:
    """Return an item from a random place in the shuffled order, round its end."""
    for _ in range(_TRIES):
        start = draw.randrange(_SHUFFLE)
        for part in (start <= _S, start > _S):
            found = _unknown(connection, query.where(part).order_by(_S), person)
            if found is not None:
                return found
    return None


def _by_need(connection: Connection, study: int, person: str, rules: Rules, draw: random.Random) -> RowMapping | None:
    """Return a random item among those that most people have already, going on to those that fewer have."""
    items = study_items
    free = (items.c.study == study, items.c.role == "item", items.c.free == 1)
    level = connection.execute(select(func.max(items.c.taken)).where(*free)).scalar()
    while level is not None:
        query = _free(study, "item").where(items.c.taken == level)
        found = _around(connection, query, person, draw)
        if found is not None:
            return found
        level = connection.execute(select(func.max(items.c.taken)).where(*free, items.c.taken < level)).scalar()
    return None


def _whole_search(connection: Connection, study: int, role: str, person: str) -> RowMapping | None:
    """Return any free item of a role that the person may have, in the shuffled order; nothing is overlooked."""
    had = exists().where(
        assignments.c.item == study_items.c.seq, assignments.c.person == person, assignments.c.state != "expired"
    )
    order = study_items.c.seq if role == "training" else _S
    return connection.execute(_free(study, role).where(~had).order_by(order).limit(1)).mappings().first()


# --------------------------------------------------------------------------------------------------------------- counts


def count_given(connection: Connection, study: int, person: str, item: RowMapping) -> None:
    """Take note that a person got an item."""
    table = study_people
    mine = (table.c.study == study, table.c.person == person)
    if connection.execute(select(table.c.study).where(*mine)).first() is None:
        connection.execute(insert(table), {"study": study, "person": person, **_NOTHING})
    values: dict[str, Any] = {} if item["role"] == "training" else {"given": table.c.given + 1}
    if item["role"] == "anchor":
        values |= {"anchors": table.c.anchors + 1, "anchor_at": item["shuffle"]}
    elif item["role"] == "gold":
        values |= {"gold": table.c.gold + 1}
    if values:
        connection.execute(update(table).where(*mine).values(values))


def count_ended(
    connection: Connection, study: int, person: str, role: str, before: str, state: str, right: bool | None
) -> None:
    """Count an assignment as answered or skipped; one that was reopened moves from what it was."""
    table = study_people
    if role == "training":
        values: dict[str, Any] = {"trained": table.c.trained + 1}
        values["trained_right"] = table.c.trained_right + int(bool(right))
    else:
        change = {name: int(state == name) - int(before == name) for name in ("answered", "skipped")}
        values = {name: table.c[name] + by for name, by in change.items() if by}
        if change["answered"]:
            more = update(studies).where(studies.c.seq == study)
            connection.execute(more.values(answers=studies.c.answers + change["answered"]))
    if values:
        connection.execute(update(table).where(table.c.study == study, table.c.person == person).values(values))
