"""Reading: entries streamed out of one consistent state, single records, and counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, exists, func, select

from burnish.records import Completion, Feedback, Prompt
from burnish.store.engine import Database, chunks
from burnish.store.entry import WITHDRAWN, Entry
from burnish.store.rows import completion_of, feedback_of, prompt_of
from burnish.store.schema import (
    checkpoints,
    completions,
    feedback,
    prompts,
    row_of,
    snapshots,
    state,
    words,
)

PROMPTS_AT_ONCE = 200
LAST_ERASED = "last_erased"
"""Key of the state that changes with every erasure."""
ERASED = "erased_"
"""What the id of a prompt begins with whose words were erased."""
STUDY_RUN = "studio:"
"""What `run` of an answer given in a study begins with; the study's name follows."""

_LATER = feedback.alias("later")
_SUPERSEDED = exists().where(_LATER.c.supersedes == feedback.c.id)
# Two changes of one record, as by a double click, are one opinion: the last counts.
_OUTDATED = exists().where(and_(_LATER.c.supersedes == feedback.c.supersedes, _LATER.c.seq > feedback.c.seq))
CURRENT = ~_SUPERSEDED & ~_OUTDATED


FEEDBACK = (
    select(*row_of(feedback))
    .join_from(feedback, prompts)
    .join(words, words.c.seq == feedback.c.seq)  # joins away what was erased
    .where(feedback.c.kind != WITHDRAWN)
)


def entries(
    database: Database,
    *,
    kinds: Collection[str] | None,
    prompt_ids: Collection[str] | None,
    run: str | None,
    include_superseded: bool,
) -> Iterator[Entry]:
    """Yield one entry a prompt, oldest prompt first, all out of one state of the store; see `Store.entries`."""
    wanted: list[ColumnElement[bool]] = [feedback.c.erased_ms.is_(None)]
    if not include_superseded:
        wanted.append(CURRENT)
    if kinds is not None:
        wanted.append(feedback.c.kind.in_({kinds} if isinstance(kinds, str) else set(kinds)))
    if run is not None:
        wanted.append(feedback.c.run == run)
    with database.reading() as connection:
        for asked in _prompts(connection, prompt_ids, run):
            shown = _completions(connection, list(asked))
            said = _feedback(connection, list(asked), wanted)
            for name, prompt in asked.items():
                there = shown.get(name, {})
                records = [each for each in said.get(name, ()) if all(one in there for one in each.completion_ids)]
                if records or (kinds is None and run is None):
                    yield Entry(prompt, tuple(there.values()), tuple(records))


def _prompts(connection: Connection, ids: Collection[str] | None, run: str | None) -> Iterator[dict[str, Prompt]]:
    query = select(prompts.c.seq, *row_of(prompts)).order_by(prompts.c.seq)
    query = query.where(~prompts.c.id.startswith(ERASED, autoescape=True))
    if run is not None:
        query = query.where(exists().where(feedback.c.prompt == prompts.c.seq, feedback.c.run == run))
    if ids is not None:
        for some in chunks(dict.fromkeys(ids), PROMPTS_AT_ONCE):
            rows = connection.execute(query.where(prompts.c.id.in_(some))).all()
            yield {row[1]: prompt_of(tuple(row[1:])) for row in rows}
        return
    last = 0
    while True:
        rows = connection.execute(query.where(prompts.c.seq > last).limit(PROMPTS_AT_ONCE)).all()
        if not rows:
            return
        yield {row[1]: prompt_of(tuple(row[1:])) for row in rows}
        last = rows[-1][0]


def _completions(connection: Connection, prompt_ids: list[str]) -> dict[str, dict[str, Completion]]:
    query = (
        select(*row_of(completions))
        .join_from(completions, prompts)
        .where(prompts.c.id.in_(prompt_ids), completions.c.erased_ms.is_(None))
        .order_by(completions.c.seq)
    )
    found: dict[str, dict[str, Completion]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row[1]][row[0]] = completion_of(tuple(row))
    return found


def _feedback(
    connection: Connection, prompt_ids: list[str], wanted: list[ColumnElement[bool]]
) -> dict[str, list[Feedback]]:
    query = FEEDBACK.where(prompts.c.id.in_(prompt_ids), *wanted).order_by(feedback.c.seq)
    found: dict[str, list[Feedback]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[2]].append(feedback_of(tuple(row)))
    return found


# ------------------------------------------------------------------------------------------------------- single records


_PROMPT = select(*row_of(prompts)).where(prompts.c.id == bindparam("name"))
_COMPLETIONS = (
    select(*row_of(completions))
    .join_from(completions, prompts)
    .where(completions.c.id.in_(bindparam("names", expanding=True)), completions.c.erased_ms.is_(None))
)


def prompt(connection: Connection, name: str) -> Prompt | None:
    """Return the prompt of this id, None when unknown."""
    row = connection.execute(_PROMPT, {"name": name}).first()
    return None if row is None else prompt_of(tuple(row))


def completion(connection: Connection, name: str) -> Completion | None:
    """Return the completion of this id, None when unknown or erased."""
    return completions_named(connection, [name]).get(name)


