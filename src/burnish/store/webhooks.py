"""Webhooks and what is still to be told to them: an event is queued in the transaction that made it true.

So nothing is told that did not happen, and nothing that happened is lost in a crash; it may be told twice, which its
number shows. Sending is the business of `burnish.studio.delivery`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from burnish.records import canonical_json
from burnish.store import audit
from burnish.store.engine import Database
from burnish.store.studies_schema import deliveries, webhooks
from burnish.store.turns import Turns

Event: TypeAlias = Literal["answer", "skip", "flag", "complete", "state"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of events."""

    id: str
    study: str
    """Empty: every study."""
    url: str
    secret: str
    events: tuple[str, ...]
    made_by: str
    created_ms: int
    waiting: int = 0
    """Deliveries that are still to be made."""
    last: str = ""
    """What became of the last one that was tried."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook."""

    seq: int
    webhook: str
    url: str
    secret: str
    event: str
    body: str
    tries: int


class Webhooks:
    """Where to tell what, and what is still to be told."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    def add(
        self, url: str, events: Sequence[str], *, study: str, by: str, now_ms: int, actor: int | None = None
    ) -> Webhook:
        """Return a new webhook with the secret that signs what it is told."""
        made = Webhook(f"w_{secrets.token_hex(10)}", study, url, secrets.token_hex(32), tuple(events), by, now_ms)
        row = {name: getattr(made, name) for name in ("id", "study", "url", "secret", "made_by", "created_ms")}
        row["events"] = canonical_json(list(events))

        def act(connection: Connection) -> None:
            connection.execute(insert(webhooks), row)
            audit.append(connection, now_ms, actor, "add webhook", f"webhook:{made.id}")

        self._turns.run(act)
        return made

    def listing(self) -> list[Webhook]:
        """Return the webhooks that are told, oldest first."""
        with self._database.reading() as connection:
            query = select(webhooks).where(webhooks.c.stopped_ms.is_(None)).order_by(webhooks.c.created_ms)
            return [_webhook(connection, dict(row)) for row in connection.execute(query).mappings()]

    def stop(self, name: str, *, now_ms: int, actor: int | None = None) -> bool:
        """Return whether there was such a webhook; it is told nothing any more."""

        def act(connection: Connection) -> bool:
            mark = update(webhooks).where(webhooks.c.id == name, webhooks.c.stopped_ms.is_(None))
            done = connection.execute(mark.values(stopped_ms=now_ms, secret="")).rowcount > 0
            rest = update(deliveries).where(deliveries.c.webhook == name, deliveries.c.next_ms.is_not(None))
            connection.execute(rest.values(next_ms=None, done_ms=now_ms, message="stopped"))
            if done:
                audit.append(connection, now_ms, actor, "stop webhook", f"webhook:{name}")
            return done

        return self._turns.run(act)

    def due(self, now_ms: int, limit: int = 20) -> list[Delivery]:
        """Return what is to be told now, oldest first."""
        query = _DUE.where(deliveries.c.next_ms <= now_ms).order_by(deliveries.c.next_ms, deliveries.c.seq)
        with self._database.reading() as connection:
            return [Delivery(**row) for row in connection.execute(query.limit(limit)).mappings()]

    def take(self, now_ms: int, until_ms: int, *, each: int, but: Collection[str] = ()) -> list[Delivery]:
        """Return what is to be told now, up to `each` of every webhook that is not in `but`, its oldest first.

        Nobody else is given them before `until_ms`: a second server on this store, or this one after a crash.
        """
        order = (deliveries.c.next_ms, deliveries.c.seq)
        due = (deliveries.c.next_ms <= now_ms, deliveries.c.webhook.not_in(but))
        place = func.row_number().over(partition_by=deliveries.c.webhook, order_by=order)
        ranked = select(deliveries.c.seq, place.label("place")).where(*due).subquery()
        first = select(ranked.c.seq).where(ranked.c.place <= each)

        def act(connection: Connection) -> list[Delivery]:
            rows = connection.execute(_DUE.where(deliveries.c.seq.in_(first)).order_by(*order)).mappings().all()
            mark = update(deliveries).where(deliveries.c.seq.in_([row["seq"] for row in rows]))
            connection.execute(mark.values(next_ms=until_ms))
            return [Delivery(**row) for row in rows]

        with self._database.reading() as connection:  # looking takes no turn
            is_due = connection.execute(select(deliveries.c.seq).where(*due).limit(1)).first()
        return self._turns.run(act) if is_due else []

    def told(self, seq: int, message: str, *, now_ms: int, again_ms: int | None = None) -> None:
        """Take note of a try: it is done, or is to be tried again at `again_ms`, unless it was given up meanwhile."""
        done = None if again_ms is not None else now_ms
        values = {"message": message[:500], "next_ms": again_ms, "done_ms": done}

        def act(connection: Connection) -> None:
            mark = update(deliveries).where(deliveries.c.seq == seq, deliveries.c.done_ms.is_(None))
            connection.execute(mark.values(tries=deliveries.c.tries + 1, **values))

        self._turns.run(act)

    def forget(self, before_ms: int, *, most: int = 1_000) -> int:
        """Return how many deliveries were deleted: those made or given up before a time, at most so many at once.

        Each webhook keeps its last one: it says what became of it, and the numbers of later ones go on from there.
        """
        done = deliveries.c.done_ms.is_not(None)
        last = select(func.max(deliveries.c.seq)).where(done).group_by(deliveries.c.webhook)
        old = select(deliveries.c.seq).where(deliveries.c.done_ms < before_ms, deliveries.c.seq.not_in(last))
        gone = delete(deliveries).where(deliveries.c.seq.in_(old.limit(most)))
        return self._turns.run(lambda connection: int(connection.execute(gone).rowcount))


_DUE = select(
    *(deliveries.c[name] for name in ("seq", "webhook", "event", "body", "tries")), webhooks.c.url, webhooks.c.secret
).join_from(deliveries, webhooks)
_LISTENING = select(webhooks.c.id, webhooks.c.events).where(
    webhooks.c.stopped_ms.is_(None), (webhooks.c.study == "") | (webhooks.c.study == bindparam("of"))
)


def queue(connection: Connection, event: Event, study: str, now_ms: int, **details: Any) -> bool:
    """Have every webhook that asked for it told of an event, once this transaction is committed.

    Returns whether any webhook listens to this study, be it to other events.
    """
    listening = connection.execute(_LISTENING, {"of": study}).all()
    wanted = [row[0] for row in listening if event in json.loads(row[1])]
    if not wanted:
        return bool(listening)
    body = canonical_json({"event": event, "study": study, "time_ms": now_ms, **details})
    first = int(connection.execute(select(func.max(deliveries.c.seq))).scalar() or 0) + 1
    fresh = {"event": event, "body": body, "tries": 0, "next_ms": now_ms, "message": ""}
    rows = [{"seq": first + place, "webhook": name, **fresh} for place, name in enumerate(wanted)]
    connection.execute(insert(deliveries), rows)
    return True


def _webhook(connection: Connection, row: dict[str, Any]) -> Webhook:
    own = deliveries.c.webhook == row["id"]
    waiting = connection.execute(select(func.count()).where(own, deliveries.c.next_ms.is_not(None))).scalar_one()
    tried = select(deliveries.c.message).where(own, deliveries.c.tries > 0).order_by(deliveries.c.seq.desc()).limit(1)
    del row["stopped_ms"]
    row["events"] = tuple(json.loads(row["events"]))
    return Webhook(**row, waiting=int(waiting), last=str(connection.execute(tried).scalar() or ""))
