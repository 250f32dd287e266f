"""Saved lists of signals, named by their content: what a checkpoint was trained on, to be loaded again word for word.

A snapshot holds each signal with its prompt and completions by reference (texts are shared by all snapshots) and the
ids of the feedback behind it, each with a salted hash of what that feedback said. Erasing throws the salt away, so
the hash cannot be guessed back, and empties the signals that used the words (`burnish.store.erase`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from burnish.errors import DamagedFileError, InputError
from burnish.plain import signal_from_plain, signal_to_plain, snapshot_hash
from burnish.records import Completion, Preference, Prompt, Signal, canonical_json
from burnish.store.engine import MOST_IDS, Database, chunks
from burnish.store.entry import LostSignalsError, SnapshotInfo
from burnish.store.insert import Insert
from burnish.store.read import FEEDBACK
from burnish.store.schema import (
    feedback,
    snapshot_feedback,
    snapshot_signals,
    snapshot_texts,
    snapshots,
)

_SALT_BYTES = 16


class _Draft:
    """Signals taken apart: texts and feedback ids once each, and signals that point at them by number."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        self.digests: dict[str, int] = {}
        self.texts: list[tuple[str, str, str]] = []  # digest, id of the record, body
        self.feedback: dict[str, int] = {}
        self._numbers: dict[int, int] = {}  # by object: signals share their prompts and completions
        self.signals = [self._take_apart(signal) for signal in signals]

    def _take_apart(self, signal: Signal) -> dict[str, Any]:
        plain = signal_to_plain(signal)
        plain["prompt"] = self._text(signal.prompt, plain["prompt"])
        if isinstance(signal, Preference):
            pairs = zip(signal.completions, plain["completions"], strict=True)
            plain["completions"] = [self._text(record, body) for record, body in pairs]
        else:
            plain["completion"] = self._text(signal.completion, plain["completion"])
        if "feedback_ids" in plain:
            plain["feedback_ids"] = [self.feedback.setdefault(each, len(self.feedback)) for each in signal.feedback_ids]
        return plain

    def _text(self, record: Prompt | Completion, plain: dict[str, Any]) -> int:
        number = self._numbers.get(id(record))
        if number is None:
            body = canonical_json(plain)
            digest = hashlib.sha256(f"{type(record).__name__}\x1f{body}".encode()).hexdigest()
            number = self.digests.setdefault(digest, len(self.texts))
            if number == len(self.texts):
                self.texts.append((digest, record.id, body))
            self._numbers[id(record)] = number
        return number


def save(database: Database, signals: Sequence[Signal]) -> str:
    """Return the signals' hash, with the snapshot stored; the same signals twice are one snapshot."""
    if not signals:
        raise InputError("snapshot: there are no signals to save. Collect feedback first.")
    try:
        name = snapshot_hash(signals)
        draft = _Draft(signals)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"snapshot: a signal cannot be written as JSON ({error}).") from None
    query = select(snapshots.c.hash).where(snapshots.c.hash == name)
    with database.reading() as connection:
        if connection.execute(query).first():
            return name
        said = _digests(connection, draft.feedback)
    with database.writing() as connection:
        if connection.execute(query).first() is None:
            _refuse_erased(connection, draft.feedback)
            _insert(connection, name, draft, said)
    return name


def _digests(connection: Connection, names: dict[str, int]) -> dict[str, tuple[bytes, bytes]]:
    """Return a fresh salt, and the salted hash of what was said, for each record that is in the store."""
    found = {}
    for some in chunks(names, MOST_IDS):
        for row in connection.execute(FEEDBACK.where(feedback.c.id.in_(some))):
            salt = secrets.token_bytes(_SALT_BYTES)
            found[row[0]] = (salt, hashlib.sha256(salt + json.dumps(tuple(row)).encode()).digest())
    return found


def _refuse_erased(connection: Connection, names: dict[str, int]) -> None:
    for some in chunks(names, MOST_IDS):
        query = select(feedback.c.id).where(feedback.c.id.in_(some), feedback.c.erased_ms.is_not(None))
        erased = connection.execute(query).scalars().all()
        if erased:
            raise InputError(
                f"snapshot: {len(erased)} of its feedback records were erased on request ({erased[0]!r} and so on). "
                "Build the signals again from what the store holds now."
            )


