"""The tables, as SQLAlchemy Core knows them. `migrations/` builds them; a test holds the two together.

Sequence numbers are given by the writer inside its transaction, so they are the order of commits on every engine.
Rows point at their prompt by number: new rows then go to the right edge of that index, where a text id would touch a
page at random (docs/decisions/001-store.md).
What people said stands in `words`, apart from its envelope in `feedback`: erasing deletes there and leaves a tombstone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData()

RowNumber = BigInteger().with_variant(Integer, "sqlite")  # SQLite's row id must be spelt INTEGER

prompts = Table(
    "prompts",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("messages", Text, nullable=False),
    Column("reference", Text),
    Column("metadata", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("split", Text, nullable=False),
)

completions = Table(
    "completions",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("prompt", RowNumber, ForeignKey("prompts.seq"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("token_ids", Text),
    Column("logprobs", Text),
    Column("checkpoint_id", Text),
    Column("model", Text),
    Column("sampling", Text),
    Column("finish_reason", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("index", Integer, nullable=False),
    Column("erased_ms", BigInteger),
)

feedback = Table(
    "feedback",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("prompt", RowNumber, ForeignKey("prompts.seq"), nullable=False, index=True),
    Column("completion_ids", Text, nullable=False),
    Column("author_id", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("aspect", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("supersedes", Text),
    Column("source", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("stored_ms", BigInteger, nullable=False),
    Column("erased_ms", BigInteger),
    Index(
        "ix_feedback_supersedes",
        "supersedes",
        sqlite_where=text("supersedes IS NOT NULL"),
        postgresql_where=text("supersedes IS NOT NULL"),
    ),
)

words = Table(
    "words",
    metadata,
    Column("seq", RowNumber, ForeignKey("feedback.seq"), primary_key=True, autoincrement=False),
    Column("value", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("seconds_spent", Float),
    Column("exposure", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("metadata", Text, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("signals", Integer, nullable=False),
    Column("feedback", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("saved_ms", BigInteger, nullable=False),
)

snapshot_texts = Table(  # prompts and completions exactly as the signals held them, shared by all snapshots
    "snapshot_texts",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("record_id", Text, nullable=False, index=True),
    Column("body", Text, nullable=False),
)

snapshot_signals = Table(  # a null body is a signal that an erasure took
    "snapshot_signals",
    metadata,
    Column("snapshot", RowNumber, ForeignKey("snapshots.seq"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("body", Text),
)

snapshot_feedback = Table(  # a null salt is an erased record: its digest can no longer be guessed back
    "snapshot_feedback",
    metadata,
    Column("snapshot", RowNumber, ForeignKey("snapshots.seq"), primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("feedback_id", Text, nullable=False),
    Column("salt", LargeBinary),
    Column("digest", LargeBinary),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, index=True),
    Column("parent", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("body", Text, nullable=False),
)

state = Table(
    "state",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

PROMPT_COLUMNS = ("id", "messages", "reference", "metadata", "source", "split")
COMPLETION_COLUMNS = (
    "id", "prompt", "text", "token_ids", "logprobs", "checkpoint_id", "model", "sampling", "finish_reason", "run",
    "round", "index",
)  # fmt: skip
ENVELOPE_COLUMNS = (
    "id", "kind", "prompt", "completion_ids", "author_id", "author_kind", "aspect", "time", "supersedes", "source",
    "run", "round",
)  # fmt: skip
WORDS_COLUMNS = ("value", "comment", "seconds_spent", "exposure", "consent", "metadata")


def row_of(table: Table) -> list[ColumnElement[Any]]:
    """Return what makes up a record's row, the prompt by its id: join `prompts` (and, for feedback, `words`)."""
    names = {"prompts": PROMPT_COLUMNS, "completions": COMPLETION_COLUMNS, "feedback": ENVELOPE_COLUMNS}
    found: list[ColumnElement[Any]] = [
        prompts.c.id if name == "prompt" else table.c[name] for name in names[table.name]
    ]
    return found + [words.c[name] for name in WORDS_COLUMNS] if table is feedback else found
