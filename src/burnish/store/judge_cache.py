"""What judges have answered, in a SQLite file of its own: asking again costs nothing, and replays without a model.

A row is the hash of everything that was asked (model, messages, sampling, schema, seed, index) and the answer as JSON.
Failures are never kept. An answer may quote the texts it is about, or say them in other words. So beside each answer
stand hashes of the sentences and lines of its question, and `forget` finds by them every answer about a text that was
erased; answers of older files, which have no such hashes, are read and go where they repeat some of its words.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from burnish.store.engine import chunks, connect
from burnish.store.purge import purge_sqlite

DEFAULT_FILE = "burnish-judges.db"

_metadata = MetaData()
_answers = Table(
    "judge_answers",
    _metadata,
    Column("key", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("stored_ms", BigInteger, nullable=False),
)
_asked = Table(
    "judge_asked",
    _metadata,
    Column("piece", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    sqlite_with_rowid=False,
)
SHORTEST = 12
"""Letters of a sentence that is somebody's; "too long" or "I agree" is anybody's. A Chinese character counts as two."""
RUN = 6
"""Words in a row that make a quote, where an answer has to be read. A Chinese character counts as one."""
_BREAK = re.compile(r"[\n.!?;:。！？；：]+|\[[A-Z][A-Z_]{1,30}_[0-9a-z]{8}\]")  # sentences, and what masking took out
_TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W_]+")
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

    def put(self, answers: Mapping[str, str], asked: Mapping[str, Sequence[str]] | None = None) -> None:
        """Keep answers, durably, in one transaction. `asked`: by key the texts of the question, kept as hashes."""
        if not answers:
            return
        now = time.time_ns() // 1_000_000
        rows = [{"key": key, "answer": answer, "stored_ms": now} for key, answer in answers.items()]
        known = asked or {}
        hashes = [{"piece": each, "key": key} for key in answers for each in sorted(_pieces(known.get(key, ())))]
        with self._database.writing() as connection:
            connection.execute(insert(_answers).on_conflict_do_nothing(), rows)
            if hashes:
                connection.execute(insert(_asked).on_conflict_do_nothing(), hashes)

    def forget(self, texts: Iterable[str]) -> int:
        """Delete every answer about one of these texts, its bytes too, and return how many there were."""
        wanted = list(dict.fromkeys(texts))
        with self._database.writing() as connection:
            keys = set(self._about(connection, wanted)) | set(self._quoting(connection, wanted))
            for some in chunks(sorted(keys), _MOST_KEYS):
                connection.execute(delete(_answers).where(_answers.c.key.in_(some)))
                connection.execute(delete(_asked).where(_asked.c.key.in_(some)))
        if keys:
            purge_sqlite(self._database)
        return len(keys)

    def _about(self, connection: Connection, texts: Sequence[str]) -> Iterator[str]:
        """Yield the keys of answers to questions in which a sentence or a line of the texts stood."""
        for some in chunks(sorted(_pieces(texts)), _MOST_KEYS):
            yield from connection.execute(select(_asked.c.key).where(_asked.c.piece.in_(some))).scalars()

    def _quoting(self, connection: Connection, texts: Sequence[str]) -> Iterator[str]:
        """Yield the keys of answers, kept without hashes of their question, that repeat words of the texts."""
        said = {run for text in texts for run in _runs(text)}
        older = select(_answers.c.key, _answers.c.answer).where(_answers.c.key.not_in(select(_asked.c.key)))
        for key, answer in connection.execute(older) if said else ():
            if any(not said.isdisjoint(_runs(text)) for text in _strings(json.loads(answer))):
                yield key

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


def forget(path: Path | str, texts: Iterable[str]) -> int:
    """Delete every answer about one of these texts from a cache, and return how many; 0 where there is no such file."""
    if not Path(path).exists():
        return 0
    with JudgeCache(path) as cache:
        return cache.forget(texts)


def _pieces(texts: Iterable[str]) -> set[int]:
    """Hashes of the sentences and lines of texts, whatever their capitals and blanks."""
    parts = {part for text in texts for part in (*text.split("\n"), *_BREAK.split(text))}
    plain = {" ".join(_TOKEN.findall(unicodedata.normalize("NFKC", part).casefold())) for part in parts}
    return {_hash(each) for each in plain if _letters(each) >= SHORTEST}


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def _letters(text: str) -> int:
    return sum(2 if "\u3400" <= each <= "\u9fff" else 1 for each in text if not each.isspace())


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every `RUN` words in a row."""
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    return {tuple(tokens[at : at + RUN]) for at in range(len(tokens) - RUN + 1)}


def _strings(value: object) -> Iterator[str]:
    """Yield every text of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for each in value.values() for text in _strings(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in _strings(each))
