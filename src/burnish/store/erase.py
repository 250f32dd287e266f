"""Forgetting: the words go, out of the rows and out of the file's bytes; a tombstone and the lineage stay.

Words are what a record said (value, comment, consent, ...), completions that its author wrote (a correction), and
every signal of a snapshot that was made from it. The envelope stays, its author replaced by a number that nothing
leads back from. What was trained on the words is named, because weights cannot be edited.
A completion that somebody else's record speaks of, or that somebody else wrote as well, stays: their words hang on it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from burnish.errors import InputError
from burnish.store import snapshots as saved
from burnish.store import traces
from burnish.store.engine import MOST_IDS, Database, chunks
from burnish.store.entry import Erasure, ids_beside
from burnish.store.purge import note_purge, purge, purge_if_pending
from burnish.store.read import ERASED
from burnish.store.schema import (
    checkpoints,
    completions,
    feedback,
    prompts,
    snapshot_feedback,
    snapshot_signals,
    snapshot_texts,
    snapshots,
    state,
    words,
)
from burnish.store.studies_schema import study_items

AUTHORED = "correction"
"""The part of a value, of whatever kind, in which its author's own text stands: one, or a list. Nothing else in a value
counts as a text they wrote: a label or a comment may say by chance what a completion says."""
TYPED_RUN = "studio:play"
"""Source of prompts that a person typed: talking with a model they write both what is asked and what they say of it."""


@dataclass(slots=True)
class _Record:
    """A record to be erased."""

    seq: int
    id: str
    prompt_id: str
    shown: frozenset[str]
    texts: frozenset[str]
    """The texts in it that its author wrote: corrections, or ids of completions that hold them."""
    words: tuple[str, ...]
    """All that it said."""

    def wrote(self, completion_id: str, completion_text: str) -> bool:
        """Return whether a completion is this author's own: it stands in the value and was not shown to them."""
        return completion_id not in self.shown and (completion_text in self.texts or completion_id in self.texts)


@dataclass(slots=True)
class _Own:
    """Records and what their author wrote, found by prompt."""

    records: list[_Record]
    by_prompt: dict[str, list[_Record]] = field(default_factory=dict)
    others: dict[str, set[str]] = field(default_factory=dict)
    """Of each such prompt: completions that records which stay speak of, and texts that their authors wrote."""
    kept: set[str] = field(default_factory=set)
    """Completions with the author's text that stay because of them."""

    def __post_init__(self) -> None:
        for record in self.records:
            if record.texts:
                self.by_prompt.setdefault(record.prompt_id, []).append(record)

    def wrote(self, prompt_id: str, completion_id: str, completion_text: str) -> bool:
        """Return whether a completion is the author's own and nobody else's words hang on it."""
        if not any(record.wrote(completion_id, completion_text) for record in self.by_prompt.get(prompt_id, ())):
            return False
        if self.others.get(prompt_id, set()).isdisjoint((completion_id, completion_text)):
            return True
        self.kept.add(completion_id)
        return False


def erase_author(database: Database, author_id: str, author_kind: str) -> Erasure:
    """Erase every record of an author; see `Store.erase_author`."""
    if not author_id:
        raise InputError("erase: an anonymous record has no author. Erase it by its id.")

    def choose(connection: Connection) -> list[str]:
        if author_kind == "human" and connection.execute(delete(state).where(_leaving(author_id))).rowcount:
            note_purge(connection)
        query = select(feedback.c.id).where(
            feedback.c.author_id == author_id, feedback.c.author_kind == author_kind, feedback.c.erased_ms.is_(None)
        )
        return list(connection.execute(query).scalars())

    if author_kind == "human":
        _forget_traces(database, author_id)
    return _erase(database, choose)


def _forget_traces(database: Database, person: str) -> None:
    with database.writing() as connection:
        if traces.forget(connection, person):
            note_purge(connection)


_LEAVING = "leaving:"


