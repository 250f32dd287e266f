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
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from burnish.errors import InputError
from burnish.records import canonical_json, seed_of
from burnish.store import picking, webhooks
from burnish.store.engine import Database
from burnish.store.entry import Entry, Receipt
from burnish.store.held import (
    HELD,
    AssignmentState,
    ExpiredError,
    Held,
    OtherAnswerError,
    held_by,
    held_of,
    need_open,
    open_one,
    standing_of,
    study_number,
)
from burnish.store.insert import Inserts, Work
from burnish.store.noted import note
from burnish.store.pace import answered_by_hour, places_left, recent_seconds
from burnish.store.picking import Rules, Standing
from burnish.store.reported import MOST_REPORTS, Reported, reported
from burnish.store.studies import free_of
from burnish.store.studies_schema import assignments, study_items
from burnish.store.turns import Turns
from burnish.store.validation import check

UNDO_WITHIN = 20
"""How many answers back one may go."""


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
            return held_by(connection, name, person)

    def standing(self, study: str, person: str) -> Standing:
        """Return what a person has done in a study. Raises NotYoursError where there is none."""
        with self._database.reading() as connection:
            return standing_of(connection, study, person)

    def history(self, study: str, person: str, *, limit: int = 50) -> list[Held]:
        """Return what a person answered or skipped, the latest first."""
        with self._database.reading() as connection:
            ended = assignments.c.ended_ms.is_not(None)
            mine = (assignments.c.person == person, assignments.c.study == study_number(connection, study), ended)
            query = HELD.where(*mine).order_by(assignments.c.ended_ms.desc(), assignments.c.seq.desc()).limit(limit)
            return [held_of(row) for row in connection.execute(query).mappings()]

    def reported(self, study: str = "", item: str = "", *, limit: int = MOST_REPORTS) -> list[Reported]:
        """Return what people flagged and skipped, with their words, the latest first; of a study or item if named."""
        with self._database.reading() as connection:
            return reported(connection, study, item, limit=limit)

    def recent_seconds(self, study: str, person: str = "") -> list[float]:
        """Return how long the latest answered items of a study took a person; everybody without one."""
        with self._database.reading() as connection:
            return recent_seconds(connection, study, person)

    def pace(self, study: str, since_ms: int) -> tuple[dict[int, int], int]:
        """Return the items answered in each hour since (hours are counted from 1970), and the answers still missing."""
        with self._database.reading() as connection:
            return answered_by_hour(connection, study, since_ms), places_left(connection, study)

    # --------------------------------------------------------------------------------------------------------- giving

    def claim(self, study: str, person: str, rules: Rules, now_ms: int) -> Held | None:
        """Return the assignment the person holds, else a new one; None when there is nothing for them."""

        def act(connection: Connection) -> Held | None:
            so_far = standing_of(connection, study, person)
            _expire(connection, so_far.study, now_ms)
            held = open_one(connection, so_far.study, person)
            if held is not None:
                return held
            item = picking.pick(connection, person, so_far, rules, random.Random(secrets.randbits(64)))
            return None if item is None else _give(connection, so_far, item, person, rules, now_ms)

        return self._turns.run(act)

    def expire(self, study: str, now_ms: int) -> None:
        """Take back what people hold too long; `claim` does so by itself."""
        self._turns.run(lambda connection: _expire(connection, study_number(connection, study), now_ms))

    # ---------------------------------------------------------------------------------------------------------- working

    def save_draft(self, name: str, person: str, draft: Mapping[str, Any], due_ms: int, now_ms: int) -> None:
        """Keep what a person has entered so far, and give them time until `due_ms`; the first many are noted, too."""
        body = canonical_json(dict(draft))

        def act(connection: Connection) -> None:
            held = need_open(connection, name, person, now_ms)
            mark = update(assignments).where(assignments.c.seq == held.seq)
            connection.execute(mark.values(draft=body, due_ms=due_ms))
            note(connection, held, "draft", body, now_ms)

        self._turns.run(act)

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
            now = held_by(connection, held.id, held.person)
            known = known_answer(now, key, digest)
            if known is not None:
                return known
            _need_place(connection, now, held, now_ms)
            (outcome,) = self._inserts.store(connection, [Work(checked, "error")])
            if isinstance(outcome, InputError):
                raise outcome
            ids = [receipt.feedback_id for receipt in outcome]
            answer = _Answer(key, digest, canonical_json(ids), canonical_json(dict(said)))
            _end(connection, now, "answered", now_ms, answer, right)
            note(connection, now, "answer", canonical_json({"key": key, "round": now.round + 1}), now_ms)
            if now.role != "training" and _tell(connection, "answer", now, now_ms, feedback_ids=ids):
                _tell_if_complete(connection, now, now_ms)
            return outcome

        return self._turns.run(act)

    def skip(self, name: str, person: str, reason: str, why: str, now_ms: int) -> None:
        """Give an item back unanswered, with a reason; an answer that stood before it was reopened stays."""

        def act(connection: Connection) -> None:
            held = need_open(connection, name, person, now_ms)
            _end(connection, held, "skipped", now_ms)
            note(connection, held, "skip", canonical_json({"reason": reason, "note": why}), now_ms)
            _tell(connection, "skip", held, now_ms, reason=reason)

        self._turns.run(act)

    def flag(self, name: str, person: str, why: str, now_ms: int) -> bool:
        """Point out an item to the owner; the assignment goes on. False: the person has done so too often already."""

        def act(connection: Connection) -> bool:
            held = held_by(connection, name, person)
            if not note(connection, held, "flag", canonical_json({"note": why}), now_ms):
                return False
            mark = update(study_items).where(study_items.c.seq == held.item_seq)
            connection.execute(mark.values(flagged=study_items.c.flagged + 1))
            _tell(connection, "flag", held, now_ms)
            return True

        return self._turns.run(act)

    def undo(self, study: str, person: str, due_ms: int, now_ms: int) -> Held | None:
        """Return the last thing the person answered or skipped, reopened; None where nothing can be.

        What was answered stays until a new answer supersedes it. A skipped item whose place was taken is passed over.
        """

        def act(connection: Connection) -> Held | None:
            seq = study_number(connection, study)
            _expire(connection, seq, now_ms)
            for row in _ended(connection, seq, person):
                if _reopen(connection, row, due_ms):
                    held = held_by(connection, row["id"], person)
                    note(connection, held, "undo", "{}", now_ms)
                    return held
            return None

        return self._turns.run(act)


