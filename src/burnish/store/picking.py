"""Which item a person gets next: training first, then anchors and gold at their shares, then by the study's rule.

Cost does not grow with the study: each rule looks at a few items along an index and asks which of them the person had;
only when these tries all fail, near a person's end, the rest is searched whole.

- random: the next free item after a random place in the shuffled order.
- overlap: items that need the fewest further answers first, so that agreement shows early; among them random.
- active: highest priority first (`Studies.set_priorities`), but one in five at random, so that statistics stay honest;
  what has no priority yet is drawn at random too.
- anchors come to everybody in the same order, so that people who do little share what they did.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    BindParameter,
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)

from burnish.store.studies_schema import assignments, studies, study_items, study_people

NextRule: TypeAlias = Literal["random", "overlap", "active"]

RANDOM_SHARE = 0.2
"""Share of active picking that is random."""
_LOOK_AT = 32  # items a try looks at: of a study half done by this person, 1 in 4 billion tries sees only known ones
_TRIES = 3
_SHUFFLE = 2**31 - 1


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
    """What a person has done in a study, and what there is of it; training is counted apart."""

    study: int
    """Number of the study."""
    items: int
    training: int
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

    def is_qualified(self, needed: float) -> bool:
        """Whether all training is answered, and this share of it as expected."""
        return self.trained >= self.training and self.trained_right >= needed * self.training


_COUNTS = ("given", "anchors", "anchor_at", "gold", "answered", "skipped", "trained", "trained_right")
_NOTHING = {**dict.fromkeys(_COUNTS, 0), "anchor_at": -1}


def standing(connection: Connection, study: str, person: str) -> Standing | None:
    """Return what a person has done in a study, zeros for whoever is new to it; None where there is no such study."""
    row = connection.execute(_STANDING, {"name": study, "person": person}).one_or_none()
    if row is None:
        return None
    return Standing(*row) if row.given is not None else Standing(*row[:3], **_NOTHING)


def pick(connection: Connection, person: str, so_far: Standing, rules: Rules, draw: random.Random) -> RowMapping | None:
    """Return the item that a person is to get, None when there is nothing for them."""
    if so_far.trained < so_far.training:
        return _whole_search(connection, so_far.study, "training", person)
    if not so_far.is_qualified(rules.qualification) or (rules.quota and so_far.done >= rules.quota):
        return None
    if so_far.done >= so_far.items:
        return None
    for role in _roles(so_far, rules, draw):
        found = _of_role(connection, role, person, rules, so_far, draw)
        if found is not None:
            return found
    return None


def _roles(so_far: Standing, rules: Rules, draw: random.Random) -> list[str]:
    """Return the roles in the order to be tried: gold or an anchor when its share is due, else a plain item.

    Rounded by chance, so that nobody can count to the next gold item.
    """
    given = so_far.given + 1
    shares = (("gold", rules.gold_share, so_far.gold), ("anchor", rules.anchor_share, so_far.anchors))
    due = [role for role, share, had in shares if share and had + draw.random() < share * given]
    return due + [role for role in ("item", "anchor", "gold") if role not in due]


def _of_role(
    connection: Connection, role: str, person: str, rules: Rules, so_far: Standing, draw: random.Random
) -> RowMapping | None:
    wanted = {"study": so_far.study, "role": role}
    if role == "anchor":
        found = _unknown(connection, _BEHIND, {**wanted, "start": so_far.anchor_at}, person)
    elif role == "gold" or rules.next_item == "random":
        found = _around(connection, (_FROM, _BEFORE), wanted, person, draw)
    elif rules.next_item == "active" and draw.random() >= RANDOM_SHARE:
        found = _unknown(connection, _MOST_WANTED, wanted, person)
        found = found or _around(connection, (_FROM, _BEFORE), wanted, person, draw)
    elif rules.next_item == "active":
        found = _around(connection, (_FROM, _BEFORE), wanted, person, draw)
    else:
        found = _by_need(connection, wanted, person, draw)
    return found or _whole_search(connection, so_far.study, role, person)


# --------------------------------------------------------------------------------------------------------------- tries


def _unknown(connection: Connection, query: Select[Any], values: Mapping[str, Any], person: str) -> RowMapping | None:
    """Return the first of the query's few items that the person never had, or had and let run out."""
    rows = connection.execute(query, values).mappings().all()
    if not rows:
        return None
    known = set(connection.execute(_HAD, {"items": [row["seq"] for row in rows], "person": person}).scalars())
    return next((row for row in rows if row["seq"] not in known), None)


def _around(
    connection: Connection,
    halves: Sequence[Select[Any]],
    wanted: Mapping[str, Any],
    person: str,
    draw: random.Random,
) -> RowMapping | None:
    """Return an item from a random place in the shuffled order, round its end."""
    for _ in range(_TRIES):
        values = {**wanted, "start": draw.randrange(_SHUFFLE)}
        for half in halves:
            found = _unknown(connection, half, values, person)
            if found is not None:
                return found
    return None


