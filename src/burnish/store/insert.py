"""What one write transaction does with a group of checked entries: tell new from known from clashing, and insert.

Runs under the writer's turn (`Database.writing`), so nothing changes between the look-ups and the inserts. Each table
gets one `executemany` a group, which is what makes thousands of durable submissions a second possible.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, Connection, Dialect, Table, bindparam, func, select

from burnish.errors import InputError
from burnish.store.engine import MOST_IDS, chunks
from burnish.store.entry import KEPT, WITHDRAWN, OnDuplicate, Receipt, ids_beside
from burnish.store.schema import (
    COMPLETION_COLUMNS,
    ENVELOPE_COLUMNS,
    PROMPT_COLUMNS,
    WORDS_COLUMNS,
    completions,
    feedback,
    prompts,
    row_of,
    words,
)
from burnish.store.validation import Checked, Row

Outcome: TypeAlias = "tuple[Receipt, ...] | InputError"
Pair: TypeAlias = tuple[Row, Row]
"""Envelope and words of a record."""

_KIND = ENVELOPE_COLUMNS.index("kind")
_SUPERSEDES = ENVELOPE_COLUMNS.index("supersedes")
_COMPLETION_IDS = ENVELOPE_COLUMNS.index("completion_ids")
_PROMPT = ENVELOPE_COLUMNS.index("prompt")
_AUTHOR = slice(ENVELOPE_COLUMNS.index("author_id"), ENVELOPE_COLUMNS.index("author_kind") + 1)
_METADATA = WORDS_COLUMNS.index("metadata")
_NO_WORDS: Row = ("{}", "", None, "{}", "", "{}")

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_RECORDS = (
    select(feedback.c.erased_ms, *row_of(feedback))
    .join_from(feedback, prompts)
    .join(words, words.c.seq == feedback.c.seq, isouter=True)
    .where(feedback.c.id.in_(_IDS))
)
_FOLLOWER = (
    select(feedback.c.id).where(feedback.c.supersedes == bindparam("old")).order_by(feedback.c.seq.desc()).limit(1)
)
_PROMPTS = select(prompts.c.id, prompts.c.seq).where(prompts.c.id.in_(_IDS))
_PROMPT_EXTRA = select(prompts.c.id, prompts.c.reference, prompts.c.metadata, prompts.c.split).where(
    prompts.c.id.in_(_IDS)
)
_EXTRA = tuple(PROMPT_COLUMNS.index(name) for name in ("reference", "metadata", "split"))
_PLAIN = (None, "{}", "train")  # what an entry that says nothing of its prompt has there
_COMPLETIONS = (
    select(completions.c.id, prompts.c.id, completions.c.erased_ms)
    .join_from(completions, prompts)
    .where(completions.c.id.in_(_IDS))
)
_LAST = select(
    *(func.coalesce(select(func.max(table.c.seq)).scalar_subquery(), 0) for table in (prompts, completions, feedback))
)


@dataclass(slots=True)
class Work:
    """One checked entry on its way into the store."""

    checked: Checked
    on_duplicate: OnDuplicate


class Inserts:
    """The four INSERT statements of a group."""

    def __init__(self, dialect: Dialect) -> None:
        self._prompts = Insert(dialect, prompts, ("seq", *PROMPT_COLUMNS))
        self._completions = Insert(dialect, completions, ("seq", *COMPLETION_COLUMNS))
        self._feedback = Insert(dialect, feedback, ("seq", *ENVELOPE_COLUMNS, "stored_ms"))
        self._words = Insert(dialect, words, ("seq", *WORDS_COLUMNS))

    def store(self, connection: Connection, group: Sequence[Work]) -> list[Outcome]:
        """Insert what is new in the group and return one outcome for each entry; the caller commits."""
        ledger = _Ledger(connection, group)
        outcomes = [ledger.decide(work) for work in group]
        self._prompts.run(connection, ledger.prompts)
        self._completions.run(connection, ledger.completions)
        self._feedback.run(connection, ledger.feedback)
        self._words.run(connection, ledger.words)
        return outcomes


class _Ledger:
    """What the store holds of the group's ids, and the rows that the group adds to it, entry by entry."""

    def __init__(self, connection: Connection, group: Sequence[Work]) -> None:
        self._connection = connection
        self.prompts: list[Row] = []
        self.completions: list[Row] = []
        self.feedback: list[Row] = []
        self.words: list[Row] = []
        asked: set[str] = set()
        named: set[str] = set()
        for work in group:
            named.update(work.checked.outside, [row[0] for row in work.checked.completions])
            for envelope, _ in work.checked.feedback:
                asked.add(envelope[0])
                if envelope[_SUPERSEDES]:
                    asked.add(envelope[_SUPERSEDES])
        self._known: dict[str, Pair | None] = {}  # None: erased
        self._load(asked)
        self._followers: dict[str, str] = {}
        self._fresh: list[Pair] = []  # of the entry being decided
        self._prompts = {row[0]: row[1] for row in self._rows(_PROMPTS, {work.checked.prompt[0] for work in group})}
        telling = {work.checked.prompt[0] for work in group if _extra(work.checked.prompt) != _PLAIN}
        self._extras = {row[0]: tuple(row[1:]) for row in self._rows(_PROMPT_EXTRA, telling)}
        self._homes: dict[str, str] = {}  # prompt of each completion that is there
        self._erased: set[str] = set()
        for name, prompt_id, erased in self._rows(_COMPLETIONS, named):
            self._homes[name] = prompt_id
            if erased is not None:
                self._erased.add(name)
        self._last_prompt, self._last_completion, self._last_feedback = tuple(connection.execute(_LAST).one())
        self._now = time.time_ns() // 1_000_000

    def _rows(self, statement: Any, ids: Iterable[str]) -> Iterable[Any]:
        for some in chunks(ids, MOST_IDS):
            yield from self._connection.execute(statement, {"ids": some})

    def _load(self, ids: Iterable[str]) -> None:
        for erased, *row in self._rows(_RECORDS, ids):
            pair = (tuple(row[: len(ENVELOPE_COLUMNS)]), tuple(row[len(ENVELOPE_COLUMNS) :]))
            self._known[row[0]] = pair if erased is None else None

    def decide(self, work: Work) -> Outcome:
        """Return what becomes of an entry, and take note of the rows it adds: all of them, or none."""
        self._fresh = []
        try:
            self._need_completions(work.checked)
            receipts = tuple(self._decide_record(pair, work.on_duplicate) for pair in work.checked.feedback)
            if work.on_duplicate == "replace":
                receipts = self._withdraw_the_rest(work.checked, receipts)
        except InputError as error:
            for envelope, _ in self._fresh:
                del self._known[envelope[0]]
                self._followers.pop(envelope[_SUPERSEDES], None)
            return error
        kept = self._take(work.checked)
        return (replace(receipts[0], prompt_kept=kept), *receipts[1:]) if kept and receipts else receipts

    def _kept(self, prompt: Row) -> str:
        """Return the names of the parts of a prompt that the store has otherwise and keeps."""
        parts = zip(_EXTRA, _extra(prompt), _PLAIN, self._extras.get(prompt[0], _PLAIN), strict=True)
        return ", ".join(PROMPT_COLUMNS[index] for index, new, plain, here in parts if new not in (plain, here))

    def _take(self, checked: Checked) -> str:
        """Take note of an entry's rows and return what its prompt says otherwise than the one that is there."""
        prompt_id = checked.prompt[0]
        prompt = self._prompts.get(prompt_id)
        if prompt is None:
            prompt = self._prompts[prompt_id] = self._last_prompt = self._last_prompt + 1
            self.prompts.append((prompt, *checked.prompt))
            self._extras[prompt_id] = _extra(checked.prompt)
        for row in checked.completions:
            if row[0] not in self._homes:
                self._homes[row[0]] = prompt_id
                self._last_completion += 1
                self.completions.append((self._last_completion, row[0], prompt, *row[2:]))
        for envelope, said in self._fresh:
            self._last_feedback = number = self._last_feedback + 1
            self.feedback.append((number, *envelope[:_PROMPT], prompt, *envelope[_PROMPT + 1 :], self._now))
            self.words.append((number, *said))
        return self._kept(checked.prompt)

    def _need_completions(self, checked: Checked) -> None:
        for envelope, _ in checked.feedback if self._erased else ():
            for name in self._erased.intersection(json.loads(envelope[_COMPLETION_IDS])):
                raise InputError(f"feedback {envelope[0]!r}: completion_ids: {name!r} was erased on request.")
        for name in checked.outside:
            if self._homes.get(name) != checked.prompt[0]:
                raise InputError(
                    f"feedback: completion_ids: {name!r} is not a completion of prompt {checked.prompt[0]!r} in this "
                    "entry or in the store. Put the completion into the entry."
                )

    def _decide_record(self, new: Pair, on_duplicate: OnDuplicate) -> Receipt:
        name = new[0][0]
        if name not in self._known:
            self._check_superseded(new[0])
            self._add(new)
            return Receipt(name, "stored")
        old = self._known[name]
        if old is None:
            return Receipt(name, "known", "it was erased on request and is not stored again")
        versions = self._versions(name) if old != new or on_duplicate == "replace" else [old]
        if on_duplicate == "replace":
            return self._replace(name, new, versions[-1])
        # an export does not name what a record superseded
        again = old == new or (new[0][_SUPERSEDES] is None and _said(new) == _said(old))
        if again or any(_said(new) == _said(version) for version in versions[1:]):
            return Receipt(name, "known")
        if on_duplicate == "skip":
            return Receipt(name, "conflict", KEPT)
        raise InputError(
            f"feedback {name!r}: id: the store holds other content under this id ({_difference(old, new)}). Give it an "
            "id of its own, or ask to skip or to replace duplicates."
        )

    def _replace(self, name: str, new: Pair, current: Pair) -> Receipt:
        if _said(new) == _said(current):
            return Receipt(current[0][0], "known")
        if not _same_voice(new[0], current[0]):
            raise InputError(
                f"feedback {name!r}: id: stands for a record of another author or on another prompt, which only a "
                "record of that author on that prompt replaces. Give it an id of its own."
            )
        fresh = self._follow(name, current, new)
        return Receipt(fresh, "replaced", f"supersedes {current[0][0]!r}")

    def _follow(self, name: str, current: Pair, new: Pair) -> str:
        """Return the id under which new content takes the place of the current one."""
        number, fresh = 2, f"{name}~2"
        while fresh in self._known:
            number += 1
            fresh = f"{name}~{number}"
            self._load([fresh])
        envelope = (fresh, *new[0][1:_SUPERSEDES], current[0][0], *new[0][_SUPERSEDES + 1 :])
        self._add((envelope, new[1]))
        return fresh

    def _withdraw_the_rest(self, checked: Checked, receipts: tuple[Receipt, ...]) -> tuple[Receipt, ...]:
        """Take back what came beside a replaced record in its line and comes no more, and say so."""
        coming = {envelope[0] for envelope, _ in checked.feedback}
        for envelope, said in checked.feedback:  # an export gives each record a line of its own
            coming.update(ids_beside(envelope[0], json.loads(said[_METADATA])))
        told = []
        for (envelope, _), receipt in zip(checked.feedback, receipts, strict=True):
            versions = self._versions(envelope[0]) if receipt.status != "stored" else ()
            beside = [ids_beside(envelope[0], json.loads(said[_METADATA])) for _, said in versions]
            rest = dict.fromkeys(part for parts in beside for part in parts if part not in coming)
            gone = "".join(f"; took back {part!r}" for part in rest if self._withdraw(part, envelope))
            told.append(replace(receipt, message=(receipt.message + gone).removeprefix("; ")) if gone else receipt)
        return tuple(told)

    def _withdraw(self, name: str, voice: Row) -> bool:
        """Return whether a record stood there and was taken back."""
        if name not in self._known:
            self._load([name])
        first = self._known.get(name)
        if first is None or not _same_voice(first[0], voice):
            return False
        envelope, _ = current = self._versions(name)[-1]
        if envelope[_KIND] == WITHDRAWN or self._follower(envelope[0]) is not None:
            return False
        self._follow(name, current, ((name, WITHDRAWN, *envelope[_KIND + 1 :]), _NO_WORDS))
        return True

    def _versions(self, name: str) -> list[Pair]:
        """Return a record and what `replace` made of it, oldest first, and load the ids that are taken."""
        found = [name]
        while True:
            follower = self._follower(found[-1])
            if follower is None or not follower.startswith(f"{name}~"):
                break
            found.append(follower)
        self._load(each for each in (*found, f"{name}~2") if each not in self._known)
        return [pair for pair in (self._known[each] for each in found) if pair is not None]

    def _follower(self, name: str) -> str | None:
        """Return the id of the last record that supersedes this one."""
        if (found := self._followers.get(name)) is None:
            found = self._connection.execute(_FOLLOWER, {"old": name}).scalar()
        return found

    def _check_superseded(self, envelope: Row) -> None:
        """Only the author of a record may change it, and only a record that is here."""
        old_id = envelope[_SUPERSEDES]
        if old_id is None:
            return
        who = f"feedback {envelope[0]!r}: supersedes: {old_id!r}"
        if old_id not in self._known:
            raise InputError(f"{who} is not in this store. Store it first, or leave supersedes empty.")
        old = self._known[old_id]
        if old is None:
            raise InputError(f"{who} was erased on request. Leave supersedes empty.")
        if not _same_voice(old[0], envelope):
            raise InputError(f"{who} is another author's or on another prompt. Leave supersedes empty.")

    def _add(self, pair: Pair) -> None:
        self._known[pair[0][0]] = pair
        if pair[0][_SUPERSEDES]:
            self._followers[pair[0][_SUPERSEDES]] = pair[0][0]
        self._fresh.append(pair)