# ------------------------------------------------------------------------------------------------- what was answered


def known_answer(held: Held, key: str, digest: str) -> tuple[Receipt, ...] | None:
    """Return the receipts of an answer that came before with this key; None for a new one.

    Raises OtherAnswerError where the key came with other content.
    """
    if held.answer_key != key:
        return None
    if held.answer_digest != digest:
        raise OtherAnswerError("key: it came before with another answer. Take a new key for each answer.")
    return tuple(Receipt(name, "known") for name in held.receipts)


def _tell(connection: Connection, event: webhooks.Event, held: Held, now_ms: int, **details: Any) -> bool:
    """Have webhooks told, by names and ids alone (what was said they may ask for); return whether any listens."""
    about = {"item": held.item, "assignment": held.id, "person": held.person}
    return webhooks.queue(connection, event, held.study, now_ms, **about, **details)


def _tell_if_complete(connection: Connection, held: Held, now_ms: int) -> None:
    """Have webhooks told of an item that has all its answers since just now."""
    if held.round:
        return
    query = select(study_items.c.places, study_items.c.answered).where(study_items.c.seq == held.item_seq)
    places, answered = connection.execute(query).one()
    if places and answered == places:
        webhooks.queue(connection, "complete", held.study, now_ms, item=held.item)


# ------------------------------------------------------------------------------------------------- giving, taking back


_THEIR = (assignments.c.item == bindparam("of_item"), assignments.c.person == bindparam("of_person"))
_THEIR_NAME = select(assignments.c.id).where(*_THEIR)
_AGAIN = update(assignments).where(*_THEIR)
_NEW_FIELDS = ("id", "study", "item", "person", "shown", "given_ms", "due_ms", "version")
_NEW = insert(assignments).values(
    seq=select(func.coalesce(func.max(assignments.c.seq), 0) + 1).scalar_subquery(),
    **{"before": "", "state": "open", "round": 0, "draft": "{}", "receipts": "[]"},
    **{name: bindparam(f"the_{name}") for name in _NEW_FIELDS},
)


