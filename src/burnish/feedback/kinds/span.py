"""Which parts of a completion are wrong or good: `{"spans": [{"start": 0, "end": 5, "label": "wrong", ...}]}`.

Value: `{"spans": [...]}`, each with `start` and `end` in characters (code points, end exclusive), `label`, and where
given `severity` (a positive number, 1 when left out) and `note`; sorted by start. Spans may overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.errors import InputError, nearest
from burnish.feedback import fields

FIELDS = ("completion", "spans")
PARTS = ("start", "end", "label", "severity", "note")


def recognise(row: Mapping[str, Any]) -> bool:
    return "spans" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    given = fields.items(fields.needed(row, "spans", "span"), "spans")
    if not given:
        raise InputError("spans: empty, so nothing was marked. Leave the object out.")
    length = len(texts(row)[0])
    spans = [_span(each, f"spans[{index}]", length) for index, each in enumerate(given)]
    return {"spans": sorted(spans, key=lambda span: (span["start"], span["end"], span["label"]))}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "span"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "spans": value["spans"]}


def summary(value: Mapping[str, Any]) -> str:
    marks = (f"{span['label'] or 'marked'} at {span['start']}-{span['end']}" for span in value["spans"])
    return "; ".join(marks)


def _span(value: object, path: str, length: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise fields.wrong(path, value, "an object", 'Write {"start": 0, "end": 5, "label": "wrong"}.')
    given = {key: each for key, each in value.items() if each is not None}
    if unknown := sorted(set(given) - set(PARTS)):
        raise InputError(f"{path}: {unknown[0]!r} is unknown.{nearest(unknown[0], PARTS)}")
    for field in ("start", "end"):
        if field not in given:
            raise InputError(f"{path}.{field}: missing. Give the place in characters.")
    start = fields.whole(given["start"], f"{path}.start", 0, length - 1)
    end = fields.whole(given["end"], f"{path}.end", start + 1, length)
    span: dict[str, Any] = {
        "start": start,
        "end": end,
        "label": fields.characters(given.get("label", ""), f"{path}.label"),
    }
    if "severity" in given:
        span["severity"] = fields.number(given["severity"], f"{path}.severity")
        if span["severity"] <= 0:
            raise fields.wrong(f"{path}.severity", given["severity"], "above 0", "Use 1 for ordinary.")
    if given.get("note"):
        span["note"] = fields.characters(given["note"], f"{path}.note")
    return span
