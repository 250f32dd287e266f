"""What judges have answered, in a SQLite file of its own: asking again costs nothing, and replays without a model.

A row is the hash of everything that was asked (model, messages, sampling, schema, seed, index) and the answer as JSON.
Failures are never kept. The answers may quote the judged texts: delete the file when people's words are erased.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, func, select
from sqlalchemy.dialects.sqlite import insert

from burnish.store.engine import chunks, connect

DEFAULT_FILE = "burnish-judges.db"

_metadata = MetaData()
_answers = Table(
    "judge_answers",
    _metadata,
    Column("key", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("stored_ms", BigInteger, nullable=False),
)
_MOST_KEYS = 500  # of one statement: SQLite's oldest limit is 999 parameters


class JudgeCache:
    """Answers by key. Threads and processes may share the file; the first answer to a key stays."""

    def __init__(self, path: Path | str = DEFAULT_FILE) -> None:
        """path: made when it is not there. Raises InputError for a file that cannot be a database of ours."""
        self._database = connect(f"sqlite:///{Path(path)}", create=True)
        self._database.use_wal()
        with self._database.writing() as connection:
            _metadata.create_all(connection)

    def get(self, keys: Collection[str]) -> dict[str, str]:
        """Return the answers that are known, by key."""
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for some in chunks(dict.fromkeys(keys), _MOST_KEYS):
                rows = connection.execute(select(_answers.c.key, _answers.c.answer).where(_answers.c.key.in_(some)))
                found.update((row[0], row[1]) for row in rows)
        return found

    def put(self, answers: Mapping[str, str]) -> None:
        """Keep answers, durably, in one transaction."""
        if not answers:
            return
        now = time.time_ns() // 1_000_000
        rows = [{"key": key, "answer": answer, "stored_ms": now} for key, answer in answers.items()]
        with self._database.writing() as connection:
            connection.execute(insert(_answers).on_conflict_do_nothing(), rows)

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(_answers)).scalar_one())

    def close(self) -> None:
        """Let go of the file."""
        self._database.dispose()

    def __enter__(self) -> JudgeCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
