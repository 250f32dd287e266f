"""One completion is good or is not: `{"completion": ..., "thumb": true}`, or TRL's `label` of unpaired preferences.

Value: `{"thumb": true}`. Several people's thumbs become the posterior of the share that would raise theirs
(`burnish.feedback.votes`), mapped to the scale's ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields, votes
from burnish.feedback.answers import Answer, SignalConfig
from burnish.maths.agreement import Metric
from burnish.records import Score

FIELDS = ("completion", "thumb", "label")
METRIC: Metric = "nominal"


def recognise(row: Mapping[str, Any]) -> bool:
    return "thumb" in row or "label" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    if "thumb" in row and "label" in row:
        raise InputError("thumb: given beside label, which says the same. Keep one of them.")
    field = "label" if "label" in row else "thumb"
    return {"thumb": fields.claim(fields.needed(row, field, "thumb"), field)}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "thumb"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "thumb": value["thumb"]}


def summary(value: Mapping[str, Any]) -> str:
    return "thumb up" if value["thumb"] else "thumb down"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On the completion: 1 up, 0 down."""
    return [(answer.feedback.completion_ids[0], float(answer.feedback.value["thumb"]))]


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    return votes.thumb_scores(answers, config)
