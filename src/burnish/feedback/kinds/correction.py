"""How a completion should read: `{"completion": ..., "correction": "the text as it should be"}`.

Value: `{"correction": "..."}`. It shows what to imitate, and implies that its author prefers it to the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Completion, Demonstration

FIELDS = ("completion", "correction")


def recognise(row: Mapping[str, Any]) -> bool:
    return "correction" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    corrected = fields.text(fields.needed(row, "correction", "correction"), "correction")
    if corrected == row.get("completion"):
        raise InputError("correction: identical to completion, so nothing was corrected. Leave the object out.")
    return {"correction": corrected}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "correction"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "correction": value["correction"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"should read: {value['correction']}"


def to_demonstrations(answers: Sequence[Answer], config: SignalConfig) -> list[Demonstration]:
    return [Demonstration(answer.prompt, corrected(answer), feedback_ids=(answer.feedback.id,)) for answer in answers]


def also(answer: Answer) -> list[Answer]:
    """A comparison that the corrected text wins."""
    pair = (corrected(answer), answer.completions[0])
    won = replace(
        answer.feedback, kind="comparison", value={"chosen": 0}, completion_ids=tuple(each.id for each in pair)
    )
    return [Answer(answer.prompt, pair, won)]


def corrected(answer: Answer) -> Completion:
    return Completion(answer.prompt.id, answer.feedback.value["correction"])
