"""A known good answer to a prompt (gold): `{"prompt": ..., "reference": "the answer as it should be"}`.

Value: `{"correction": "..."}`, the name under which a store finds a text that an author wrote. No completion need be
shown: it speaks of the prompt. It is a demonstration and nothing else: another answer may be as good, so a reference
says of no completion that it is worse. How near one comes to it is for metric rewards, which read `Prompt.reference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Completion, Demonstration

FIELDS = ("reference",)


def recognise(row: Mapping[str, Any]) -> bool:
    return "reference" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"correction": fields.text(fields.needed(row, "reference", "reference"), "reference")}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"reference": value["correction"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"a good answer: {value['correction']}"


def wording(answer: Answer) -> str:
    """The reference itself: two authors agree on a prompt as far as theirs are alike."""
    return str(answer.feedback.value["correction"])


def to_demonstrations(answers: Sequence[Answer], config: SignalConfig) -> list[Demonstration]:
    """One demonstration for each distinct reference of a prompt, whoever gave it; its weight is 1 all the same."""
    given: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        given.setdefault((answer.prompt.id, answer.feedback.value["correction"]), []).append(answer)
    return [
        Demonstration(
            prompt=same[0].prompt,
            completion=Completion(prompt_id, text),
            feedback_ids=tuple(answer.feedback.id for answer in same),
        )
        for (prompt_id, text), same in given.items()
    ]
