"""The tables of people who may use the studio and the gateway, and the log of what was done with that right.

Nothing here opens a door by itself: passwords, session keys, links and tokens stand as hashes. An account is known to
every other table by a random number, so that deleting its row leaves nothing in the log that leads to a person.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from burnish.store.schema import RowNumber, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("theme", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("account", RowNumber, ForeignKey("accounts.number"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
)

invites = Table(  # with an account: a link that sets a new password for it
    "invites",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("account", RowNumber, ForeignKey("accounts.number"), index=True),
    Column("made_by", RowNumber),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("account", RowNumber, ForeignKey("accounts.number"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

consents = Table(
    "consents",
    metadata,
    Column("account", RowNumber, ForeignKey("accounts.number"), primary_key=True, autoincrement=False),
    Column("study", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("given_ms", BigInteger, nullable=False),
)

attempts = Table(  # of signing in, those that failed or are being looked at
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Index("ix_attempts_account", "account", "time_ms"),
    Index("ix_attempts_address", "address", "time_ms"),
)

audit = Table(  # the actor's number is no foreign key: the log outlives the account
    "audit",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("actor", RowNumber),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
