"""What to do to make a completion better: `{"completion": ..., "suggestion": "name the price first"}`.

Value: `{"suggestion": "..."}`. A comment says what is wrong, a correction how the text should read; a suggestion stands
between them: it tells somebody else what to change. Where its author also says how, place by place
(`"edits": [{"start": 0, "end": 5, "text": "It costs 9 euros."}]`, characters of the completion, not overlapping), the
value holds the edits and, under `correction`, the text they make; that text counts as a correction too.
As a signal it is a critique, which the language methods turn into a refinement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from burnish.errors import InputError, nearest
from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.kinds import correction
from burnish.records import Critique, Span

FIELDS = ("completion", "suggestion", "edits")
PARTS = ("start", "end", "text")


def recognise(row: Mapping[str, Any]) -> bool:
    return "suggestion" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    said = {"suggestion": fields.text(fields.needed(row, "suggestion", "suggestion"), "suggestion")}
    if "edits" not in row:
        return said
    (original,) = texts(row)
    edits = _edits(fields.items(row["edits"], "edits"), len(original))
    made = apply(original, edits)
    if made == original:
        raise InputError("edits: they leave the completion as it is. Leave them out, or mend them.")
    if not made.strip():
        raise InputError("edits: they leave nothing of the completion. Leave them out, or mend them.")
    return {**said, "edits": edits, "correction": made}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "suggestion"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    edits = {"edits": value["edits"]} if "edits" in value else {}
    return {"completion": texts[0], "suggestion": value["suggestion"], **edits}


def summary(value: Mapping[str, Any]) -> str:
    return f"suggests: {value['suggestion']}"


def wording(answer: Answer) -> str:
    """What the author wrote: agreement is how alike several people's texts are."""
    return str(answer.feedback.value["suggestion"])


def apply(original: str, edits: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that sorted edits, none overlapping another, make of the original."""
    made, done = [], 0
    for edit in edits:
        made += [original[done : edit["start"]], edit["text"]]
        done = edit["end"]
    return "".join(made) + original[done:]


def to_critiques(answers: Sequence[Answer], config: SignalConfig) -> list[Critique]:
    return [
        Critique(
            prompt=answer.prompt,
            completion=answer.completions[0],
            text=answer.feedback.value["suggestion"],
            aspect=answer.feedback.aspect,
            spans=tuple(
                Span(edit["start"], edit["end"], "change", -1.0, edit["text"])
                for edit in answer.feedback.value.get("edits", ())
                if edit["start"] < edit["end"]
            ),
            revision=answer.feedback.value.get("correction"),
            feedback_ids=(answer.feedback.id,),
        )
        for answer in answers
    ]


def also(answer: Answer) -> list[Answer]:
    """A correction and its comparison, where the author said how the text should read; the critique stands above."""
    made = answer.feedback.value.get("correction")
    if made is None:
        return []
    value = {"correction": made, "suggested": True}
    implied = replace(answer, feedback=replace(answer.feedback, kind="correction", value=value))
    return [implied, *correction.also(implied)]


def _edits(given: Sequence[Any], length: int) -> list[dict[str, Any]]:
    if not given:
        raise InputError("edits: empty, so nothing is to be changed. Leave them out.")
    edits = sorted((_edit(each, f"edits[{i}]", length) for i, each in enumerate(given)), key=lambda e: e["start"])
    for before, after in pairwise(edits):
        if after["start"] < before["end"] or after["start"] == before["start"]:
            raise InputError(f"edits: two of them change the text at {after['start']}. Join them into one.")
    return edits


def _edit(value: object, path: str, length: int) -> dict[str, Any]:
    given = fields.mapping(value, path)
    if unknown := sorted(set(given) - set(PARTS)):
        raise InputError(f"{path}: {unknown[0]!r} is unknown.{nearest(unknown[0], PARTS)}")
    if missing := [part for part in PARTS if given.get(part) is None]:
        raise InputError(f"{path}.{missing[0]}: missing. Give start, end (in characters) and the text to put there.")
    start = fields.whole(given["start"], f"{path}.start", 0, length)
    end = fields.whole(given["end"], f"{path}.end", start, length)
    return {"start": start, "end": end, "text": fields.characters(given["text"], f"{path}.text")}
