"""People who may use the studio and the gateway: their accounts, the links that invite them, what they agreed to.

Whatever changes a right also ends the sessions that were opened under the old one, and writes the audit log, all in
one transaction. Passwords come in hashed and go out hashed: how, is the studio's business.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from burnish.errors import InputError, nearest
from burnish.store import audit
from burnish.store.accounts_schema import accounts, attempts, consents, invites, sessions, tokens
from burnish.store.engine import Database
from burnish.store.erase import note_leaving
from burnish.store.purge import note_purge
from burnish.store.schema import feedback

Role: TypeAlias = Literal["annotator", "reviewer", "owner"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Rising: each may do all that those before it may."""
LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in."""

    number: int
    """Random and never used again; other tables and the log know the person by it."""
    name: str
    """Stands as the author of their feedback; unique, never changed."""
    role: Role
    language: str
    theme: str
    created_ms: int
    closed_ms: int | None
    has_password: bool


@dataclass(frozen=True, slots=True)
class Invite:
    """What a link offers: a new account of a role, or, with an account, a new password for that one."""

    role: Role
    account: Account | None
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to before working on a study, word for word."""

    study: str
    text: str
    given_ms: int


class NameTakenError(InputError):
    """The name stands for somebody already."""


class PasswordChangedError(InputError):
    """The password that was looked at is not the account's any more, or the account was closed or deleted."""


class LastOwnerError(InputError):
    """Nobody would be left who may manage the studio."""


