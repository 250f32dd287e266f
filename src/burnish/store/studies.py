"""Studies as the store keeps them: versions of what is asked, items, and how far each is.

What the text of a study means is the business of `burnish.studio.study`; here it is a text that gets a number.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, case, func, insert, literal, select, update

from burnish.errors import InputError
from burnish.records import canonical_json, content_id, seed_of
from burnish.store import audit, webhooks
from burnish.store.engine import MOST_IDS, Database, chunks
from burnish.store.insert import Insert
from burnish.store.studies_schema import assignments, studies, study_items, study_people, study_versions
from burnish.store.turns import Turns

Role: TypeAlias = Literal["item", "anchor", "gold", "training"]
State: TypeAlias = Literal["draft", "open", "paused", "closed"]

MOST_SKIPS = 5
"""An item that so many people skipped is given to nobody else: it cannot be judged, or is broken."""
_SHUFFLE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study and how far it is."""

    seq: int
    name: str
    state: State
    version: int
    items: int
    """Items of work: training left out."""
    training: int
    answers: int
    """Answered assignments of work."""
    created_ms: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """Texts that are in the store, to be asked about."""

    prompt_id: str
    completion_ids: tuple[str, ...]
    role: Role = "item"
    expected: Mapping[str, Any] | None = None
    """The known answers of gold and training, by question, and the reason."""

    @property
    def id(self) -> str:
        """The same texts in the same role are the same item."""
        role = [] if self.role == "item" else [self.role]
        return content_id("i", [self.prompt_id, list(self.completion_ids), *role])


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item and what became of it so far."""

    seq: int
    id: str
    prompt_id: str
    completion_ids: tuple[str, ...]
    role: Role
    expected: Mapping[str, Any] | None
    places: int
    taken: int
    answered: int
    skipped: int
    flagged: int


class Studies:
    """What is asked and of which items."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns
        self._bodies: dict[tuple[str, int], str] = {}  # a version stays as it is (but see `rewrite`), and there are few

    def save(
        self, name: str, body: str, *, overlap: int, by: str, now_ms: int, actor: int | None = None, new: bool = False
    ) -> int:
        """Return the version under which a study's text stands: a new one, unless the newest says the same.

        A new study begins as a draft. Items already there get `overlap` places; nobody's answer is taken back.
        Raises InputError for a study that should be `new` and is there.
        """

        def act(connection: Connection) -> int:
            row = _find(connection, name)
            if row is not None and new:
                raise InputError(f"name: {name!r} is the name of another study. Choose another.")
            if row is not None and _body(connection, row.seq, row.version) == body:
                return row.version
            seq, version = (row.seq, row.version + 1) if row else (_begin(connection, name, now_ms), 1)
            saved = {"study": seq, "version": version, "body": body, "saved_ms": now_ms, "saved_by": by}
            connection.execute(insert(study_versions), saved)
            connection.execute(update(studies).where(studies.c.seq == seq).values(version=version))
            _set_places(connection, seq, overlap)
            audit.append(connection, now_ms, actor, "save study", f"study:{name}", version=version)
            return version

        return self._turns.run(act)

    def rewrite(self, name: str, version: int, body: str) -> None:
        """Put another text in the place of a version's: for taking out a person's name, and for nothing else."""

        def act(connection: Connection) -> None:
            table = study_versions
            one = (table.c.study == need(connection, name).seq, table.c.version == version)
            connection.execute(update(table).where(*one).values(body=body))

        self._turns.run(act)
        self._bodies.pop((name, version), None)

    def get(self, name: str) -> StudyRow | None:
        """Return a study by its name, None when there is none."""
        with self._database.reading() as connection:
            return _find(connection, name)

    def listing(self) -> list[StudyRow]:
        """Return all studies, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(studies).order_by(studies.c.seq.desc())).mappings()
            return [_study(row) for row in rows]

    def body(self, name: str, version: int | None = None) -> str:
        """Return the text of a study's version, the newest by default. Raises InputError for an unknown one."""
        if version is not None and (name, version) in self._bodies:
            return self._bodies[name, version]
        with self._database.reading() as connection:
            row = need(connection, name)
            found = _body(connection, row.seq, version or row.version)
        if found is None:
            raise InputError(f"study {name!r}: version {version} does not exist. It has {row.version}.")
        self._bodies[name, version or row.version] = found
        return found

    def versions(self, name: str) -> list[tuple[int, int, str]]:
        """Return (version, time in milliseconds, who saved it) of each version, oldest first."""
        table = study_versions
        with self._database.reading() as connection:
            query = select(table.c.version, table.c.saved_ms, table.c.saved_by).order_by(table.c.version)
            rows = connection.execute(query.where(table.c.study == need(connection, name).seq))
            return [(row[0], row[1], row[2]) for row in rows]

    def set_state(self, name: str, state: State, *, now_ms: int | None = None, actor: int | None = None) -> None:
        """Open, pause or close a study."""
        at = now_ms or time.time_ns() // 1_000_000

        def act(connection: Connection) -> None:
            seq = need(connection, name).seq
            connection.execute(update(studies).where(studies.c.seq == seq).values(state=state))
            webhooks.queue(connection, "state", name, at, state=state)
            audit.append(connection, at, actor, "set study", f"study:{name}", state=state)

        self._turns.run(act)

    # ------------------------------------------------------------------------------------------------------------ items

    def add_items(self, name: str, new: Iterable[NewItem], *, overlap: int) -> int:
        """Return how many items were new; those that are there already stay as they are."""

        return self._turns.run(lambda connection: insert_items(connection, name, new, overlap))

    def items(self, name: str, *, role: Role | None = None, after: int = 0, limit: int = 100) -> list[ItemRow]:
        """Return items in the order in which they came, those behind the number `after`."""
        with self._database.reading() as connection:
            query = select(study_items).where(study_items.c.study == need(connection, name).seq)
            query = query.where(study_items.c.seq > after).order_by(study_items.c.seq).limit(limit)
            if role is not None:
                query = query.where(study_items.c.role == role)
            return [_item(row) for row in connection.execute(query).mappings()]

    def set_priorities(self, name: str, priorities: Mapping[str, float]) -> None:
        """Say which items are wanted most (the highest first) where the next one is chosen actively."""

        def act(connection: Connection) -> None:
            seq = need(connection, name).seq
            for item, priority in priorities.items():
                mark = update(study_items).where(study_items.c.study == seq, study_items.c.id == item)
                connection.execute(mark.values(priority=priority))

        self._turns.run(act)

    def progress(self, name: str) -> Mapping[str, int]:
        """Return counts: items, complete (enough answers), answered_once, set_aside (skipped too often), flagged,
        people, open (assignments that somebody holds)."""
        table = study_items
        with self._database.reading() as connection:
            seq = need(connection, name).seq
            mine = (table.c.study == seq, table.c.role != "training")
            full = func.sum(case(((table.c.places > 0) & (table.c.answered >= table.c.places), 1), else_=0))
            once = func.sum(case((table.c.answered > 0, 1), else_=0))
            aside = func.sum(case((table.c.skipped >= MOST_SKIPS, 1), else_=0))
            flagged = func.sum(case((table.c.flagged > 0, 1), else_=0))
            row = connection.execute(select(func.count(), full, once, aside, flagged).where(*mine)).one()
            people = select(func.count()).where(study_people.c.study == seq, study_people.c.answered > 0)
            held = select(func.count()).where(assignments.c.study == seq, assignments.c.state == "open")
            counts = [int(value or 0) for value in row]
            counts += [int(connection.execute(query).scalar_one()) for query in (people, held)]
        names = ("items", "complete", "answered_once", "set_aside", "flagged", "people", "open")
        return dict(zip(names, counts, strict=True))


