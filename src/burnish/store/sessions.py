"""Keys that speak for an account: sessions of a browser, tokens of a program. Only hashes of them are stored.

Both are looked up on every request, so that a key that was taken back is refused from the next request on.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, replace

from sqlalchemy import delete, insert, select, update

from burnish.errors import BusyError, InputError
from burnish.store import audit
from burnish.store.accounts import (
    ROLES,
    Account,
    Role,
    account_of,
    by_number,
    checked_role,
    digest,
    need_password,
    new_key,
)
from burnish.store.accounts_schema import accounts, attempts, sessions, tokens
from burnish.store.engine import Database

TOKEN_MARK = "burnish_"
"""How a token begins, so that scanners for leaked secrets can tell one."""
LONGEST_SESSION_MS = 7 * 24 * 3600 * 1000
"""However much it is used, a session ends then."""
_SEEN_EVERY_MS = 60_000  # noting each request would make every read of a page a write
_SEEN_WAIT_SECONDS = 0.05  # while an import of minutes has the turn, pages are read all the same; the next one notes it


@dataclass(frozen=True, slots=True)
class Token:
    """A key for programs, without the key: that is shown once, when it is made."""

    id: str
    label: str
    role: Role
    """What it may do at most; never more than its account may."""
    created_ms: int
    expires_ms: int
    revoked_ms: int | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Whether a sign-in may be tried."""

    id: str = ""
    wait_ms: int = 0
    """0 for go ahead; otherwise how long until the next try is allowed."""


class Sessions:
    """The keys of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --------------------------------------------------------------------------------------------------------- browsers

    def start(self, number: int, *, now_ms: int, replaces: str = "", password: str | None = None) -> str:
        """Return the key of a new session; the one it replaces, if any, ends.

        `password` is the hash that opened the door. Raises PasswordChangedError when it does so no more: looking at a
        password takes a second in a crowd, and a session begun after it was changed would outlive the change.
        """
        key = new_key()
        with self._database.writing() as connection:
            if password is not None:
                need_password(connection, number, password)
            too_old = sessions.c.created_ms <= now_ms - LONGEST_SESSION_MS
            connection.execute(delete(sessions).where((sessions.c.digest == digest(replaces)) | too_old))
            row = {"digest": digest(key), "account": number, "created_ms": now_ms, "seen_ms": now_ms}
            connection.execute(insert(sessions), row)
            audit.append(connection, now_ms, number, "sign_in")
        return key

    def account(self, key: str, *, now_ms: int, idle_ms: int) -> Account | None:
        """Return whose session it is; None when it ended, was not used for `idle_ms`, or the account is closed."""
        query = select(accounts, sessions.c.seen_ms).join_from(sessions, accounts)
        lives = (
            (sessions.c.digest == digest(key))
            & (sessions.c.seen_ms > now_ms - idle_ms)
            & (sessions.c.created_ms > now_ms - LONGEST_SESSION_MS)
            & accounts.c.closed_ms.is_(None)
        )
        with self._database.reading() as connection:
            row = connection.execute(query.where(lives)).first()
        if row is None:
            return None
        if row.seen_ms < now_ms - _SEEN_EVERY_MS:
            with contextlib.suppress(BusyError), self._database.writing(_SEEN_WAIT_SECONDS) as connection:
                connection.execute(update(sessions).where(sessions.c.digest == digest(key)).values(seen_ms=now_ms))
        return account_of(row)

    def end(self, key: str, *, now_ms: int) -> None:
        """End a session."""
        with self._database.writing() as connection:
            mine = sessions.c.digest == digest(key)
            number = connection.execute(select(sessions.c.account).where(mine)).scalar()
            if number is not None:
                connection.execute(delete(sessions).where(mine))
                audit.append(connection, now_ms, number, "sign_out")

    # --------------------------------------------------------------------------------------------------------- programs

    def make_token(self, account: Account, label: str, role: str, *, now_ms: int, lasts_ms: int) -> str:
        """Return the key of a new token. Raises `InputError` when it should do more than its account may by now."""
        wanted = checked_role(role)
        if lasts_ms <= 0:
            raise InputError(f"token: it would last {lasts_ms} ms. Give it a time to live.")
        key = TOKEN_MARK + new_key()
        row = {"id": secrets.token_hex(4), "digest": digest(key), "account": account.number, "label": label[:80]}
        times = {"created_ms": now_ms, "expires_ms": now_ms + lasts_ms, "revoked_ms": None}
        with self._database.writing() as connection:
            now = by_number(connection, account.number)
            if now is None or now.closed_ms is not None:
                raise InputError("token: the account was closed or deleted.")
            if ROLES.index(wanted) > ROLES.index(now.role):
                raise InputError(f"token: role {role!r} is more than the account's ({now.role}). Choose at most that.")
            connection.execute(insert(tokens), {**row, "role": role, **times})
            audit.append(connection, now_ms, account.number, "token", f"token:{row['id']}", role=role)
        return key

    def token_account(self, key: str, *, now_ms: int) -> Account | None:
        """Return for whom a token speaks, with the role that it may use; None when it works no more."""
        lives = (
            (tokens.c.digest == digest(key))
            & tokens.c.revoked_ms.is_(None)
            & (tokens.c.expires_ms > now_ms)
            & accounts.c.closed_ms.is_(None)
        )
        query = select(accounts, tokens.c.role.label("scope")).join_from(tokens, accounts).where(lives)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return replace(account_of(row), role=min((row.role, row.scope), key=ROLES.index))

    def tokens(self, number: int) -> list[Token]:
        """Return an account's tokens, newest first."""
        query = select(tokens).where(tokens.c.account == number).order_by(tokens.c.created_ms.desc())
        with self._database.reading() as connection:
            return [
                Token(row.id, row.label, row.role, row.created_ms, row.expires_ms, row.revoked_ms)
                for row in connection.execute(query)
            ]

    def revoke(self, number: int, token_id: str, *, now_ms: int) -> bool:
        """Take back an account's token; False when it has none of this id."""
        with self._database.writing() as connection:
            mine = (tokens.c.id == token_id) & (tokens.c.account == number) & tokens.c.revoked_ms.is_(None)
            done = connection.execute(update(tokens).where(mine).values(revoked_ms=now_ms)).rowcount == 1
            if done:
                audit.append(connection, now_ms, number, "revoke", f"token:{token_id}")
        return done

    # ------------------------------------------------------------------------------------------------------ brute force

    def attempt(self, name: str, address: str, *, now_ms: int, most: int, within_ms: int) -> Attempt:
        """Return whether this name and this address may try a password now, and count the try as failed for the time.

        Counting before looking makes the limit exact however many tries come at once; `succeeded` takes it back. A
        name is counted whether or not somebody has it, so that the answer does not tell.
        """
        who = {"account": digest(name), "address": digest(address)}
        attempt_id = secrets.token_hex(16)
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.time_ms <= now_ms - within_ms))
            for column in (attempts.c.account, attempts.c.address):
                query = select(attempts.c.time_ms).where(column == who[column.name])
                times = connection.execute(query.order_by(attempts.c.time_ms.desc()).limit(most)).scalars().all()
                if len(times) == most:
                    return Attempt(wait_ms=times[-1] + within_ms - now_ms)
                if len(times) == most - 1:
                    audit.append(connection, now_ms, None, "last_attempt", by=column.name)
            connection.execute(insert(attempts), {"id": attempt_id, **who, "time_ms": now_ms})
        return Attempt(attempt_id)

    def succeeded(self, attempt: Attempt) -> None:
        """Take back the count of a try that was right; earlier failures keep counting until their time is over."""
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(attempts.c.id == attempt.id))
