"""The tables of conversations in the playground: whose, with which models, and each turn as it was said.

A conversation is its person's alone and goes with them; what they said about it is ordinary feedback.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from burnish.store.schema import RowNumber, metadata

talks = Table(
    "talks",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("person", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_talks_person", "person", "seq"),
)

talk_turns = Table(
    "talk_turns",
    metadata,
    Column("talk", RowNumber, ForeignKey("talks.seq"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)
