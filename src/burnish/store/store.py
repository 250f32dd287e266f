"""The store: where feedback goes in and comes out, and what was made of it is written down."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, get_args

from sqlalchemy import insert, select

from burnish.errors import InputError, nearest
from burnish.plain import sampling_from_plain, to_plain
from burnish.records import AuthorKind, Checkpoint, Completion, Feedback, Prompt, Signal, canonical_json
from burnish.store import erase, read, snapshots
from burnish.store.accounts import Accounts
from burnish.store.assignments import Assignments
from burnish.store.audit import Audit
from burnish.store.drawings import Drawings
from burnish.store.engine import WAIT_SECONDS, Database, chunks, connect
from burnish.store.entry import Entry, Erasure, OnDuplicate, Receipt, SnapshotInfo
from burnish.store.insert import Inserts, Outcome, Work
from burnish.store.migrate import migrate
from burnish.store.purge import purge_if_pending
from burnish.store.schema import checkpoints
from burnish.store.sessions import Sessions
from burnish.store.studies import Studies
from burnish.store.talks import Talks
from burnish.store.turns import Submissions, Turns
from burnish.store.validation import Checked, checked
from burnish.store.webhooks import Webhooks

DEFAULT_URL = "sqlite:///burnish.db"


def open_store(url: str = DEFAULT_URL, *, create: bool = True, wait_seconds: float = WAIT_SECONDS) -> Store:
    """Return the store at a SQLAlchemy URL: SQLite in a file, or PostgreSQL; its schema is brought up to date.

    `create` makes a missing SQLite file; `wait_seconds` bounds the wait for another process's writes.
    Raises `InputError` for what cannot be a store: a folder, another program's file, a damaged one, no permission, a
    newer schema, a SQLite library that could corrupt it; `UnreachableError` when a server does not answer.
    """
    database = connect(url, create=create, wait_seconds=wait_seconds)
    try:
        migrate(database)
        erase.finish_leaving(database)
        purge_if_pending(database)
    except BaseException:
        database.dispose()
        raise
    return Store(database)


class Store:
    """Append-only feedback with its prompts and completions, snapshots of signals, and checkpoints.

    May be shared by threads; several processes may open the same file or database, each its own `Store`. After a fork
    the child opens its own. Raises `BusyError` when another process keeps writing for longer than `wait_seconds`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inserts = Inserts(database.writers.dialect)
        self._submissions = Submissions(database, self._inserts)
        self.accounts = Accounts(database)
        self.sessions = Sessions(database)
        self.audit = Audit(database)
        self._turns = Turns(database)
        self.studies = Studies(database, self._turns)
        self.drawings = Drawings(database, self._turns)
        self.assignments = Assignments(database, self._turns, self._inserts)
        self.talks = Talks(database, self._turns)
        self.webhooks = Webhooks(database, self._turns)

    @property
    def url(self) -> str:
        """The store's URL without its password."""
        return self._database.shown

    def close(self) -> None:
        """Commit what waits and let go of the database; closing twice is fine."""
        self._submissions.close()
        self._turns.close()
        self._database.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ----------------------------------------------------------------------------------------------------- feedback in

    def submit(self, entry: Entry | Checked, *, on_duplicate: OnDuplicate = "error") -> tuple[Receipt, ...]:
        """Return one receipt for each feedback record of the entry, once all of it is durable.

        Many threads may submit at once; they share commits. An entry is stored whole or not at all. The same id with
        the same content is `known`, so sending again after a lost answer is safe. The same id with other content:
        "error" raises `InputError`, "skip" keeps the old, "replace" stores the new as a record that supersedes it, and
        takes back what came beside the old one in its line and comes no more.
        Raises `InputError` naming the field for an entry that is not valid.
        """
        outcome = self._submissions.submit(entry, _known_policy(on_duplicate))
        if isinstance(outcome, InputError):
            raise outcome
        return outcome

    def submit_many(
        self,
        entries: Iterable[Entry | Checked],
        *,
        on_duplicate: OnDuplicate = "error",
        batch: int = 500,
        all_or_nothing: bool = False,
        before_commit: Callable[[], None] | None = None,
    ) -> Iterator[Receipt]:
        """Yield a receipt for each feedback record, each once it is durable: for imports of any length.

        Nothing is stored until the receipts are drawn. Every `batch` entries are one short transaction, so that other
        processes get their turn. With "error" a clashing entry yields `conflict` and is not stored; the others are.
        An invalid entry raises `InputError` after those before it were stored; `check` them first to go on instead.
        `all_or_nothing` is one transaction: receipts come before it is committed and hold once the iterator has ended
        without an error. A clash yields `conflict` too, and at the end undoes everything and raises. Other writers
        wait meanwhile. `before_commit` is called when all is in; what it raises undoes everything.
        """
        works = (Work(checked(entry), _known_policy(on_duplicate)) for entry in entries)
        if all_or_nothing:
            return self._submit_whole(works, batch, before_commit)
        return self._submit_batches(works, batch)

    def _submit_batches(self, works: Iterator[Work], batch: int) -> Iterator[Receipt]:
        stopped: InputError | None = None
        while stopped is None:
            group: list[Work] = []
            try:
                for work in works:
                    group.append(work)
                    if len(group) == batch:
                        break
            except InputError as error:
                stopped = error
            if not group:
                break
            with self._database.writing() as connection:
                outcomes = self._inserts.store(connection, group)
            for work, outcome in zip(group, outcomes, strict=True):
                yield from _receipts(work, outcome)
        if stopped is not None:
            raise stopped

    def _submit_whole(
        self, works: Iterator[Work], batch: int, before_commit: Callable[[], None] | None
    ) -> Iterator[Receipt]:
        clash: InputError | None = None
        with self._database.writing() as connection:
            for group in chunks(works, batch):
                for work, outcome in zip(group, self._inserts.store(connection, group), strict=True):
                    if isinstance(outcome, InputError):
                        clash = clash or outcome
                    yield from _receipts(work, outcome)
            if before_commit is not None:
                before_commit()
            if clash is not None:
                raise clash

    # ---------------------------------------------------------------------------------------------------- feedback out

    def entries(
        self,
        *,
        kinds: Collection[str] | None = None,
        prompt_ids: Collection[str] | None = None,
        run: str | None = None,
        include_superseded: bool = False,
    ) -> Iterator[Entry]:
        """Yield one entry for each prompt with all its completions and feedback, oldest prompt first.

        All entries show one state of the store, whatever is written meanwhile. Erased words are left out, and so is
        feedback on an erased completion. With `kinds` or `run` (what feedback says it was given in), only prompts that
        have such feedback come, with that feedback.
        One prompt's records are in memory at a time: a corpus of raw texts (nothing asked) is one prompt.
        """
        return read.entries(
            self._database, kinds=kinds, prompt_ids=prompt_ids, run=run, include_superseded=include_superseded
        )

    def prompt(self, prompt_id: str) -> Prompt | None:
        """Return the prompt of this id, None when unknown."""
        with self._database.reading() as connection:
            return read.prompt(connection, prompt_id)

    def completion(self, completion_id: str) -> Completion | None:
        """Return the completion of this id, None when unknown or erased."""
        with self._database.reading() as connection:
            return read.completion(connection, completion_id)

    def texts(
        self, prompt_id: str, completion_ids: Sequence[str]
    ) -> tuple[Prompt | None, tuple[Completion | None, ...]]:
        """Return a prompt and completions of it in the order asked for; None for what is unknown or erased."""
        with self._database.reading() as connection:
            found = read.completions_named(connection, completion_ids)
            return read.prompt(connection, prompt_id), tuple(found.get(name) for name in completion_ids)

    def feedback(self, feedback_id: str) -> Feedback | None:
        """Return the feedback of this id, superseded or not; None when unknown or erased."""
        with self._database.reading() as connection:
            return read.feedback_record(connection, feedback_id)

    def authors(self, *, author_kind: AuthorKind = "human", only: str | None = None) -> Mapping[str, int]:
        """Return how many records each named author (or `only` one) has, superseded ones included: what erasing them
        would take."""
        with self._database.reading() as connection:
            return read.authors(connection, author_kind, only)

    def history(
        self, author_id: str, *, before: int | None = None, most: int = 50, kind: str | None = None
    ) -> list[tuple[int, Feedback]]:
        """Return what a person said and did not change since, newest first, each with its sequence number: pass the
        last one as `before` for those that came earlier."""
        with self._database.reading() as connection:
            return read.by_author(connection, author_id, before, most, kind)

    def stats(self) -> Mapping[str, Any]:
        """Return counts: records (current ones), people (named authors), anonymous, by_kind, superseded, erased,
        prompts, completions, snapshots, checkpoints."""
        with self._database.reading() as connection:
            return read.stats(connection)

    def answered_prompts(self, run: str | None = None) -> list[str]:
        """Return the ids of the prompts that answers of a run speak of, oldest first; of None those of any answer."""
        with self._database.reading() as connection:
            return read.answered_prompts(connection, run)

    def by_study(self) -> Mapping[str, tuple[int, int, str]]:
        """Return the records, people and time of the last answer of each study that answers were given in."""
        with self._database.reading() as connection:
            return read.by_study(connection)

    def revision(self) -> str:
        """Return a text that is another one whenever feedback came, was erased, or was made into something."""
        with self._database.reading() as connection:
            return read.revision(connection)

    # --------------------------------------------------------------------------------------------------------- lineage

    def save_snapshot(self, signals: Sequence[Signal]) -> str:
        """Return the hash that names these signals in their order; saving the same again changes nothing."""
        return snapshots.save(self._database, signals)

    def load_snapshot(self, snapshot: str, *, allow_lost: bool = False) -> list[Signal]:
        """Return the signals of a snapshot, equal to those that were saved.

        Raises `LostSignalsError` naming the erased records when it is no longer whole, unless `allow_lost` asks for
        what is left; `DamagedFileError` when it does not rebuild to its hash.
        """
        return snapshots.load(self._database, snapshot, allow_lost=allow_lost)

    def snapshots(self) -> list[SnapshotInfo]:
        """Return what is known of each snapshot, oldest first."""
        with self._database.reading() as connection:
            return snapshots.listing(connection)

    def behind_snapshot(self, snapshot: str) -> Mapping[tuple[str, str], int]:
        """Return how many feedback records of each (run, author) a snapshot was made from; erased authors count on."""
        with self._database.reading() as connection:
            return snapshots.behind(connection, snapshot)

    def record_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write down how a checkpoint came to be; the last record of an id counts (a folder may have moved)."""
        if not checkpoint.id:
            raise InputError("checkpoint: id: empty. Publish the checkpoint first, which sets it.")
        try:
            body = canonical_json(to_plain(checkpoint))
        except (TypeError, ValueError) as error:
            raise InputError(f"checkpoint {checkpoint.id!r}: cannot be written as JSON ({error}).") from None
        with self._database.writing() as connection:
            seqs = select(checkpoints.c.seq).order_by(checkpoints.c.seq.desc()).limit(1)
            last = select(checkpoints.c.body).where(checkpoints.c.id == checkpoint.id)
            if connection.execute(last.order_by(checkpoints.c.seq.desc()).limit(1)).scalar() == body:
                return
            row = {"id": checkpoint.id, "parent": checkpoint.parent, "snapshot": checkpoint.snapshot, "body": body}
            connection.execute(insert(checkpoints), {"seq": (connection.execute(seqs).scalar() or 0) + 1, **row})

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints in the order in which they were first recorded."""
        with self._database.reading() as connection:
            rows = connection.execute(select(checkpoints.c.id, checkpoints.c.body).order_by(checkpoints.c.seq))
            newest = {row[0]: row[1] for row in rows}
        return [_checkpoint(json.loads(body)) for body in newest.values()]

    # --------------------------------------------------------------------------------------------------------- erasing

    def erase_author(self, author_id: str, *, author_kind: AuthorKind = "human") -> Erasure:
        """Erase all that an author said and wrote, and return what that touches; tombstones stay.

        The words leave the rows at once and the file's bytes before this returns, unless another process is reading
        an older state (`Erasure.purged`). Models are not changed: their ids are returned.
        """
        return erase.erase_author(self._database, author_id, author_kind)

    def erase(self, feedback_id: str) -> Erasure:
        """Erase one record with its earlier and later versions and what came beside it in its line (`r1/comment` of
        `r1`); as `erase_author` otherwise."""
        return erase.erase_record(self._database, feedback_id)


def _known_policy(on_duplicate: OnDuplicate) -> OnDuplicate:
    if on_duplicate not in get_args(OnDuplicate):
        raise InputError(f"on_duplicate: {on_duplicate!r} is unknown.{nearest(on_duplicate, get_args(OnDuplicate))}")
    return on_duplicate


def _receipts(work: Work, outcome: Outcome) -> Iterator[Receipt]:
    if isinstance(outcome, InputError):
        yield from (Receipt(envelope[0], "conflict", str(outcome)) for envelope, _ in work.checked.feedback)
    else:
        yield from outcome


def _checkpoint(plain: dict[str, Any]) -> Checkpoint:
    values = dict(plain)
    with contextlib.suppress(KeyError):
        values["sampling"] = sampling_from_plain(plain["sampling"])
    if "sources" in values:
        values["sources"] = tuple(values["sources"])
    return Checkpoint(**values)