def note_leaving(connection: Connection, person: str) -> None:
    """Have a person's words erased, by `finish_leaving` if this process does not live to do it."""
    connection.execute(delete(state).where(_leaving(person)))
    connection.execute(insert(state), {"key": f"{_LEAVING}{person}", "value": "1"})


def finish_leaving(database: Database) -> None:
    """Erase what those said who were leaving when a process was killed: they can sign in no more to ask again."""
    with database.reading() as connection:
        query = select(state.c.key).where(state.c.key.startswith(_LEAVING, autoescape=True))
        found = connection.execute(query).scalars().all()
    for key in found:
        erase_author(database, key.removeprefix(_LEAVING), "human")


def _leaving(person: str) -> ColumnElement[bool]:
    return state.c.key == f"{_LEAVING}{person}"


def erase_record(database: Database, feedback_id: str) -> Erasure:
    """Erase a record with its versions and with what came beside it in its line; see `Store.erase`."""

    def choose(connection: Connection) -> list[str]:
        versions: set[str] = set()
        ask = {feedback_id}
        while ask:
            either = feedback.c.id.in_(ask) | feedback.c.supersedes.in_(ask)
            rows = connection.execute(select(feedback.c.id, feedback.c.supersedes).where(either)).all()
            if not rows:
                raise InputError(f"erase: feedback {feedback_id!r} is not in this store. Check the id.")
            versions |= ask
            ask = {name for row in rows for name in row if name is not None} - versions
            ask = ask or _beside(connection, versions) - versions
        query = select(feedback.c.id).where(feedback.c.id.in_(versions), feedback.c.erased_ms.is_(None))
        alive = list(connection.execute(query).scalars())
        traces.forget_answers(connection, alive)
        return alive

    return _erase(database, choose)


def _beside(connection: Connection, versions: set[str]) -> set[str]:
    """Return the records that came in one line with these: of the same author, on the same prompt."""
    voice = (feedback.c.author_id, feedback.c.author_kind, feedback.c.prompt)
    query = select(words.c.metadata, *voice).join_from(feedback, words, words.c.seq == feedback.c.seq)
    found: set[str] = set()
    for metadata, *who in connection.execute(query.where(feedback.c.id.in_(versions))).all():
        names = {part for version in versions for part in ids_beside(version, json.loads(metadata))}
        there = select(feedback.c.id).where(feedback.c.id.in_(names))
        same = (column == value for column, value in zip(voice, who, strict=True))
        found.update(connection.execute(there.where(*same)).scalars() if names else ())
    return found


def _erase(database: Database, choose: Callable[[Connection], list[str]]) -> Erasure:
    with database.writing() as connection:
        own = _Own(list(_records(connection, choose(connection))))
        if own.records:
            _leave_tombstones(connection, own)
            _look_for_others(connection, own)
            written = _erase_completions(connection, own) + _erase_typed_prompts(connection, own)
            hashes = _empty_snapshots(connection, own, written)
            models = _trained_on(connection, hashes)
            note_purge(connection)
    if not own.records:
        return Erasure(0, purged=purge_if_pending(database))
    said = tuple(dict.fromkeys(each for record in own.records for each in record.words))
    return Erasure(len(own.records), hashes, models, purge(database), len(own.kept), said)


def _records(connection: Connection, names: Iterable[str]) -> Iterator[_Record]:
    query = (
        select(feedback.c.seq, feedback.c.id, prompts.c.id, feedback.c.completion_ids, words.c.value, words.c.comment)
        .join_from(feedback, prompts)
        .join(words, words.c.seq == feedback.c.seq)
    )
    for some in chunks(names, MOST_IDS):
        for seq, name, prompt_id, shown, body, comment in connection.execute(query.where(feedback.c.id.in_(some))):
            value = json.loads(body)
            said = tuple(each for each in (comment, *_strings_in(value)) if each.strip())
            yield _Record(seq, name, prompt_id, frozenset(json.loads(shown)), frozenset(_texts_in(value)), said)


