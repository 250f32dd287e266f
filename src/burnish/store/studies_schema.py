"""The tables of studies: what is asked, of which items, who has which item now, and what was done, in order.

A study stands in versions and is never edited; an item points at prompts and completions of the ordinary tables, and
answers are ordinary feedback. What stands here besides is the bookkeeping that overlap, locks and quotas need: counts
that change in the same transaction as the answer they count (docs/decisions/007-assignment.md).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from burnish.store.schema import RowNumber, metadata

studies = Table(
    "studies",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("training", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

study_versions = Table(
    "study_versions",
    metadata,
    Column("study", RowNumber, ForeignKey("studies.seq"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("saved_ms", BigInteger, nullable=False),
    Column("saved_by", Text, nullable=False),
)

study_items = Table(  # places: people who may answer it, 0 for everybody; free: 1 while it may be given out
    "study_items",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("study", RowNumber, ForeignKey("studies.seq"), nullable=False),
    Column("id", Text, nullable=False),
    Column("prompt_id", Text, nullable=False),
    Column("completion_ids", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("expected", Text),
    Column("shuffle", Integer, nullable=False),
    Column("priority", Float, nullable=False),
    Column("places", Integer, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("flagged", Integer, nullable=False),
    Column("free", Integer, nullable=False),
    UniqueConstraint("study", "id", name="uq_study_items_id"),
    Index("ix_study_items_order", "study", "seq"),
    Index("ix_study_items_overlap", "study", "role", "free", "taken", "shuffle"),
    Index("ix_study_items_random", "study", "role", "free", "shuffle"),
    Index("ix_study_items_active", "study", "role", "free", "priority"),
)

assignments = Table(  # before: the state to which an undone one returns when its time runs out
    "assignments",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("study", RowNumber, ForeignKey("studies.seq"), nullable=False),
    Column("item", RowNumber, ForeignKey("study_items.seq"), nullable=False),
    Column("person", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("given_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("draft", Text, nullable=False),
    Column("answer_key", Text),
    Column("answer_digest", Text),
    Column("receipts", Text, nullable=False),
    UniqueConstraint("item", "person", name="uq_assignments_item_person"),
    Index("ix_assignments_due", "study", "state", "due_ms"),
    Index("ix_assignments_person", "person", "study", "state", "ended_ms"),
)

study_people = Table(  # one person's standing in one study
    "study_people",
    metadata,
    Column("study", RowNumber, ForeignKey("studies.seq"), primary_key=True, autoincrement=False),
    Column("person", Text, primary_key=True),
    Column("given", Integer, nullable=False),
    Column("anchors", Integer, nullable=False),
    Column("anchor_at", Integer, nullable=False),
    Column("gold", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("trained", Integer, nullable=False),
    Column("trained_right", Integer, nullable=False),
)

study_events = Table(  # append only: everything a person did, in order
    "study_events",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("study", RowNumber, ForeignKey("studies.seq"), nullable=False),
    Column("assignment", RowNumber, ForeignKey("assignments.seq")),
    Column("person", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Index("ix_study_events_assignment", "assignment", "seq"),
    Index("ix_study_events_person", "person", "study", "seq"),
)

drawings = Table(  # tried: prompts worked through; mark: a digest of the source and of these prompts
    "drawings",
    metadata,
    Column("study", RowNumber, ForeignKey("studies.seq"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("tried", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("study", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("stopped_ms", BigInteger),
)

deliveries = Table(  # what is to be told to a webhook, until it was
    "deliveries",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("webhook", Text, ForeignKey("webhooks.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_ms", BigInteger),
    Column("done_ms", BigInteger),
    Column("message", Text, nullable=False),
    Index("ix_deliveries_next", "next_ms"),
    Index("ix_deliveries_webhook", "webhook", "seq"),
)