def _by_need(connection: Connection, wanted: Mapping[str, Any], person: str, draw: random.Random) -> RowMapping | None:
    """Return a random item among those that most people have already, going on to those that fewer have."""
    level = connection.execute(_FULLEST, {**wanted, "below": _SHUFFLE}).scalar()
    while level is not None:
        values = {**wanted, "level": level}
        found = _around(connection, (_LEVEL_FROM, _LEVEL_BEFORE), values, person, draw)
        if found is not None:
            return found
        level = connection.execute(_FULLEST, {**wanted, "below": level}).scalar()
    return None


def _whole_search(connection: Connection, study: int, role: str, person: str) -> RowMapping | None:
    """Return any free item of a role that the person may have; nothing is overlooked."""
    query = _FIRST_TRAINING if role == "training" else _FIRST
    return connection.execute(query, {"study": study, "role": role, "person": person}).mappings().first()


# -------------------------------------------------------------------------------------------------------------- counts


def count_given(connection: Connection, person: str, so_far: Standing, item: RowMapping) -> None:
    """Take note that a person got an item."""
    role = item["role"]
    values = {
        "of": so_far.study,
        "who": person,
        "work": int(role != "training"),
        "anchor": int(role == "anchor"),
        "known": int(role == "gold"),
        "at": item["shuffle"] if role == "anchor" else so_far.anchor_at,
    }
    if not connection.execute(_GIVEN, values).rowcount:
        connection.execute(insert(study_people), {"study": so_far.study, "person": person, **_NOTHING})
        connection.execute(_GIVEN, values)


def count_ended(
    connection: Connection, study: int, person: str, role: str, before: str, state: str, right: bool | None
) -> None:
    """Count an assignment as answered or skipped; one that was reopened moves from what it was."""
    is_training = role == "training"
    change = {name: 0 if is_training else int(state == name) - int(before == name) for name in ("answered", "skipped")}
    values = {"more": change["answered"], "passed": change["skipped"], "trains": int(is_training)}
    values["well"] = int(is_training and bool(right))
    connection.execute(_ENDED, {"of": study, "who": person, **values})
    if change["answered"]:
        connection.execute(_ANSWERS, {"of": study, "more": change["answered"]})


# ---------------------------------------------------------------------------------------------------------- statements
#
# Made once: putting a statement together costs several times what SQLite needs to run it.


def _given(name: str) -> BindParameter[Any]:
    return bindparam(name)


_I, _P = study_items.c, study_people.c
_FREE = select(_I.seq, _I.id, _I.role, _I.shuffle, _I.completion_ids).where(
    _I.study == _given("study"), _I.role == _given("role"), _I.free == 1
)
_FROM = _FREE.where(_I.shuffle >= _given("start")).order_by(_I.shuffle).limit(_LOOK_AT)
_BEFORE = _FREE.where(_I.shuffle < _given("start")).order_by(_I.shuffle).limit(_LOOK_AT)
_BEHIND = _FREE.where(_I.shuffle > _given("start")).order_by(_I.shuffle).limit(_LOOK_AT)
_LEVEL_FROM, _LEVEL_BEFORE = (half.where(_I.taken == _given("level")) for half in (_FROM, _BEFORE))
_MOST_WANTED = _FREE.where(_I.priority > 0).order_by(_I.priority.desc()).limit(_LOOK_AT)
_FULLEST = select(func.max(_I.taken)).where(
    _I.study == _given("study"), _I.role == _given("role"), _I.free == 1, _I.taken < _given("below")
)
_THEIRS = and_(assignments.c.person == _given("person"), assignments.c.state != "expired")
_HAD = select(assignments.c.item).where(assignments.c.item.in_(bindparam("items", expanding=True)), _THEIRS)
_UNTOUCHED = _FREE.where(~exists().where(assignments.c.item == _I.seq, _THEIRS)).limit(1)
_FIRST, _FIRST_TRAINING = _UNTOUCHED.order_by(_I.shuffle), _UNTOUCHED.order_by(_I.seq)

_STANDING = (
    select(studies.c.seq, studies.c["items"], studies.c.training, *(_P[name] for name in _COUNTS))  # .items: a method
    .join_from(studies, study_people, and_(_P.study == studies.c.seq, _P.person == _given("person")), isouter=True)
    .where(studies.c.name == _given("name"))
)
_MINE = and_(_P.study == _given("of"), _P.person == _given("who"))
_GIVEN = (
    update(study_people)
    .where(_MINE)
    .values(
        given=_P.given + _given("work"),
        anchors=_P.anchors + _given("anchor"),
        anchor_at=_given("at"),
        gold=_P.gold + _given("known"),
    )
)
_ENDED = (
    update(study_people)
    .where(_MINE)
    .values(
        answered=_P.answered + _given("more"),
        skipped=_P.skipped + _given("passed"),
        trained=_P.trained + _given("trains"),
        trained_right=_P.trained_right + _given("well"),
    )
)
_ANSWERS = update(studies).where(studies.c.seq == _given("of")).values(answers=studies.c.answers + _given("more"))
