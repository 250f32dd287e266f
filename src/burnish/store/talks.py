"""Conversations of the playground, kept for the person who had them and for nobody else.

What a turn means is the business of `burnish.studio.talk`; here it is JSON under a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from burnish.records import canonical_json
from burnish.store.engine import Database
from burnish.store.purge import note_purge
from burnish.store.talks_schema import talk_turns, talks
from burnish.store.turns import Turns


@dataclass(frozen=True, slots=True)
class TalkRow:
    """A conversation in its person's list."""

    id: str
    title: str
    """How it began."""
    turns: int
    changed_ms: int


class Talks:
    """The conversations of everybody, each person's own apart."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    def begin(self, talk_id: str, person: str, body: Mapping[str, Any], *, most: int, now_ms: int) -> None:
        """Keep a new conversation; of more than `most` of this person, those that were begun first are forgotten."""

        def act(connection: Connection) -> None:
            seq = int(connection.execute(select(func.max(talks.c.seq))).scalar() or 0) + 1
            row = {"seq": seq, "id": talk_id, "person": person, "title": "", "turns": 0, "changed_ms": now_ms}
            connection.execute(insert(talks), {**row, "body": canonical_json(dict(body))})
            own = select(talks.c.seq).where(talks.c.person == person).order_by(talks.c.seq.desc()).offset(most)
            _delete(connection, list(connection.execute(own).scalars()))

        self._turns.run(act)

    def get(self, person: str, talk_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return a conversation and its turns; None where there is none, and where it is another person's."""
        mine = (talks.c.id == talk_id, talks.c.person == person)
        with self._database.reading() as connection:
            row = connection.execute(select(talks.c.seq, talks.c.body).where(*mine)).first()
            if row is None:
                return None
            query = select(talk_turns.c.body).where(talk_turns.c.talk == row.seq).order_by(talk_turns.c.number)
            said = [json.loads(each) for each in connection.execute(query).scalars()]
        return json.loads(row.body), said

    def listing(self, person: str) -> list[TalkRow]:
        """Return a person's conversations in which something was said, the newest first."""
        columns = (talks.c.id, talks.c.title, talks.c.turns, talks.c.changed_ms)
        query = select(*columns).where(talks.c.person == person, talks.c.turns > 0).order_by(talks.c.seq.desc())
        with self._database.reading() as connection:
            return [TalkRow(*row) for row in connection.execute(query)]

    def change(self, person: str, talk_id: str, body: Mapping[str, Any], *, now_ms: int) -> bool:
        """Return whether the conversation was there to be changed."""
        mine = (talks.c.id == talk_id, talks.c.person == person)
        changed = update(talks).where(*mine).values(body=canonical_json(dict(body)), changed_ms=now_ms)
        return self._turns.run(lambda connection: bool(connection.execute(changed).rowcount))

    def put_turn(
        self, person: str, talk_id: str, number: int, body: Mapping[str, Any], *, title: str, now_ms: int
    ) -> bool:
        """Return whether the conversation was there to keep this turn, a new one or one that was changed."""

        def act(connection: Connection) -> bool:
            mine = (talks.c.id == talk_id, talks.c.person == person)
            row = connection.execute(select(talks.c.seq, talks.c.turns, talks.c.title).where(*mine)).first()
            if row is None:  # deleted while the model spoke: nothing of it comes back
                return False
            this = (talk_turns.c.talk == row.seq, talk_turns.c.number == number)
            connection.execute(delete(talk_turns).where(*this))
            connection.execute(
                insert(talk_turns), {"talk": row.seq, "number": number, "body": canonical_json(dict(body))}
            )
            values = {"turns": max(row.turns, number + 1), "title": row.title or title, "changed_ms": now_ms}
            connection.execute(update(talks).where(talks.c.seq == row.seq).values(values))
            return True

        return self._turns.run(act)

    def delete(self, person: str, talk_id: str) -> bool:
        """Return whether there was such a conversation; its bytes go with the next purge."""

        def act(connection: Connection) -> bool:
            mine = select(talks.c.seq).where(talks.c.id == talk_id, talks.c.person == person)
            seqs = list(connection.execute(mine).scalars())
            _delete(connection, seqs)
            if seqs:
                note_purge(connection)
            return bool(seqs)

        return self._turns.run(act)


def _delete(connection: Connection, seqs: Sequence[int]) -> None:
    connection.execute(delete(talk_turns).where(talk_turns.c.talk.in_(seqs)))
    connection.execute(delete(talks).where(talks.c.seq.in_(seqs)))
