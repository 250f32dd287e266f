"""How far the drawing of a study's items from a model has come: what a restarted server goes on from.

Items and the place in the list of prompts change in one transaction. So a prompt that was worked through is never drawn
from again, whatever is killed when, not even with a model that answers otherwise each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, delete, insert, select, update

from burnish.errors import InputError
from burnish.store.engine import Database
from burnish.store.studies import NewItem, insert_items, need
from burnish.store.studies_schema import drawings, studies
from burnish.store.turns import Turns

State: TypeAlias = Literal["drawing", "done", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class DrawingRow:
    """How far a drawing is."""

    state: State
    """`drawing` too where the server that drew is gone."""
    mark: str
    """Digest of the source and of the prompts worked through: what is the same may be gone on with."""
    tried: int
    """Prompts worked through."""
    total: int
    """Prompts there are; 0 until they were read."""
    items: int
    """Items that came of it."""
    problem: str
    """Why it failed."""
    changed_ms: int


class Drawings:
    """The drawing of each study that draws from a model."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    def get(self, study: str) -> DrawingRow | None:
        """Return how far a study's drawing is, None before one was begun."""
        columns = [each for each in drawings.c if each.name != "study"]
        query = select(*columns).join_from(drawings, studies).where(studies.c.name == study)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else DrawingRow(**row)

    def begin(self, study: str, row: DrawingRow) -> None:
        """Write down where a drawing begins or goes on."""

        def act(connection: Connection) -> None:
            seq = need(connection, study).seq
            connection.execute(delete(drawings).where(drawings.c.study == seq))
            connection.execute(insert(drawings), {"study": seq, **asdict(row)})

        self._turns.run(act)

    def advance(
        self, study: str, new: Sequence[NewItem], *, overlap: int, tried: tuple[int, int], mark: str, now_ms: int
    ) -> int:
        """Return how many of the items that the prompts from `tried[0]` to `tried[1]` gave are new; all in one commit.

        Raises InputError where the drawing is not at `tried[0]`: then another server draws the same study.
        """

        def act(connection: Connection) -> int:
            seq = need(connection, study).seq
            added = insert_items(connection, study, new, overlap)
            mine = (drawings.c.study == seq, drawings.c.state == "drawing", drawings.c.tried == tried[0])
            values = {"tried": tried[1], "mark": mark, "items": drawings.c["items"] + added, "changed_ms": now_ms}
            if not connection.execute(update(drawings).where(*mine).values(values)).rowcount:
                raise InputError(f"study {study!r}: another server draws its items too. Stop one of them, then go on.")
            return added

        return self._turns.run(act)

    def end(self, study: str, state: State, *, now_ms: int, problem: str = "") -> None:
        """Write down how a drawing ended."""

        def act(connection: Connection) -> None:
            ended = update(drawings).where(drawings.c.study == need(connection, study).seq)
            connection.execute(ended.values(state=state, problem=problem, changed_ms=now_ms))

        self._turns.run(act)