def _extra(prompt: Row) -> tuple[Any, ...]:
    """Return what a prompt's id does not follow from and its first entry alone decides."""
    return tuple(prompt[index] for index in _EXTRA)


def _said(pair: Pair) -> tuple[Row, Row]:
    """Return a record without its id and without what it supersedes: the content that makes two submissions one."""
    return (*pair[0][1:_SUPERSEDES], *pair[0][_SUPERSEDES + 1 :]), pair[1]


def _same_voice(one: Row, other: Row) -> bool:
    """Return whether two envelopes are of one author on one prompt: only then one may take the other's place."""
    return bool(one[_AUTHOR] == other[_AUTHOR] and one[_PROMPT] == other[_PROMPT])


def _difference(old: Pair, new: Pair) -> str:
    names = (*ENVELOPE_COLUMNS, *WORDS_COLUMNS)
    different = [name for name, a, b in zip(names, old[0] + old[1], new[0] + new[1], strict=True) if a != b]
    return f"different: {', '.join(different)}"


# ----------------------------------------------------------------------------------------------------- bare statements


class Insert:
    """An INSERT of whole rows into some columns of a table: one `executemany`, which binds without SQLAlchemy."""

    def __init__(self, dialect: Dialect, table: Table, columns: Sequence[str]) -> None:
        names = ", ".join(dialect.identifier_preparer.quote(name) for name in columns)
        mark = "?" if dialect.name == "sqlite" else "%s"
        self._sql = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join([mark] * len(columns))})"

    def run(self, connection: Connection, rows: Iterable[Row]) -> None:
        """Insert the rows; none is fine."""
        listed = list(rows)
        if listed:
            connection.exec_driver_sql(self._sql, listed)