def completions_named(connection: Connection, names: Sequence[str]) -> dict[str, Completion]:
    """Return the completions of these ids that are there and not erased, by id."""
    rows = connection.execute(_COMPLETIONS, {"names": list(names)})
    return {row[0]: completion_of(tuple(row)) for row in rows}


def feedback_record(connection: Connection, name: str) -> Feedback | None:
    """Return the feedback of this id, None when unknown or erased."""
    row = connection.execute(FEEDBACK.where(feedback.c.id == name)).first()
    return None if row is None else feedback_of(tuple(row))


def authors(connection: Connection, kind: str, only: str | None) -> dict[str, int]:
    """Return how many records there are of each named author of a kind: all that erasing would find.

    Reads the whole table (100,000 records: 44 ms; of `only` one author, 10 ms): an index by author would make it 12 and
    0.04, but each submission would dirty a page of it, which costs a tenth of their speed.
    """
    query = select(feedback.c.author_id, func.count()).where(
        feedback.c.author_kind == kind, feedback.c.author_id != "", feedback.c.erased_ms.is_(None)
    )
    if only is not None:
        query = query.where(feedback.c.author_id == only)
    return {row[0]: int(row[1]) for row in connection.execute(query.group_by(feedback.c.author_id))}


def by_author(
    connection: Connection, author_id: str, before: int | None, most: int, kind: str | None
) -> list[tuple[int, Feedback]]:
    """Return a person's current records with their sequence numbers, newest first."""
    theirs = and_(feedback.c.author_id == author_id, feedback.c.author_kind == "human", CURRENT)
    query = FEEDBACK.add_columns(feedback.c.seq.label("number")).where(theirs)
    if before is not None:
        query = query.where(feedback.c.seq < before)
    if kind is not None:
        query = query.where(feedback.c.kind == kind)
    rows = connection.execute(query.order_by(feedback.c.seq.desc()).limit(most)).all()
    return [(int(row[-1]), feedback_of(tuple(row[:-1]))) for row in rows]


def answered_prompts(connection: Connection, run: str | None) -> list[str]:
    """Return the ids of the prompts that answers of a run (None: any) speak of; see `Store.answered_prompts`."""
    query = select(prompts.c.id).where(exists().where(feedback.c.prompt == prompts.c.seq, *_alive_in(run)))
    return list(connection.execute(query.order_by(prompts.c.seq)).scalars())


def _alive_in(run: str | None) -> list[ColumnElement[bool]]:
    alive = [feedback.c.erased_ms.is_(None), feedback.c.kind != WITHDRAWN]
    return alive if run is None else [*alive, feedback.c.run == run]


def by_study(connection: Connection) -> dict[str, tuple[int, int, str]]:
    """Return records, people and last time by study, the last answered first; see `Store.by_study`."""
    said = feedback.c
    query = (
        select(said.run, func.count(), func.count(said.author_id.distinct()), func.max(said.time))
        .where(said.run.startswith(STUDY_RUN), said.erased_ms.is_(None), said.kind != WITHDRAWN, CURRENT)
        .group_by(said.run)
        .order_by(func.max(said.time).desc(), said.run)
    )
    rows = connection.execute(query)
    return {row[0].removeprefix(STUDY_RUN): (int(row[1]), int(row[2]), row[3]) for row in rows}


def revision(connection: Connection) -> str:
    """Return the last sequence numbers and the mark of the last erasure as one text: a look at four indices."""
    last = [connection.execute(select(func.max(table.c.seq))).scalar() for table in (feedback, snapshots, checkpoints)]
    erased = connection.execute(select(state.c.value).where(state.c.key == LAST_ERASED)).scalar()
    return "-".join(str(each or 0) for each in (*last, erased))


def stats(connection: Connection) -> dict[str, Any]:
    """Return the counts of `Store.stats`."""

    def count(table: Table, *where: ColumnElement[bool]) -> int:
        return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

    alive = and_(feedback.c.erased_ms.is_(None), feedback.c.kind != WITHDRAWN)
    live = (alive, CURRENT)
    by_kind = connection.execute(
        select(feedback.c.kind, func.count()).where(*live).group_by(feedback.c.kind).order_by(feedback.c.kind)
    )
    people = select(func.count(feedback.c.author_id.distinct())).where(
        *live, feedback.c.author_kind == "human", feedback.c.author_id != ""
    )
    kinds: dict[str, int] = {row[0]: int(row[1]) for row in by_kind}
    records = sum(kinds.values())
    return {
        "records": records,
        "people": int(connection.execute(people).scalar_one()),
        "anonymous": count(feedback, *live, feedback.c.author_id == ""),
        "by_kind": kinds,
        "superseded": count(feedback, alive) - records,
        "erased": count(feedback, feedback.c.erased_ms.is_not(None)),
        "prompts": count(prompts),
        "completions": count(completions, completions.c.erased_ms.is_(None)),
        "snapshots": count(snapshots),
        "checkpoints": int(connection.execute(select(func.count(checkpoints.c.id.distinct()))).scalar_one()),
    }
