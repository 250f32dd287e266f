"""One database, two engines: SQLite in a file or PostgreSQL by URL, behind the same two transactions.

`reading` is one consistent snapshot that never waits for writers; `writing` is the one writer's turn. Both engines
take the turn at the beginning of a transaction (SQLite `BEGIN IMMEDIATE`, PostgreSQL one advisory lock), so that no
transaction ever has to upgrade its lock, which SQLite refuses at once however long the busy wait is.
Every driver error that a user can mend becomes an `InputError` here (docs/decisions/001-store.md).
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from burnish.errors import BusyError, DamagedFileError, InputError, UnreachableError

T = TypeVar("T")

WAIT_SECONDS = 30.0
"""Longest wait for another process's write; a group takes milliseconds, a snapshot of 500,000 records some seconds."""
_LOCK_KEY = 0x6275726E697368  # "burnish": PostgreSQL's advisory locks are numbers, one per database
_POLL_SECONDS = (0.0005, 0.004)  # SQLite's own busy handler backs off to 100 ms and starves beside a busy neighbour
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs"})
MOST_IDS = 5000
"""Ids given to one statement; PostgreSQL takes at most 65,535 parameters."""
_SECRET = re.compile(r"//.*@")  # user and password, kept out of messages
_SQLITE_CACHE_KIB = 16 * 1024
_CHECKPOINT_PAGES = 4000  # 16 MiB of log: ids are hashes, so fewer, larger checkpoints write each index page less often

_TOO_LARGE = "number: beyond 2^63, which cannot be stored. Write a smaller one."
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 10, 11, 13, 14, 26  # sqlite3.h


