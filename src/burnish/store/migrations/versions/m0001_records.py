"""The first schema: prompts, completions, feedback and its words, snapshots, checkpoints.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table; sequence numbers are given by the writer, so no column counts by itself."""
    op.create_table(
        "prompts",
        _seq(),
        _text("id", unique=True),
        _text("messages"),
        _text("reference", nullable=True),
        _text("metadata"),
        _text("source"),
        _text("split"),
    )
    op.create_table(
        "completions",
        _seq(),
        _text("id", unique=True),
        sa.Column("prompt", SEQUENCE, sa.ForeignKey("prompts.seq"), nullable=False, index=True),
        _text("text"),
        _text("token_ids", nullable=True),
        _text("logprobs", nullable=True),
        _text("checkpoint_id", nullable=True),
        _text("model", nullable=True),
        _text("sampling", nullable=True),
        _text("finish_reason"),
        _text("run"),
        _integer("round"),
        _integer("index"),
        sa.Column("erased_ms", sa.BigInteger()),
    )
    op.create_table(
        "feedback",
        _seq(),
        _text("id", unique=True),
        _text("kind"),
        sa.Column("prompt", SEQUENCE, sa.ForeignKey("prompts.seq"), nullable=False, index=True),
        _text("completion_ids"),
        _text("author_id"),
        _text("author_kind"),
        _text("aspect"),
        _text("time"),
        _text("supersedes", nullable=True),
        _text("source"),
        _text("run"),
        _integer("round"),
        sa.Column("stored_ms", sa.BigInteger(), nullable=False),
        sa.Column("erased_ms", sa.BigInteger()),
    )
    changes = sa.text("supersedes IS NOT NULL")
    op.create_index(
        "ix_feedback_supersedes", "feedback", ["supersedes"], sqlite_where=changes, postgresql_where=changes
    )
    op.create_table(
        "words",
        _seq("seq", sa.ForeignKey("feedback.seq")),
        _text("value"),
        _text("comment"),
        sa.Column("seconds_spent", sa.Float()),
        _text("exposure"),
        _text("consent"),
        _text("metadata"),
    )
    _create_snapshots()
    op.create_table(
        "checkpoints",
        _seq(),
        _text("id", index=True),
        _text("parent"),
        _text("snapshot"),
        _text("body"),
    )
    op.create_table("state", sa.Column("key", sa.Text(), primary_key=True), _text("value"))


def _create_snapshots() -> None:
    op.create_table(
        "snapshots",
        _seq(),
        _text("hash", unique=True),
        _integer("signals"),
        _integer("feedback"),
        _integer("lost"),
        sa.Column("saved_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "snapshot_texts",
        _seq(),
        _text("digest", unique=True),
        _text("record_id", index=True),
        _text("body"),
    )
    op.create_table(
        "snapshot_signals",
        _seq("snapshot", sa.ForeignKey("snapshots.seq")),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        _text("body", nullable=True),
    )
    op.create_table(
        "snapshot_feedback",
        _seq("snapshot", sa.ForeignKey("snapshots.seq")),
        sa.Column("ordinal", sa.Integer(), primary_key=True, autoincrement=False),
        _text("feedback_id"),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("digest", sa.LargeBinary()),
    )


def _seq(name: str = "seq", *constraints: sa.ForeignKey) -> sa.Column[int]:
    return sa.Column(name, SEQUENCE, *constraints, primary_key=True, autoincrement=False)


def _text(
    name: str, *constraints: sa.ForeignKey, nullable: bool = False, unique: bool = False, index: bool = False
) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), *constraints, nullable=nullable, unique=unique, index=index)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)
