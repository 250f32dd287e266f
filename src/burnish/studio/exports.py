"""A study's answers out of the store, streamed: JSONL in the shapes in which feedback comes in, or CSV for a table.

A cell of a table that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from burnish.feedback.answers import Answer, answers_of
from burnish.feedback.outgoing import export_rows
from burnish.feedback.rows import to_row
from burnish.store import Store

COLUMNS = ("study", "item", "question", "kind", "author", "time", "prompt", "completions", "value", "comment")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")  # noqa: RUF001  (as OWASP lists)


def answers(store: Store, study: str) -> Iterator[Answer]:
    """Return the current answers of a study, by prompt; each prompt's are in memory at a time."""
    return (answer for entry in store.entries(run=f"studio:{study}") for answer in answers_of(entry))


def jsonl(store: Store, study: str = "") -> Iterator[str]:
    """Yield one line for each answer of a study; without one, for all feedback in the store."""
    rows = (to_row(answer) for answer in answers(store, study)) if study else export_rows(store)
    return (_line(row) for row in rows)


def table(store: Store, study: str) -> Iterator[str]:
    """Yield the lines of a CSV file of a study's answers, its header first."""
    yield _cells(COLUMNS)
    for answer in answers(store, study):
        record = answer.feedback
        told = record.metadata
        texts = " ⏐ ".join(completion.text for completion in answer.completions)
        value = json.dumps(dict(record.value), ensure_ascii=False)
        yield _cells(
            (
                study,
                str(told.get("item", "")),
                str(told.get("question", "")),
                record.kind,
                record.author.id,
                record.time,
                answer.prompt.text,
                texts,
                value,
                record.comment,
            )
        )


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _cells(values: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(f"'{value}" if value.startswith(_FORMULA) else value for value in values)
    return out.getvalue()
