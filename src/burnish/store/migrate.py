"""Brings a database to the schema of this code, at open, under the writer's turn and in one transaction.

So two processes may open a new file at once (the second finds it done), and a kill in the middle leaves the old schema.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from burnish.errors import InputError
from burnish.store import accounts_schema  # noqa: F401  (importing a file of tables adds them to `metadata`)
from burnish.store.engine import Database
from burnish.store.schema import metadata

HEAD = "0006"
"""The newest step in `migrations/versions`; said here too because reading the folder costs importing Alembic."""
VERSION_TABLE = "burnish_version"
FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Bring the database to `HEAD`; does nothing, and imports nothing, when it is there already.

    Raises `InputError` when it is newer than this code, or is no store of ours.
    """
    with database.reading() as connection:
        done = version_of(connection, database.shown) == HEAD
    database.use_wal()  # only now: another program's file, refused above, is left as it was
    if done:
        return
    with database.writing() as connection:
        version = version_of(connection, database.shown)
        if version != HEAD:
            upgrade(connection, version, database.shown)


def version_of(connection: Connection, shown: str) -> str | None:
    """Return the schema's version, None for an empty database."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    others = tables if connection.dialect.name == "sqlite" else tables & set(metadata.tables)
    if others:
        raise InputError(
            f"{shown}: holds tables of another program ({', '.join(sorted(others)[:3])}). Name another one."
        )
    return None


def upgrade(connection: Connection, version: str | None, shown: str, *, to: str = "head") -> None:
    """Run the missing steps, as far as `to`, inside the connection's transaction."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(FOLDER))
    known = {step.revision for step in script.walk_revisions()}
    if version is not None and version not in known:
        raise InputError(
            f"{shown}: was written by a newer burnish (schema {version}; this one knows up to {HEAD}). Run "
            "`pip install -U burnish`."
        )
    options = {
        "fn": lambda revision, _context: script._upgrade_revs(to, revision),
        "version_table": VERSION_TABLE,
        "transactional_ddl": True,  # Alembic assumes the old Python driver, which committed before each CREATE
    }
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