# ---------------------------------------------------------------------------------------------------------- inner parts


def insert_items(connection: Connection, name: str, new: Iterable[NewItem], overlap: int) -> int:
    """Return how many of these items the study did not have; it has them from now on."""
    seq = need(connection, name).seq
    added = sum(_insert_items(connection, seq, some, overlap) for some in chunks(new, MOST_IDS))
    _count_items(connection, seq)
    return added


def need(connection: Connection, name: str) -> StudyRow:
    """Return a study's row. Raises InputError for an unknown name."""
    row = _find(connection, name)
    if row is None:
        raise InputError(f"study {name!r}: not in this store. Check the name.")
    return row


def free_of(places: Any, taken: Any, skipped: Any) -> Any:
    """Return the SQL of 1 while an item may be given to somebody, else 0."""
    return case((((places == 0) | (taken < places)) & (skipped < MOST_SKIPS), 1), else_=0)


def _begin(connection: Connection, name: str, now_ms: int) -> int:
    seq = _next(connection, studies.c.seq)
    row = {"seq": seq, "name": name, "state": "draft", "version": 0, "items": 0, "training": 0, "answers": 0}
    connection.execute(insert(studies), {**row, "created_ms": now_ms})
    return seq


def _next(connection: Connection, column: Any) -> int:
    return int(connection.execute(select(func.max(column))).scalar() or 0) + 1