def digest(key: str) -> str:
    """Return what is stored of a key. Keys hold 256 random bits, so that a plain hash cannot be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """Return 256 random bits as text that fits a link, a cookie or a header."""
    return secrets.token_urlsafe(32)


def plain_name(name: str) -> str:
    """Return the form in which names are compared: "Ana " and "ana" are one person."""
    return unicodedata.normalize("NFKC", name).strip().lower()


def checked_name(name: str) -> str:
    """Return a name that may stand for a person. Raises `InputError` saying what a name is."""
    plain = plain_name(name)
    usual = all(each.isalnum() or each in "._-" for each in plain)
    if not plain or len(plain) > LONGEST_NAME or not usual or not plain[0].isalnum():
        raise InputError(
            f"name: {name[:60]!r} cannot be one. Use 1 to {LONGEST_NAME} letters, digits, dots, hyphens and "
            "underscores, beginning with a letter or digit."
        )
    return plain


def checked_role(role: str) -> Role:
    """Return a known role. Raises `InputError` for any other."""
    for each in ROLES:
        if each == role:
            return each
    raise InputError(f"role: {role!r} is unknown.{nearest(role, ROLES)}")


class Accounts:
    """The accounts of one store. `actor` is the number of whoever does it, None for the program itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ----------------------------------------------------------------------------------------------------- who there is

    def listing(self) -> list[Account]:
        """Return every account, by name."""
        with self._database.reading() as connection:
            return [account_of(row) for row in connection.execute(select(accounts).order_by(accounts.c.name))]

    def by_name(self, name: str) -> Account | None:
        """Return the account of a name, written in whichever case."""
        with self._database.reading() as connection:
            row = connection.execute(select(accounts).where(accounts.c.name == plain_name(name))).first()
        return account_of(row) if row else None

    def by_number(self, number: int) -> Account | None:
        """Return the account of a number, None when it was deleted."""
        with self._database.reading() as connection:
            return by_number(connection, number)

    def password_of(self, number: int) -> str:
        """Return the hash of an account's password, empty when it has none."""
        with self._database.reading() as connection:
            query = select(accounts.c.password).where(accounts.c.number == number)
            return str(connection.execute(query).scalar() or "")

    def has_owner(self) -> bool:
        """Return whether somebody can sign in as an owner."""
        with self._database.reading() as connection:
            return bool(connection.execute(_working_owners()).scalars().all())

    # ----------------------------------------------------------------------------------------------------- what changes

    def add(self, name: str, role: str, *, now_ms: int, actor: int | None = None, password: str = "") -> Account:
        """Return a new account; without a password, a link (`invite`) lets the person choose one.

        Raises `InputError` for a name or role that cannot be, `NameTakenError` when an account has the name.
        """
        with self._database.writing() as connection:
            return _add(connection, name, role, password, now_ms, actor)

    def set_role(self, number: int, role: str, *, now_ms: int, actor: int | None = None) -> None:
        """Give another role; whoever is signed in under the old one must sign in again, their tokens are revoked."""
        with self._database.writing() as connection:
            was = _existing(connection, number)
            if was.role == checked_role(role):
                return
            connection.execute(update(accounts).where(accounts.c.number == number).values(role=role))
            _keep_an_owner(connection, was)
            _end_rights(connection, number, now_ms)
            audit.append(connection, now_ms, actor, "role", f"account:{number}", was=was.role, now=role)

    def set_password(
        self, number: int, password: str, *, now_ms: int, actor: int | None = None, was: str | None = None
    ) -> None:
        """Store the hash of a new password; every session of the account ends.

        Raises PasswordChangedError unless `was`, where given, is still the hash of the old one.
        """
        with self._database.writing() as connection:
            _existing(connection, number)
            if was is not None:
                need_password(connection, number, was)
            _set_password(connection, number, password, now_ms, actor)

    def rehash(self, number: int, was: str, password: str) -> None:
        """Store the same password under a costlier hash, unless it was changed meanwhile; sessions stay."""
        with self._database.writing() as connection:
            same = (accounts.c.number == number) & (accounts.c.password == was)
            connection.execute(update(accounts).where(same).values(password=password))

    def set_look(self, number: int, *, language: str, theme: str) -> None:
        """Remember how somebody wants the pages."""
        with self._database.writing() as connection:
            change = update(accounts).where(accounts.c.number == number)
            connection.execute(change.values(language=language, theme=theme))

    def set_closed(self, number: int, closed: bool, *, now_ms: int, actor: int | None = None) -> None:
        """Close an account, which keeps its answers and opens no door any more, or open it again."""
        with self._database.writing() as connection:
            was = _existing(connection, number)
            if (was.closed_ms is not None) == closed:
                return
            change = update(accounts).where(accounts.c.number == number)
            connection.execute(change.values(closed_ms=now_ms if closed else None))
            _keep_an_owner(connection, was)
            _end_rights(connection, number, now_ms)
            audit.append(connection, now_ms, actor, "close" if closed else "reopen", f"account:{number}")

    def delete(self, number: int, *, now_ms: int, actor: int | None = None, leaving: bool = False) -> None:
        """Delete an account with its sessions, links, tokens and consents; the log keeps its number only.

        What they said is erased by `Store.erase_author`, which takes the account's bytes along; with `leaving`, the
        next who opens the store does so if nobody has by then.
        Raises `LastOwnerError` for the only owner.
        """
        with self._database.writing() as connection:
            was = _existing(connection, number)
            for table in (sessions, invites, tokens, consents):
                connection.execute(delete(table).where(table.c.account == number))
            _withdraw_invites(connection, number)
            connection.execute(delete(accounts).where(accounts.c.number == number))
            connection.execute(delete(attempts).where(attempts.c.account == digest(was.name)))
            note_purge(connection)
            if leaving:
                note_leaving(connection, was.name)
            _keep_an_owner(connection, was)
            audit.append(connection, now_ms, actor, "delete", f"account:{number}")

    # ------------------------------------------------------------------------------------------------------------ links

    def invite(
        self, role: str, *, now_ms: int, lasts_ms: int, account: int | None = None, actor: int | None = None
    ) -> str:
        """Return the key of a link that works once: for a new account, or for a new password of an account."""
        key = new_key()
        row = {"digest": digest(key), "role": checked_role(role), "account": account, "made_by": actor}
        with self._database.writing() as connection:
            if account is not None:
                row["role"] = _existing(connection, account).role
                connection.execute(delete(invites).where(invites.c.account == account))  # one link an account
            times = {"created_ms": now_ms, "expires_ms": now_ms + lasts_ms, "used_ms": None}
            connection.execute(insert(invites), {**row, **times})
            subject = f"account:{account}" if account is not None else ""
            audit.append(connection, now_ms, actor, "invite", subject, role=row["role"])
        return key

    def owner_invite(self, *, now_ms: int, lasts_ms: int) -> str:
        """Return the key of the one link that makes an owner without one having asked: earlier ones stop working."""
        with self._database.writing() as connection:
            mine = (invites.c.made_by.is_(None)) & (invites.c.account.is_(None)) & (invites.c.role == "owner")
            connection.execute(delete(invites).where(mine & invites.c.used_ms.is_(None)))
        return self.invite("owner", now_ms=now_ms, lasts_ms=lasts_ms)

    def invited(self, key: str, *, now_ms: int) -> Invite | None:
        """Return what a link offers; None for one that is unknown, used or too old, which look the same."""
        with self._database.reading() as connection:
            return _invited(connection, key, now_ms)

    def accept(self, key: str, name: str, password: str, *, now_ms: int) -> Account | None:
        """Return the account that a link made or gave a new password; None when it works no more.

        Of several who use it at once exactly one gets it. A new account's name must be nobody's: an author whose
        feedback came by file keeps their name until an owner gives it away. Raises as `add` does.
        """
        with self._database.writing() as connection:
            offer = _invited(connection, key, now_ms)
            if offer is None:
                return None
            connection.execute(update(invites).where(invites.c.digest == digest(key)).values(used_ms=now_ms))
            if offer.account is not None:
                _set_password(connection, offer.account.number, password, now_ms, offer.account.number)
                return _existing(connection, offer.account.number)
            _refuse_known_author(connection, checked_name(name))
            return _add(connection, name, offer.role, password, now_ms, None)

    # --------------------------------------------------------------------------------------------------------- consents

    def consent(self, number: int, study: str, text: str, *, now_ms: int) -> None:
        """Write down that a person agreed to these words; agreeing again changes nothing."""
        row = {"account": number, "study": study, "digest": digest(text), "text": text, "given_ms": now_ms}
        with self._database.writing() as connection:
            if not _agreed(connection, number, study, text):
                connection.execute(insert(consents), row)
                audit.append(connection, now_ms, number, "consent", f"study:{study}", text=row["digest"])

    def agreed(self, number: int, study: str, text: str) -> bool:
        """Return whether a person agreed to exactly these words."""
        with self._database.reading() as connection:
            return _agreed(connection, number, study, text)

    def consents(self, number: int) -> list[Consent]:
        """Return what a person agreed to, oldest first."""
        query = select(consents).where(consents.c.account == number).order_by(consents.c.given_ms)
        with self._database.reading() as connection:
            return [Consent(row.study, row.text, row.given_ms) for row in connection.execute(query)]