def _give(connection: Connection, so_far: Standing, item: RowMapping, person: str, rules: Rules, now_ms: int) -> Held:
    """Return a new assignment, or one whose time had run out, opened again."""
    their = {"of_item": item["seq"], "of_person": person}
    name = connection.execute(_THEIR_NAME, their).scalar()
    times = {"given_ms": now_ms, "due_ms": now_ms + rules.lock_ms, "version": rules.version}
    if name is None:
        name = f"a_{secrets.token_hex(10)}"
        values = {"id": name, "study": so_far.study, "item": item["seq"], "person": person, **times}
        values["shown"] = _shuffled(so_far.study, item, person)
        connection.execute(_NEW, {f"the_{key}": value for key, value in values.items()})
    else:
        connection.execute(_AGAIN.values(state="open", **times), their)
    _take(connection, item["seq"], +1)
    picking.count_given(connection, person, so_far, item)
    held = held_by(connection, name, person)
    note(connection, held, "given", "{}", now_ms)
    return held


def _shuffled(study: int, item: RowMapping, person: str) -> str:
    """Return the order in which this person sees the completions: by chance, but fixed."""
    places = list(range(len(json.loads(item["completion_ids"]))))
    random.Random(seed_of("shown", study, item["id"], person)).shuffle(places)
    return canonical_json(places)


_TAKEN, _SKIPPED = study_items.c.taken + bindparam("by"), study_items.c.skipped + bindparam("passed")
_TAKE = (
    update(study_items)
    .where(study_items.c.seq == bindparam("which"))
    .values(
        taken=_TAKEN,
        skipped=_SKIPPED,
        answered=study_items.c.answered + bindparam("more"),
        free=free_of(study_items.c.places, _TAKEN, _SKIPPED),
    )
)


def _take(connection: Connection, item: int, by: int, *, answered: int = 0, skipped: int = 0) -> None:
    """Change an item's counts, and with them whether it is free."""
    connection.execute(_TAKE, {"which": item, "by": by, "more": answered, "passed": skipped})


_LATE = select(assignments.c.seq, assignments.c.item, assignments.c.before).where(
    assignments.c.study == bindparam("of"), assignments.c.state == "open", assignments.c.due_ms < bindparam("now")
)


def _expire(connection: Connection, study: int, now_ms: int) -> None:
    """Take back what is overdue: a reopened answer stands as before, any other place is free again."""
    for seq, item, before in connection.execute(_LATE, {"of": study, "now": now_ms}).all():
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
    free = connection.execute(select(study_items.c.free).where(study_items.c.seq == now.item_seq)).scalar_one()
    if not free:
        raise ExpiredError("assignment: its time ran out and somebody else answers the item. Load the next one.")
    _take(connection, now.item_seq, +1)


_CLOSE = (
    update(assignments)
    .where(assignments.c.seq == bindparam("which"))
    .values(before="", **{name: bindparam(f"the_{name}") for name in ("state", "ended_ms")})
)
_ANSWER_FIELDS = ("answer_key", "answer_digest", "receipts", "draft", "round")
_CLOSE_ANSWERED = _CLOSE.values({name: bindparam(f"the_{name}") for name in _ANSWER_FIELDS})


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
    before = held.before
    if state == "skipped" and before == "answered":  # the answer stands; skipping it says nothing new
        state = "answered"
    values: dict[str, Any] = {"state": state, "ended_ms": now_ms}
    if answer is not None:
        values |= {**asdict(answer), "round": held.round + 1}
    told = {f"the_{name}": value for name, value in values.items()}
    connection.execute(_CLOSE if answer is None else _CLOSE_ANSWERED, {"which": held.seq, **told})
    if state == "skipped":
        _take(connection, held.item_seq, -1, skipped=1)
    elif before != "answered":
        _take(connection, held.item_seq, 0, answered=1)
    picking.count_ended(connection, held.study_seq, held.person, held.role, before, state, right)


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
