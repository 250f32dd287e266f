"""Accounts, their sessions, invite links, tokens and consents; failed attempts to sign in; the audit log.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table; numbers and ids are given by the code, so no column counts by itself."""
    op.create_table(
        "accounts",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        _text("name", unique=True),
        *(_text(name) for name in ("role", "password", "language", "theme")),
        _time("created_ms"),
        _time("closed_ms", nullable=True),
    )
    op.create_table("sessions", _key("digest"), _account(), _time("created_ms"), _time("seen_ms"))
    op.create_table(
        "invites",
        _key("digest"),
        _text("role"),
        _account(nullable=True),
        sa.Column("made_by", NUMBER),
        _time("created_ms"),
        _time("expires_ms"),
        _time("used_ms", nullable=True),
    )
    op.create_table(
        "tokens",
        _key("id"),
        _text("digest", unique=True),
        _account(),
        _text("label"),
        _text("role"),
        _time("created_ms"),
        _time("expires_ms"),
        _time("revoked_ms", nullable=True),
    )
    op.create_table(
        "consents",
        sa.Column("account", NUMBER, sa.ForeignKey("accounts.number"), primary_key=True, autoincrement=False),
        _key("study"),
        _key("digest"),
        _text("text"),
        _time("given_ms"),
    )
    op.create_table("attempts", _key("id"), _text("account"), _text("address"), _time("time_ms"))
    for name in ("account", "address"):
        op.create_index(f"ix_attempts_{name}", "attempts", [name, "time_ms"])
    op.create_table(
        "audit",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        _time("time_ms"),
        sa.Column("actor", NUMBER),
        *(_text(name) for name in ("action", "subject", "details", "hash")),
    )


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=True)


def _text(name: str, *, unique: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, unique=unique)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _account(*, nullable: bool = False) -> sa.Column[int]:
    return sa.Column("account", NUMBER, sa.ForeignKey("accounts.number"), nullable=nullable, index=True)