def account_of(row: Row[Any]) -> Account:
    """Return the account that a row of its table says."""
    return Account(
        row.number,
        row.name,
        row.role,
        row.language,
        row.theme,
        row.created_ms,
        row.closed_ms,
        has_password=bool(row.password),
    )


def by_number(connection: Connection, number: int) -> Account | None:
    """Return the account of a number inside the caller's transaction."""
    row = connection.execute(select(accounts).where(accounts.c.number == number)).first()
    return account_of(row) if row else None


def _existing(connection: Connection, number: int) -> Account:
    found = by_number(connection, number)
    if found is None:
        raise InputError(f"account: number {number} is not in this store. Load the page again.")
    return found


def _add(connection: Connection, name: str, role: str, password: str, now_ms: int, actor: int | None) -> Account:
    name, role = checked_name(name), checked_role(role)
    if connection.execute(select(accounts.c.number).where(accounts.c.name == name)).first():
        raise NameTakenError(f"name: {name!r} is taken. Choose another.")
    number = secrets.randbits(62)
    row = {"number": number, "name": name, "role": role, "password": password, "language": "", "theme": ""}
    connection.execute(insert(accounts), {**row, "created_ms": now_ms, "closed_ms": None})
    audit.append(connection, now_ms, actor, "account", f"account:{number}", role=role)
    return _existing(connection, number)


def _refuse_known_author(connection: Connection, name: str) -> None:
    theirs = (func.lower(feedback.c.author_id) == name) & (feedback.c.author_kind == "human")
    if connection.execute(select(feedback.c.seq).where(theirs).limit(1)).first():
        raise NameTakenError(f"name: {name!r} is taken. Choose another.")


def need_password(connection: Connection, number: int, password: str) -> None:
    """Raise PasswordChangedError unless this is the hash of an open account's password."""
    same = (accounts.c.number == number) & (accounts.c.password == password) & accounts.c.closed_ms.is_(None)
    if not connection.execute(select(accounts.c.number).where(same)).first():
        raise PasswordChangedError("password: it was changed meanwhile, or the account was closed. Sign in again.")


def _set_password(connection: Connection, number: int, password: str, now_ms: int, actor: int | None) -> None:
    connection.execute(update(accounts).where(accounts.c.number == number).values(password=password))
    connection.execute(delete(sessions).where(sessions.c.account == number))
    audit.append(connection, now_ms, actor, "password", f"account:{number}")


def _end_rights(connection: Connection, number: int, now_ms: int) -> None:
    connection.execute(delete(sessions).where(sessions.c.account == number))
    open_tokens = update(tokens).where(tokens.c.account == number, tokens.c.revoked_ms.is_(None))
    connection.execute(open_tokens.values(revoked_ms=now_ms))
    _withdraw_invites(connection, number)


def _withdraw_invites(connection: Connection, number: int) -> None:
    connection.execute(delete(invites).where(invites.c.made_by == number, invites.c.used_ms.is_(None)))


def _working_owners() -> Any:
    works = (accounts.c.role == "owner") & accounts.c.closed_ms.is_(None) & (accounts.c.password != "")
    return select(accounts.c.number).where(works)


def _keep_an_owner(connection: Connection, was: Account) -> None:
    """Undo, by raising, what would leave a studio that had an owner without one."""
    worked = was.role == "owner" and was.closed_ms is None and was.has_password
    if worked and not connection.execute(_working_owners().limit(1)).first():
        raise LastOwnerError("account: this is the only owner. Make somebody else an owner first.")


def _invited(connection: Connection, key: str, now_ms: int) -> Invite | None:
    works = (invites.c.digest == digest(key)) & invites.c.used_ms.is_(None) & (invites.c.expires_ms > now_ms)
    row = connection.execute(select(invites).where(works)).first()
    if row is None:
        return None
    account = by_number(connection, row.account) if row.account is not None else None
    if account is not None and account.closed_ms is not None:
        return None
    return Invite(row.role, account, row.expires_ms)


def _agreed(connection: Connection, number: int, study: str, text: str) -> bool:
    same = (consents.c.account == number) & (consents.c.study == study) & (consents.c.digest == digest(text))
    return connection.execute(select(consents.c.study).where(same)).first() is not None