def _find(connection: Connection, name: str) -> StudyRow | None:
    row = connection.execute(select(studies).where(studies.c.name == name)).mappings().first()
    return None if row is None else _study(row)


def _study(row: RowMapping) -> StudyRow:
    return StudyRow(**row)


def _item(row: RowMapping) -> ItemRow:
    counts = {name: row[name] for name in ("places", "taken", "answered", "skipped", "flagged")}
    expected = None if row["expected"] is None else json.loads(row["expected"])
    completion_ids = tuple(json.loads(row["completion_ids"]))
    return ItemRow(row["seq"], row["id"], row["prompt_id"], completion_ids, row["role"], expected, **counts)


def _body(connection: Connection, study: int, version: int) -> str | None:
    table = study_versions
    query = select(table.c.body).where(table.c.study == study, table.c.version == version)
    return connection.execute(query).scalar()


def _set_places(connection: Connection, study: int, overlap: int) -> None:
    table = study_items
    changed = update(table).where(table.c.study == study, table.c.role == "item", table.c.places != overlap)
    connection.execute(changed.values(places=overlap, free=free_of(literal(overlap), table.c.taken, table.c.skipped)))


def _insert_items(connection: Connection, study: int, new: Collection[NewItem], overlap: int) -> int:
    named = {item.id: item for item in new}
    there = select(study_items.c.id).where(study_items.c.study == study, study_items.c.id.in_(named))
    for known in connection.execute(there).scalars().all():
        del named[known]
    columns = (
        "seq", "study", "id", "prompt_id", "completion_ids", "role", "expected", "shuffle", "priority", "places",
        "taken", "answered", "skipped", "flagged", "free",
    )  # fmt: skip
    first = _next(connection, study_items.c.seq)
    rows = []
    for seq, (name, item) in enumerate(named.items(), first):
        expected = None if item.expected is None else canonical_json(dict(item.expected))
        places = overlap if item.role == "item" else 0
        shuffle = seed_of("shuffle", study, name) % _SHUFFLE
        shown = canonical_json(list(item.completion_ids))
        rows.append((seq, study, name, item.prompt_id, shown, item.role, expected, shuffle, 0.0, places, 0, 0, 0, 0, 1))
    Insert(connection.dialect, study_items, columns).run(connection, rows)
    return len(rows)


def _count_items(connection: Connection, study: int) -> None:
    count = select(func.count()).where(study_items.c.study == study)
    work = connection.execute(count.where(study_items.c.role != "training")).scalar_one()
    training = connection.execute(count.where(study_items.c.role == "training")).scalar_one()
    connection.execute(update(studies).where(studies.c.seq == study).values(items=work, training=training))
