"""Who has which item, until when, and what they made of it: given out and taken back in single write transactions.

Promises: no item is given to more people than it has places, nobody gets an item twice, an answer is stored once
however often it is sent, and it is stored together with the counts it changes. Time is the caller's, so that a test
can let it pass. How the next item is picked stands in `burnish.store.picking`.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from burnish.errors import InputError
from burnish.records import canonical_json, seed_of
from burnish.store import picking, webhooks
from burnish.store.engine import Database
from burnish.store.entry import Entry, Receipt
from burnish.store.insert import Inserts, Work
from burnish.store.picking import Rules, Standing
from burnish.store.studies import Role, _next, free_of
from burnish.store.studies_schema import assignments, studies, study_events, study_items
from burnish.store.turns import Turns
from burnish.store.validation import check

AssignmentState: TypeAlias = Literal["open", "answered", "skipped", "expired"]

UNDO_WITHIN = 20
"""How many answers back one may go."""


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
    version: int
    person: str
    state: AssignmentState
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


class Assignments:
    """Gives items to people and takes answers from them."""

    def __init__(self, database: Database, turns: Turns, inserts: Inserts) -> None:
        self._database = database
        self._turns = turns
        self._inserts = inserts

    # ---------------------------------------------------------------------------------------------------------- reading

    def get(self, name: str, person: str) -> Held:
        """Return a person's assignment. Raises NotYoursError alike for none and for somebody else's."""
        with self._database.reading() as connection:
            return _held(connection, name, person)

    def standing(self, study: str, person: str) -> Standing:
        """Return what a person has done in a study."""
        with self._database.reading() as connection:
            return picking.standing(connection, _study(connection, study), person)

    def history(self, study: str, person: str, *, limit: int = 50) -> list[Held]:
        """Return what a person answered or skipped, the latest first."""
        with self._database.reading() as connection:
            ended = assignments.c.ended_ms.is_not(None)
            mine = (assignments.c.person == person, assignments.c.study == _study(connection, study), ended)
            query = _HELD.where(*mine).order_by(assignments.c.ended_ms.desc(), assignments.c.seq.desc()).limit(limit)
            return [_held_of(row) for row in connection.execute(query).mappings()]

    # --------------------------------------------------------------------------------------------------------- giving

    def claim(self, study: str, person: str, rules: Rules, now_ms: int) -> Held | None:
        """Return the assignment the person holds, else a new one; None when there is nothing for them."""

        def act(connection: Connection) -> Held | None:
            seq = _study(connection, study)
            _expire(connection, seq, now_ms)
            held = _open_one(connection, seq, person)
            if held is not None:
                return held
            item = picking.pick(connection, seq, person, rules, random.Random(secrets.randbits(64)))
            return None if item is None else _give(connection, seq, item, person, rules, now_ms)

        return self._turns.run(act)

    def expire(self, study: str, now_ms: int) -> None:
        """Take back what people hold too long; `claim` does so by itself."""
        self._turns.run(lambda connection: _expire(connection, _study(connection, study), now_ms))

    # ---------------------------------------------------------------------------------------------------------- working

    def save_draft(self, name: str, person: str, draft: Mapping[str, Any], due_ms: int, now_ms: int) -> None:
        """Keep what a person has entered so far, and give them time until `due_ms`."""
        body = canonical_json(dict(draft))

        def act(connection: Connection) -> None:
            held = _need_open(connection, name, person, now_ms)
            mark = update(assignments).where(assignments.c.seq == held.seq)
            connection.execute(mark.values(draft=body, due_ms=due_ms))
            _note(connection, held, "draft", body, now_ms)

        self._turns.run(act)

    def known_answer(self, name: str, person: str, key: str, digest: str) -> tuple[Receipt, ...] | None:
        """Return the receipts of an answer that came before with this key; None for a new one.

        Raises OtherAnswerError where the key came with other content.
        """
        return _known_answer(self.get(name, person), key, digest)

    def answer(
        self,
        held: Held,
        entry: Entry,
        *,
        key: str,
        digest: str,
        said: Mapping[str, Any],
        now_ms: int,
        right: bool | None = None,
    ) -> tuple[Receipt, ...]:
        """Store the feedback of one assignment and return its receipts; sent again with its key, the same ones.

        `held` is the state that the entry was made from; `said`, what the person entered, comes back by `undo`;
        `right` says of training whether it was as expected.
        Raises ExpiredError, OtherAnswerError, and InputError for an entry that the store refuses.
        """
        checked = check(entry)

        def act(connection: Connection) -> tuple[Receipt, ...]:
            now = _held(connection, held.id, held.person)
            known = _known_answer(now, key, digest)
            if known is not None:
                return known
            _need_place(connection, now, held, now_ms)
            (outcome,) = self._inserts.store(connection, [Work(checked, "error")])
            if isinstance(outcome, InputError):
                raise outcome
            ids = [receipt.feedback_id for receipt in outcome]
            answer = _Answer(key, digest, canonical_json(ids), canonical_json(dict(said)))
            _end(connection, now, "answered", now_ms, answer, right)
            _note(connection, now, "answer", canonical_json({"key": key, "round": now.round + 1}), now_ms)
            if now.role != "training":
                _tell(connection, "answer", now, now_ms, feedback_ids=ids)
                _tell_if_complete(connection, now, now_ms)
            return outcome

        return self._turns.run(act)

    def skip(self, name: str, person: str, reason: str, note: str, now_ms: int) -> None:
        """Give an item back unanswered, with a reason; an answer that stood before it was reopened stays."""

        def act(connection: Connection) -> None:
            held = _need_open(connection, name, person, now_ms)
            _end(connection, held, "skipped", now_ms)
            _note(connection, held, "skip", canonical_json({"reason": reason, "note": note}), now_ms)
            _tell(connection, "skip", held, now_ms, reason=reason)

        self._turns.run(act)

    def flag(self, name: str, person: str, note: str, now_ms: int) -> None:
        """Point out an item to the owner; the assignment goes on."""

        def act(connection: Connection) -> None:
            held = _held(connection, name, person)
            mark = update(study_items).where(study_items.c.id == held.item)
            mark = mark.where(study_items.c.study == _study(connection, held.study))
            connection.execute(mark.values(flagged=study_items.c.flagged + 1))
            _note(connection, held, "flag", canonical_json({"note": note}), now_ms)
            _tell(connection, "flag", held, now_ms)

        self._turns.run(act)

    def undo(self, study: str, person: str, due_ms: int, now_ms: int) -> Held | None:
        """Return the last thing the person answered or skipped, reopened; None where nothing can be.

        What was answered stays until a new answer supersedes it. A skipped item whose place was taken is passed over.
        """

        def act(connection: Connection) -> Held | None:
            seq = _study(connection, study)
            _expire(connection, seq, now_ms)
            for row in _ended(connection, seq, person):
                if _reopen(connection, row, due_ms):
                    held = _held(connection, row["id"], person)
                    _note(connection, held, "undo", "{}", now_ms)
                    return held
            return None

        return self._turns.run(act)


# --------------------------------------------------------------------------------------------------------------- rows


_HELD = (
    select(
        *(column for column in assignments.c if column.name not in ("study", "item", "ended_ms")),
        studies.c.name.label("study"),
        study_items.c.id.label("item"),
        *(study_items.c[name] for name in ("role", "prompt_id", "completion_ids", "expected")),
    )
    .join_from(assignments, study_items, study_items.c.seq == assignments.c.item)
    .join(studies, studies.c.seq == assignments.c.study)
)


def _held_of(row: RowMapping) -> Held:
    values = dict(row)
    del values["before"]
    for name in ("shown", "receipts", "completion_ids"):
        values[name] = tuple(json.loads(values[name]))
    values["draft"] = json.loads(values["draft"])
    values["expected"] = None if values["expected"] is None else json.loads(values["expected"])
    return Held(**values)


def _held(connection: Connection, name: str, person: str) -> Held:
    query = _HELD.where(assignments.c.id == name, assignments.c.person == person)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotYoursError("assignment: there is none of this name that is yours.")
    return _held_of(row)


def _study(connection: Connection, name: str) -> int:
    seq = connection.execute(select(studies.c.seq).where(studies.c.name == name)).scalar()
    if seq is None:
        raise NotYoursError(f"study {name!r}: there is none of this name.")
    return int(seq)


def _open_one(connection: Connection, study: int, person: str) -> Held | None:
    """Return what a person holds; of several, by undoing, the one that was reopened last."""
    mine = (assignments.c.study == study, assignments.c.person == person, assignments.c.state == "open")
    order = (assignments.c.before == "", assignments.c.due_ms.desc(), assignments.c.seq.desc())
    row = connection.execute(_HELD.where(*mine).order_by(*order).limit(1)).mappings().first()
    return None if row is None else _held_of(row)


def _need_open(connection: Connection, name: str, person: str, now_ms: int) -> Held:
    held = _held(connection, name, person)
    if held.state != "open" or held.due_ms < now_ms:
        raise ExpiredError("assignment: it is no longer open. Load the page again for the next item.")
    return held


def _known_answer(held: Held, key: str, digest: str) -> tuple[Receipt, ...] | None:
    if held.answer_key != key:
        return None
    if held.answer_digest != digest:
        raise OtherAnswerError("key: it came before with another answer. Take a new key for each answer.")
    return tuple(Receipt(name, "known") for name in held.receipts)


def _note(connection: Connection, held: Held, kind: str, body: str, now_ms: int) -> None:
    """Append to the log of what people did."""
    row: dict[str, Any] = {"seq": _next(connection, study_events.c.seq), "study": _study(connection, held.study)}
    row |= {"assignment": held.seq, "person": held.person, "kind": kind, "body": body, "time_ms": now_ms}
    connection.execute(insert(study_events), row)


def _tell(connection: Connection, event: webhooks.Event, held: Held, now_ms: int, **details: Any) -> None:
    """Have webhooks told, by names and ids alone: what somebody said they may ask for with a token."""
    about = {"item": held.item, "assignment": held.id, "person": held.person}
    webhooks.queue(connection, event, held.study, now_ms, **about, **details)


def _tell_if_complete(connection: Connection, held: Held, now_ms: int) -> None:
    """Have webhooks told of an item that has all its answers since just now."""
    if held.round:
        return
    query = select(study_items.c.places, study_items.c.answered).join_from(study_items, studies)
    query = query.where(study_items.c.id == held.item, studies.c.name == held.study)
    places, answered = connection.execute(query).one()
    if places and answered == places:
        webhooks.queue(connection, "complete", held.study, now_ms, item=held.item)


# ------------------------------------------------------------------------------------------------- giving, taking back


def _give(connection: Connection, study: int, item: RowMapping, person: str, rules: Rules, now_ms: int) -> Held:
    """Return a new assignment, or one whose time had run out, opened again."""
    mine = (assignments.c.item == item["seq"], assignments.c.person == person)
    name = connection.execute(select(assignments.c.id).where(*mine)).scalar()
    due = {"state": "open", "given_ms": now_ms, "due_ms": now_ms + rules.lock_ms, "version": rules.version}
    if name is None:
        name = f"a_{secrets.token_hex(10)}"
        row = {"seq": _next(connection, assignments.c.seq), "id": name, "study": study, "item": item["seq"]}
        row |= {"person": person, "before": "", "shown": _shuffled(study, item, person), "round": 0}
        row |= {"draft": "{}", "receipts": "[]", **due}
        connection.execute(insert(assignments), row)
    else:
        connection.execute(update(assignments).where(*mine).values(**due))
    _take(connection, item["seq"], +1)
    picking.count_given(connection, study, person, item)
    held = _held(connection, name, person)
    _note(connection, held, "given", "{}", now_ms)
    return held


def _shuffled(study: int, item: RowMapping, person: str) -> str:
    """Return the order in which this person sees the completions: by chance, but fixed."""
    places = list(range(len(json.loads(item["completion_ids"]))))
    random.Random(seed_of("shown", study, item["id"], person)).shuffle(places)
    return canonical_json(places)


def _take(connection: Connection, item: int, by: int, *, answered: int = 0, skipped: int = 0) -> None:
    """Change an item's counts, and with them whether it is free."""
    table = study_items
    taken, passed = table.c.taken + by, table.c.skipped + skipped
    values: dict[str, Any] = {"taken": taken, "skipped": passed, "answered": table.c.answered + answered}
    values["free"] = free_of(table.c.places, taken, passed)
    connection.execute(update(table).where(table.c.seq == item).values(values))