def _insert(connection: Connection, name: str, draft: _Draft, said: dict[str, tuple[bytes, bytes]]) -> None:
    numbers = _store_texts(connection, draft)
    seq = (connection.execute(select(snapshots.c.seq).order_by(snapshots.c.seq.desc()).limit(1)).scalar() or 0) + 1
    row = {"seq": seq, "hash": name, "signals": len(draft.signals), "feedback": len(draft.feedback), "lost": 0}
    connection.execute(insert(snapshots), {**row, "saved_ms": time.time_ns() // 1_000_000})
    for signal in draft.signals:
        signal["prompt"] = numbers[signal["prompt"]]
        if "completion" in signal:
            signal["completion"] = numbers[signal["completion"]]
        if "completions" in signal:
            signal["completions"] = [numbers[each] for each in signal["completions"]]
    insert_signals = Insert(connection.dialect, snapshot_signals, ("snapshot", "position", "body"))
    insert_signals.run(connection, ((seq, number, canonical_json(each)) for number, each in enumerate(draft.signals)))
    used = ((seq, ordinal, each, *said.get(each, (b"", None))) for each, ordinal in draft.feedback.items())
    names = ("snapshot", "ordinal", "feedback_id", "salt", "digest")
    Insert(connection.dialect, snapshot_feedback, names).run(connection, used)


def _store_texts(connection: Connection, draft: _Draft) -> list[int]:
    """Return the sequence number of each of the draft's texts, with the new ones inserted."""
    there: dict[str, int] = {}
    for some in chunks(draft.digests, MOST_IDS):
        query = select(snapshot_texts.c.digest, snapshot_texts.c.seq).where(snapshot_texts.c.digest.in_(some))
        there.update((row[0], row[1]) for row in connection.execute(query))
    last = connection.execute(select(snapshot_texts.c.seq).order_by(snapshot_texts.c.seq.desc()).limit(1)).scalar() or 0
    fresh = [text for text in draft.texts if text[0] not in there]
    insert_texts = Insert(connection.dialect, snapshot_texts, ("seq", "digest", "record_id", "body"))
    insert_texts.run(connection, ((last + number, *text) for number, text in enumerate(fresh, 1)))
    there.update((text[0], last + number) for number, text in enumerate(fresh, 1))
    return [there[digest] for digest, _, _ in draft.texts]


# -------------------------------------------------------------------------------------------------------------- loading


def load(database: Database, name: str, *, allow_lost: bool = False) -> list[Signal]:
    """Return the snapshot's signals in their order, checked against its hash; see `Store.load_snapshot`."""
    with database.reading() as connection:
        row = connection.execute(select(snapshots).where(snapshots.c.hash == name)).mappings().first()
        if row is None:
            raise InputError(f"snapshot: {name!r} is not in this store. `Store.snapshots()` lists what is.")
        if row["lost"] and not allow_lost:
            raise _lost(connection, row["seq"], name, row["lost"], row["signals"])
        used = list(_column(connection, snapshot_feedback.c.feedback_id, row["seq"], snapshot_feedback.c.ordinal))
        bodies = _column(connection, snapshot_signals.c.body, row["seq"], snapshot_signals.c.position)
        plain = [json.loads(body) for body in bodies if body is not None]
        texts = _texts(connection, plain)
    signals = [signal_from_plain(_put_together(each, texts, used)) for each in plain]
    if not row["lost"] and snapshot_hash(signals) != name:
        raise DamagedFileError(
            f"snapshot: {name!r} does not rebuild to its hash: the store was changed from outside, or another version "
            "of burnish saved it. Save the signals again."
        )
    return signals


def _column(connection: Connection, wanted: Any, seq: int, order: Any) -> Any:
    return connection.execute(select(wanted).where(wanted.table.c.snapshot == seq).order_by(order)).scalars()


def _texts(connection: Connection, signals: list[dict[str, Any]]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for some in chunks(sorted({number for signal in signals for number in references(signal)}), MOST_IDS):
        query = select(snapshot_texts.c.seq, snapshot_texts.c.body).where(snapshot_texts.c.seq.in_(some))
        found.update((row[0], json.loads(row[1])) for row in connection.execute(query))
    return found


def references(signal: dict[str, Any]) -> list[int]:
    """Return the sequence numbers of the texts that a stored signal points at."""
    single = [signal["completion"]] if "completion" in signal else []
    return [signal["prompt"], *single, *signal.get("completions", ())]


def _put_together(signal: dict[str, Any], texts: dict[int, Any], used: list[str]) -> dict[str, Any]:
    whole = {**signal, "prompt": texts[signal["prompt"]]}
    if "completion" in signal:
        whole["completion"] = texts[signal["completion"]]
    if "completions" in signal:
        whole["completions"] = [texts[each] for each in signal["completions"]]
    if "feedback_ids" in signal:
        whole["feedback_ids"] = [used[ordinal] for ordinal in signal["feedback_ids"]]
    return whole


def _lost(connection: Connection, seq: int, name: str, lost: int, signals: int) -> LostSignalsError:
    query = select(snapshot_feedback.c.feedback_id).where(
        snapshot_feedback.c.snapshot == seq, snapshot_feedback.c.salt.is_(None)
    )
    erased = connection.execute(query.order_by(snapshot_feedback.c.ordinal)).scalars().all()
    shown = ", ".join(repr(each) for each in erased[:5]) + (f" and {len(erased) - 5} more" if len(erased) > 5 else "")
    reason = f"their feedback {shown} was erased on request" if erased else "words in them were erased on request"
    return LostSignalsError(
        f"snapshot: {name!r} lost {lost} of its {signals} signals: {reason}. Build a new snapshot from what the store "
        "holds now, or load what is left with allow_lost=True."
    )


def listing(connection: Connection) -> list[SnapshotInfo]:
    """Return all snapshots, oldest first."""
    return [
        SnapshotInfo(
            row["hash"],
            row["signals"],
            row["feedback"],
            row["lost"],
            datetime.fromtimestamp(row["saved_ms"] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        for row in connection.execute(select(snapshots).order_by(snapshots.c.seq)).mappings()
    ]


def behind(connection: Connection, name: str) -> dict[tuple[str, str], int]:
    """Return how many of a snapshot's feedback records stand in each (run, author); see `Store.behind_snapshot`."""
    query = (
        select(feedback.c.run, feedback.c.author_id, func.count())
        .join_from(snapshots, snapshot_feedback, snapshot_feedback.c.snapshot == snapshots.c.seq)
        .join(feedback, feedback.c.id == snapshot_feedback.c.feedback_id)
        .where(snapshots.c.hash == name)
        .group_by(feedback.c.run, feedback.c.author_id)
    )
    return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}


def forget_salts(connection: Connection, names: list[str]) -> None:
    """Throw away the salts of erased records, so that their hashes cannot be guessed back."""
    for some in chunks(names, MOST_IDS):
        connection.execute(update(snapshot_feedback).where(snapshot_feedback.c.feedback_id.in_(some)).values(salt=None))