class Database:
    """An open database: hands out `reading` and `writing` connections. Safe to share between threads, not by fork."""

    def __init__(self, readers: Engine, writers: Engine, shown: str, wait_seconds: float) -> None:
        self.readers = readers
        self.writers = writers
        self.shown = shown
        """The URL without its password, for messages."""
        self.wait_seconds = wait_seconds

    @property
    def is_sqlite(self) -> bool:
        return self.readers.dialect.name == "sqlite"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the store until the block ends."""
        with self.readers.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextlib.contextmanager
    def writing(self, wait_seconds: float | None = None) -> Iterator[Connection]:
        """Yield the only connection that may write now; commits durably when the block ends well, else rolls back.

        Raises `BusyError` when another process keeps the turn for `wait_seconds` (None: as the store was opened).
        """
        with self.writers.connect() as connection, connection.begin():
            if self.is_sqlite:
                self._begin_immediate(connection, wait_seconds)
            else:
                if wait_seconds is not None:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(wait_seconds * 1000))}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            yield connection

    def use_wal(self) -> None:
        """Put a SQLite file into WAL mode, in which readers and the writer never block each other; it stays so."""
        if not self.is_sqlite:
            return
        with self.writers.connect() as connection, self.explaining():
            driver: Any = connection.connection.dbapi_connection
            mode = self.retrying(lambda: driver.execute("PRAGMA journal_mode").fetchone()[0])
            if mode != "wal":
                mode = self.retrying(lambda: driver.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        if mode != "wal":
            raise InputError(
                f"{self.shown}: this file system cannot hold a shared SQLite file (journal mode stays {mode!r}). "
                "Use a local disk or PostgreSQL."
            )

    def _begin_immediate(self, connection: Connection, wait_seconds: float | None) -> None:
        driver: Any = connection.connection.dbapi_connection
        with self.explaining():
            self.retrying(lambda: driver.execute("BEGIN IMMEDIATE"), wait_seconds)

    def retrying(self, act: Callable[[], T], wait_seconds: float | None = None) -> T:
        """Return what `act` returns, trying again while SQLite says that somebody else is at it."""
        deadline = time.monotonic() + (self.wait_seconds if wait_seconds is None else wait_seconds)
        while True:
            try:
                return act()
            except Exception as error:
                if _sqlite_code(error) not in (_BUSY, _LOCKED) or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(*_POLL_SECONDS))

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn the errors of bare driver calls into ours, as the engines do for SQLAlchemy's."""
        try:
            yield
        except Exception as error:
            ours = explain(error, self.shown)
            if ours is None:
                raise
            raise ours from error

    def dispose(self) -> None:
        self.readers.dispose()
        self.writers.dispose()


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`, which is how many ids one statement is given."""
    remaining = iter(items)
    while some := list(islice(remaining, size)):
        yield some


def connect(url: str, *, create: bool, wait_seconds: float = WAIT_SECONDS) -> Database:
    """Return the database at a URL; nothing is written yet.

    Raises `InputError` for a URL, file, driver or library that cannot do, `UnreachableError` for a server that does
    not answer.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number, a bracket that is never closed
        raise InputError(
            f"db: {_SECRET.sub('//***@', url)!r} is not a database URL. Write sqlite:///burnish.db for a file in this "
            "folder, or postgresql://user@host/name."
        ) from None
    if "\0" in url or "%00" in url:
        raise InputError(f"db: {_SECRET.sub('//***@', url)!r} holds NUL, which is no text. Remove it.")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _connect_sqlite(parsed, create, wait_seconds)
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return _connect_postgres(parsed, wait_seconds)
    raise InputError(f"db: {parsed.drivername!r} is not supported. Use sqlite:///FILE or postgresql://HOST/NAME.")


# --------------------------------------------------------------------------------------------------------------- SQLite


def _connect_sqlite(url: URL, create: bool, wait_seconds: float) -> Database:
    driver = sqlite_driver()
    path = _sqlite_path(url, create)
    shown = f"sqlite:///{url.database}"

    def engine(busy_seconds: float) -> Engine:
        made = create_engine(
            URL.create("sqlite", database=str(path)),
            module=driver,
            connect_args={"isolation_level": None, "timeout": wait_seconds},
            pool_size=4,
            max_overflow=64,
            hide_parameters=True,  # people's words do not belong into error messages
        )
        _explain_errors(made, shown)

        @event.listens_for(made, "connect")
        def prepare(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")  # an acknowledged record survives a power cut
            connection.execute("PRAGMA secure_delete = ON")  # erased words leave no bytes behind
            connection.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")

        return made

    # Writers ask for their turn in `_begin_immediate`, so SQLite itself must answer at once.
    return Database(engine(wait_seconds), engine(0), shown, wait_seconds)


def sqlite_driver() -> ModuleType:
    """Return a driver whose SQLite can be shared by several processes: pysqlite3's bundled one, or Python's own.

    Raises `InputError` when both have the WAL-reset race, which can corrupt a file that two connections use.
    """
    found = []
    for name in ("pysqlite3.dbapi2", "sqlite3.dbapi2"):
        with contextlib.suppress(ImportError):
            driver = __import__(name, fromlist=["dbapi2"])
            if not has_wal_reset_race(driver.sqlite_version_info):
                return driver
            found.append(f"{name.partition('.')[0]} has SQLite {driver.sqlite_version}")
    raise InputError(
        f"db: {' and '.join(found)}, which can corrupt a file shared by several processes (WAL-reset race, fixed in "
        "3.51.3, 3.50.7 and 3.44.6). Run `pip install -U pysqlite3`, or use PostgreSQL."
    )


def has_wal_reset_race(version: tuple[int, ...]) -> bool:
    """Return whether this SQLite has the race of sqlite.org/wal.html#walresetbug: up to 3.51.2, but for back-ports."""
    backported = {(3, 44): 6, (3, 50): 7}
    fixed_from = backported.get((version[0], version[1]))
    return version < (3, 51, 3) and not (fixed_from is not None and version[2] >= fixed_from)


def _sqlite_path(url: URL, create: bool) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
        raise InputError(f"db: {str(url)!r} names no plain file. Write sqlite:///burnish.db.")
    path = Path(os.path.abspath(url.database))
    try:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # told better below
            path.stat()
    except OSError as error:
        raise InputError(f"db: {path} cannot be a file ({error.strerror}). Name another.") from None
    if path.is_dir():
        raise InputError(f"db: {path} is a folder. Name a file in it, such as sqlite:///{url.database}/burnish.db.")
    if not path.exists():
        if not create:
            raise InputError(f"db: {path} does not exist. Check the name, or import feedback first, which creates it.")
        if not path.parent.is_dir():
            raise InputError(f"db: the folder {path.parent} does not exist. Create it, or name another file.")
    elif not path.is_file():
        raise InputError(f"db: {path} is not a plain file.")
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise InputError(f"db: {place} may not be read and written by this user. Change its permissions or owner.")
    kind = _file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise InputError(
            f"db: {path} lies on a network file system ({kind}), where SQLite's locks do not hold. Use a local disk, "
            "or PostgreSQL (postgresql://HOST/NAME)."
        )
    return path


def _file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder; empty where the kernel does not tell."""
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in mounts:
        _, place, name = line.split(" ")[:3]
        place = place.replace("\\040", " ")
        if len(place) >= len(best) and folder.resolve().is_relative_to(place):
            best, kind = place, name
    return kind


# ----------------------------------------------------------------------------------------------------------- PostgreSQL


def _connect_postgres(url: URL, wait_seconds: float) -> Database:
    try:
        import psycopg  # noqa: F401  (only to say which extra is missing)
    except ImportError:
        raise InputError("db: PostgreSQL needs its driver. Run `pip install 'burnish[postgres]'`.") from None
    settings = f"-c lock_timeout={int(wait_seconds * 1000)} -c synchronous_commit=on"
    options = url.query.get("options")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
        connect_args={"options": f"{options} {settings}" if options else settings, "connect_timeout": 10},
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=64,
        hide_parameters=True,
    )
    shown = url.render_as_string(hide_password=True)
    _explain_errors(engine, shown)
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.connect() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise InputError(f"{shown}: its encoding is {encoding}. Create the database with ENCODING 'UTF8'.")
    return Database(snapshot, engine, shown, wait_seconds)


# --------------------------------------------------------------------------------------------------------------- errors


def _explain_errors(engine: Engine, shown: str) -> None:
    @event.listens_for(engine, "handle_error")
    def replace(context: ExceptionContext) -> BaseException | None:
        return explain(context.original_exception, shown)


def explain(error: BaseException, shown: str) -> InputError | None:
    """Return what a user can do about a driver's error; None when it is our defect."""
    while isinstance(error, SQLAlchemyError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, InputError):
        return error
    if isinstance(error, UnicodeEncodeError):
        return InputError("text: holds half a character (a lone surrogate), which cannot be stored. Remove it.")
    if isinstance(error, OverflowError):
        return InputError(_TOO_LARGE)
    state = getattr(error, "sqlstate", None)
    if type(error).__module__.startswith("psycopg"):
        return _explain_postgres(error, state, shown)
    code = _sqlite_code(error)
    full = InputError(f"{shown}: the disk is full; nothing of this was stored. Free some room and send it again.")
    damaged = "Restore a copy, or recover what is left with `sqlite3 FILE .recover`."
    reasons: dict[int, InputError] = {
        _BUSY: BusyError(f"{shown}: another process has been writing without a pause. Stop it, or try again later."),
        _LOCKED: BusyError(f"{shown}: another connection holds a table. Try again later."),
        _READONLY: InputError(f"{shown}: may not be written by this user. Change its permissions or owner."),
        _IOERR: InputError(f"{shown}: reading or writing failed on this disk ({error}). Check the disk."),
        _CORRUPT: DamagedFileError(f"{shown}: the file is damaged ({error}). {damaged}"),
        _FULL: full,
        _CANTOPEN: InputError(f"{shown}: cannot be opened ({error}). Check the folder and its permissions."),
        _NOTADB: DamagedFileError(f"{shown}: not a SQLite database. Name another file. If it was one: {damaged}"),
    }
    return reasons.get(code)


def _explain_postgres(error: BaseException, state: str | None, shown: str) -> InputError | None:
    words = " ".join(str(error).split())
    if state is None and "NUL" in words:
        return InputError("text: holds NUL, which cannot be stored. Remove it.")
    if state == "22003":
        return InputError(_TOO_LARGE)
    if state == "55P03":
        return BusyError(f"{shown}: another process has been writing without a pause. Stop it, or try again later.")
    if state in ("53100", "53200"):
        return InputError(f"{shown}: the server is out of disk or memory; nothing of this was stored ({words}).")
    if state in ("3D000", "28P01", "28000", "42501", "3F000"):
        return InputError(f"{shown}: {words}. Check the name, the user and the password in the URL.")
    if type(error).__name__ in ("OperationalError", "ConnectionTimeout") and (
        state is None or state[:2] in ("08", "57")
    ):
        return UnreachableError(f"{shown}: the server does not answer ({words}). Start it, or check host and port.")
    return None


def _sqlite_code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error, 0 when it has none."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