def _expire(connection: Connection, study: int, now_ms: int) -> None:
    """Take back what is overdue: a reopened answer stands as before, any other place is free again."""
    late = (assignments.c.study == study, assignments.c.state == "open", assignments.c.due_ms < now_ms)
    query = select(assignments.c.seq, assignments.c.item, assignments.c.before).where(*late)
    for seq, item, before in connection.execute(query).all():
        mark = update(assignments).where(assignments.c.seq == seq)
        connection.execute(mark.values(state=before or "expired", before=""))
        if before != "answered":
            _take(connection, item, -1, skipped=int(before == "skipped"))


def _need_place(connection: Connection, now: Held, held: Held, now_ms: int) -> None:
    """Raise ExpiredError unless the answer may still be taken: it is open, or its place is still free."""
    if now.round != held.round or now.state in ("answered", "skipped"):
        raise OtherAnswerError("assignment: it was ended meanwhile. Load the page again for the next item.")
    if now.state == "open":
        return  # overdue, but nobody has taken it back: the place is still this person's
    item = connection.execute(_OF_ITEM, {"name": now.item, "study": now.study}).one()
    if not item.free:
        raise ExpiredError("assignment: its time ran out and somebody else answers the item. Load the next one.")
    _take(connection, item.seq, +1)


_OF_ITEM = (
    select(study_items.c.seq, study_items.c.free)
    .join_from(study_items, studies, studies.c.seq == study_items.c.study)
    .where(study_items.c.id == bindparam("name"), studies.c.name == bindparam("study"))
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an answered assignment keeps: who sent it, what came of it, what was entered."""

    answer_key: str
    answer_digest: str
    receipts: str
    draft: str


def _end(
    connection: Connection,
    held: Held,
    state: AssignmentState,
    now_ms: int,
    answer: _Answer | None = None,
    right: bool | None = None,
) -> None:
    """Close an assignment as answered or skipped, and count it once."""
    query = select(assignments.c.study, assignments.c.item, assignments.c.before)
    study, item, before = connection.execute(query.where(assignments.c.seq == held.seq)).one()
    if state == "skipped" and before == "answered":  # the answer stands; skipping it says nothing new
        state = "answered"
    values: dict[str, Any] = {"state": state, "before": "", "ended_ms": now_ms}
    if answer is not None:
        values |= {**asdict(answer), "round": held.round + 1}
    connection.execute(update(assignments).where(assignments.c.seq == held.seq).values(values))
    if state == "skipped":
        _take(connection, item, -1, skipped=1)
    elif before != "answered":
        _take(connection, item, 0, answered=1)
    picking.count_ended(connection, study, held.person, held.role, before, state, right)


# --------------------------------------------------------------------------------------------------------------- undo


def _ended(connection: Connection, study: int, person: str) -> Sequence[RowMapping]:
    done = assignments.c.state.in_(("answered", "skipped"))
    mine = (assignments.c.person == person, assignments.c.study == study, done)
    order = (assignments.c.ended_ms.desc(), assignments.c.seq.desc())
    return connection.execute(select(assignments).where(*mine).order_by(*order).limit(UNDO_WITHIN)).mappings().all()


def _reopen(connection: Connection, row: RowMapping, due_ms: int) -> bool:
    """Return whether an ended assignment is open again."""
    item = connection.execute(select(study_items).where(study_items.c.seq == row["item"])).mappings().one()
    if item["role"] == "training":
        return False  # its solution was shown
    if row["state"] == "skipped":
        if item["places"] and item["taken"] >= item["places"]:
            return False
        _take(connection, row["item"], +1, skipped=-1)
    mark = update(assignments).where(assignments.c.seq == row["seq"])
    connection.execute(mark.values(state="open", before=row["state"], due_ms=due_ms))
    return True