def _strings_in(value: object) -> Iterator[str]:
    """Yield every text of a JSON value, but for the names of its fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _strings_in(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in _strings_in(each))


def _texts_in(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts in a value that its author wrote."""
    own = value.get(AUTHORED)
    yield from (each for each in (own if isinstance(own, list) else [own]) if isinstance(each, str))


# ------------------------------------------------------------------------------------------------- records, completions


def _leave_tombstones(connection: Connection, own: _Own) -> None:
    # Random and thrown away: one person's tombstones stay together, but nothing leads from them to the person.
    nobody = f"erased_{secrets.token_hex(16)}"
    for some in chunks((record.seq for record in own.records), MOST_IDS):
        connection.execute(delete(words).where(words.c.seq.in_(some)))
        mark = update(feedback).where(feedback.c.seq.in_(some))
        connection.execute(mark.values(author_id=nobody, erased_ms=time.time_ns() // 1_000_000))


def _look_for_others(connection: Connection, own: _Own) -> None:
    """Take note of what the records that stay say on the prompts for which the author wrote something."""
    query = (
        select(prompts.c.id, feedback.c.completion_ids, words.c.value)
        .join_from(feedback, prompts)
        .join(words, words.c.seq == feedback.c.seq)  # those that were erased have none
    )
    for some in chunks(own.by_prompt, MOST_IDS):
        for prompt_id, shown, value in connection.execute(query.where(prompts.c.id.in_(some))):
            own.others.setdefault(prompt_id, set()).update(json.loads(shown), _texts_in(json.loads(value)))


def _erase_completions(connection: Connection, own: _Own) -> list[str]:
    """Return the ids of the completions that the author wrote, with their words taken out."""
    written = []
    for some in chunks(own.by_prompt, MOST_IDS):
        query = select(prompts.c.id, completions.c.id, completions.c.text).join_from(completions, prompts)
        query = query.where(
            prompts.c.id.in_(some), completions.c.finish_reason == "given", completions.c.sampling.is_(None)
        )
        written += [row[1] for row in connection.execute(query) if own.wrote(*row)]
    for some in chunks(written, MOST_IDS):
        mark = update(completions).where(completions.c.id.in_(some))
        gone = {"text": "", "token_ids": None, "logprobs": None, "erased_ms": time.time_ns() // 1_000_000}
        connection.execute(mark.values(gone))
    return written


def _erase_typed_prompts(connection: Connection, own: _Own) -> list[str]:
    """Empty the prompts that the author typed and nobody else spoke of; return the ids of the answers, emptied too.

    A model's answer goes with the question: it repeats what it was told. A prompt's own id is a hash of its words, so
    it becomes a random one.
    """
    answered: list[str] = []
    spoken_of = exists().where(feedback.c.prompt == prompts.c.seq, feedback.c.erased_ms.is_(None))
    in_study = exists().where(study_items.c.prompt_id == prompts.c.id)
    for some in chunks({record.prompt_id for record in own.records}, MOST_IDS):
        typed = select(prompts.c.seq).where(prompts.c.id.in_(some), prompts.c.source == TYPED_RUN)
        for seq in connection.execute(typed.where(~spoken_of, ~in_study)).scalars().all():
            answered += connection.execute(select(completions.c.id).where(completions.c.prompt == seq)).scalars()
            gone = {"text": "", "token_ids": None, "logprobs": None, "erased_ms": time.time_ns() // 1_000_000}
            connection.execute(update(completions).where(completions.c.prompt == seq).values(gone))
            nothing = {"id": f"{ERASED}{secrets.token_hex(16)}", "messages": "[]", "reference": None, "metadata": "{}"}
            connection.execute(update(prompts).where(prompts.c.seq == seq).values(nothing))
    return answered


# ------------------------------------------------------------------------------------------------------------ snapshots


def _empty_snapshots(connection: Connection, own: _Own, written: list[str]) -> tuple[str, ...]:
    """Return the hashes of the snapshots that lost signals: those made from the records or holding what they wrote."""
    ordinals: dict[int, set[int]] = {}
    for some in chunks((record.id for record in own.records), MOST_IDS):
        query = select(snapshot_feedback.c.snapshot, snapshot_feedback.c.ordinal)
        for snapshot, ordinal in connection.execute(query.where(snapshot_feedback.c.feedback_id.in_(some))):
            ordinals.setdefault(snapshot, set()).add(ordinal)
    saved.forget_salts(connection, [record.id for record in own.records])
    own_texts = _own_texts(connection, own, written, ordinals)
    if not ordinals and not own_texts:
        return ()
    lost: dict[int, list[int]] = {}
    gone: set[int] = set()
    kept: set[int] = set()
    for snapshot, position, signal in _signals(connection, None):
        used = ordinals.get(snapshot, set())
        held = saved.references(signal)
        if used.isdisjoint(signal.get("feedback_ids", ())) and own_texts.isdisjoint(held):
            kept.update(held)
        else:
            lost.setdefault(snapshot, []).append(position)
            gone.update(held)
    for snapshot, positions in lost.items():
        _empty_signals(connection, snapshot, positions)
    for some_texts in chunks(sorted((gone - kept) | own_texts), MOST_IDS):
        connection.execute(delete(snapshot_texts).where(snapshot_texts.c.seq.in_(some_texts)))
    query_hashes = select(snapshots.c.hash).where(snapshots.c.seq.in_(lost)).order_by(snapshots.c.seq)
    return tuple(connection.execute(query_hashes).scalars())


def _own_texts(connection: Connection, own: _Own, written: list[str], ordinals: dict[int, set[int]]) -> frozenset[int]:
    """Return the snapshot texts that the author wrote: erased completions, and such as only a signal ever held."""
    found: set[int] = set()
    for some in chunks(written, MOST_IDS):
        query = select(snapshot_texts.c.seq).where(snapshot_texts.c.record_id.in_(some))
        found.update(connection.execute(query).scalars())
    if not own.by_prompt:
        return frozenset(found)
    candidates: set[int] = set()
    for snapshot, _, signal in _signals(connection, list(ordinals)):
        if not ordinals[snapshot].isdisjoint(signal.get("feedback_ids", ())):
            candidates.update(saved.references(signal))
    query_texts = select(snapshot_texts.c.seq, snapshot_texts.c.record_id, snapshot_texts.c.body)
    for some_seqs in chunks(sorted(candidates), MOST_IDS):
        for seq, name, body in connection.execute(query_texts.where(snapshot_texts.c.seq.in_(some_seqs))):
            plain = json.loads(body)
            if "prompt_id" in plain and own.wrote(plain["prompt_id"], name, plain["text"]):
                found.add(seq)
    return frozenset(found)


def _signals(connection: Connection, only: list[int] | None) -> Iterator[tuple[int, int, dict[str, Any]]]:
    table = snapshot_signals
    query = select(table.c.snapshot, table.c.position, table.c.body).where(table.c.body.is_not(None))
    if only is not None:
        query = query.where(table.c.snapshot.in_(only))
    for snapshot, position, body in connection.execute(query):
        yield snapshot, position, json.loads(body)


def _empty_signals(connection: Connection, snapshot: int, positions: list[int]) -> None:
    table = snapshot_signals
    for some in chunks(positions, MOST_IDS):
        mark = update(table).where(table.c.snapshot == snapshot, table.c.position.in_(some))
        connection.execute(mark.values(body=None))
    count = update(snapshots).where(snapshots.c.seq == snapshot)
    connection.execute(count.values(lost=snapshots.c.lost + len(positions)))


def _trained_on(connection: Connection, hashes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the checkpoints trained on these snapshots and their descendants, in the order they were recorded."""
    rows = connection.execute(
        select(checkpoints.c.id, checkpoints.c.parent, checkpoints.c.snapshot).order_by(checkpoints.c.seq)
    ).all()
    tainted = {row[0] for row in rows if row[2] in hashes}
    while grown := {row[0] for row in rows if row[1] in tainted} - tainted:
        tainted |= grown
    return tuple(dict.fromkeys(row[0] for row in rows if row[0] in tainted))
