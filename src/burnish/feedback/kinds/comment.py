"""What a person says of one completion in words: `{"completion": ..., "comment": "too long"}`.

Value: `{"comment": "too long"}`. In a row that names another kind (`"kind": "rating"`) the comment is a remark on that
answer and is kept with it, in the record's own `comment`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.feedback import fields

FIELDS = ("completion", "comment")


def recognise(row: Mapping[str, Any]) -> bool:
    return "comment" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"comment": fields.text(fields.needed(row, "comment", "comment"), "comment")}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "comment"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "comment": value["comment"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"said: {value['comment']}"
