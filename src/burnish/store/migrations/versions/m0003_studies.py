"""Studies with their versions, items, assignments and events; webhooks and what is still to be told to them.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table; numbers and ids are given by the code, so no column counts by itself."""
    _create_studies()
    _create_items()
    _create_work()
    _create_webhooks()


def _create_studies() -> None:
    op.create_table(
        "studies",
        _seq(),
        _text("name", unique=True),
        _text("state"),
        *(_whole(name) for name in ("version", "items", "training", "answers")),
        _time("created_ms"),
    )
    op.create_table(
        "study_versions",
        _study(primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        _text("body"),
        _time("saved_ms"),
        _text("saved_by"),
    )


def _create_items() -> None:
    op.create_table(
        "study_items",
        _seq(),
        _study(),
        *(_text(name) for name in ("id", "prompt_id", "completion_ids", "role")),
        sa.Column("expected", sa.Text()),
        _whole("shuffle"),
        sa.Column("priority", sa.Float(), nullable=False),
        *(_whole(name) for name in ("places", "taken", "answered", "skipped", "flagged", "free")),
        sa.UniqueConstraint("study", "id", name="uq_study_items_id"),
    )
    wanted = ["study", "role", "free"]
    op.create_index("ix_study_items_overlap", "study_items", [*wanted, "taken", "shuffle"])
    op.create_index("ix_study_items_random", "study_items", [*wanted, "shuffle"])
    op.create_index("ix_study_items_active", "study_items", [*wanted, "priority"])


def _create_work() -> None:
    op.create_table(
        "assignments",
        _seq(),
        _text("id", unique=True),
        _study(),
        sa.Column("item", NUMBER, sa.ForeignKey("study_items.seq"), nullable=False),
        _text("person"),
        _whole("version"),
        *(_text(name) for name in ("state", "before", "shown")),
        _whole("round"),
        _time("given_ms"),
        _time("due_ms"),
        _time("ended_ms", nullable=True),
        _text("draft"),
        sa.Column("answer_key", sa.Text()),
        sa.Column("answer_digest", sa.Text()),
        _text("receipts"),
        sa.UniqueConstraint("item", "person", name="uq_assignments_item_person"),
    )
    op.create_index("ix_assignments_due", "assignments", ["study", "state", "due_ms"])
    op.create_index("ix_assignments_person", "assignments", ["person", "study", "state", "ended_ms"])
    counts = ("given", "anchors", "anchor_at", "gold", "answered", "skipped", "trained", "trained_right")
    op.create_table(
        "study_people",
        _study(primary_key=True),
        sa.Column("person", sa.Text(), primary_key=True),
        *(_whole(name) for name in counts),
    )
    op.create_table(
        "study_events",
        _seq(),
        _study(),
        sa.Column("assignment", NUMBER, sa.ForeignKey("assignments.seq")),
        *(_text(name) for name in ("person", "kind", "body")),
        _time("time_ms"),
    )
    op.create_index("ix_study_events_assignment", "study_events", ["assignment", "seq"])
    op.create_index("ix_study_events_person", "study_events", ["person", "study", "seq"])


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), primary_key=True),
        *(_text(name) for name in ("study", "url", "secret", "events", "made_by")),
        _time("created_ms"),
        _time("stopped_ms", nullable=True),
    )
    op.create_table(
        "deliveries",
        _seq(),
        sa.Column("webhook", sa.Text(), sa.ForeignKey("webhooks.id"), nullable=False),
        _text("event"),
        _text("body"),
        _whole("tries"),
        _time("next_ms", nullable=True),
        _time("done_ms", nullable=True),
        _text("message"),
    )
    op.create_index("ix_deliveries_next", "deliveries", ["next_ms"])
    op.create_index("ix_deliveries_webhook", "deliveries", ["webhook", "seq"])


def _seq() -> sa.Column[int]:
    return sa.Column("seq", NUMBER, primary_key=True, autoincrement=False)


def _study(*, primary_key: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey("studies.seq")
    return sa.Column("study", NUMBER, key, primary_key=primary_key, nullable=False, autoincrement=False)


def _text(name: str, *, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, unique=unique)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
