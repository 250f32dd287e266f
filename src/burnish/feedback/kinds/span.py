"""Which parts of a completion are wrong or good: `{"spans": [{"start": 0, "end": 5, "label": "wrong", ...}]}`.

Value: `{"spans": [...]}`, each with `start` and `end` in characters (code points, end exclusive), `label`, and where
given `severity` (a positive number, 1 when left out) and `note`; sorted by start. Spans may overlap.

Each person's marks become a critique whose spans have signed severities: what is marked good adds to the reward of its
tokens, everything else takes from it. `burnish.models.spans` spreads them over tokens. A label praises when it is one
of `GOOD` or when the word list of comments finds praise in it and no blame ("excellent", "well said!", 很好).
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from burnish.errors import InputError, nearest
from burnish.feedback import fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.words.lexicon import by_hand
from burnish.feedback.words.reading import read
from burnish.maths.agreement import Metric
from burnish.records import Critique, Span

FIELDS = ("completion", "spans")
METRIC: Metric = "nominal"
PARTS = ("start", "end", "label", "severity", "note")
GOOD = frozenset(
    {"good", "great", "liked", "like", "correct", "right", "helpful", "keep", "好", "喜欢", "正确", "保留"}
)
"""Labels that praise, whatever a word list thinks of them."""

_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")  # a Chinese character or a word of other scripts


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


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On each word (in Chinese: character) of the completion: 1 marked good, -1 marked otherwise, 0 not marked."""
    marks = [(span["start"], span["end"], sign(span["label"])) for span in answer.feedback.value["spans"]]
    words = [match.span() for match in _UNIT.finditer(answer.completions[0].text)]
    return [
        ((start, end), float(next((said for low, high, said in marks if low < end and start < high), 0)))
        for start, end in words
    ]


def to_critiques(answers: Sequence[Answer], config: SignalConfig) -> list[Critique]:
    return [
        Critique(
            prompt=answer.prompt,
            completion=answer.completions[0],
            text="\n".join(_in_words(span, answer.completions[0].text) for span in answer.feedback.value["spans"]),
            aspect=answer.feedback.aspect,
            spans=tuple(signed(span) for span in answer.feedback.value["spans"]),
            feedback_ids=(answer.feedback.id,),
            praises=all(sign(span["label"]) > 0 for span in answer.feedback.value["spans"]),
        )
        for answer in answers
    ]


def sign(label: str) -> int:
    """1 for a label that praises, -1 for any other."""
    bare = label.strip(string.punctuation + string.whitespace + "。！，").lower()
    return 1 if bare in GOOD or _praises(bare) else -1


@functools.cache
def _praises(label: str) -> bool:
    # a label names a category: "agreement" and "security" are pleasant words, and kinds of faults all the same
    said = read(label, lexicon=by_hand()).said
    return bool(said) and all(each.value > 0 for each in said)


def signed(span: Mapping[str, Any]) -> Span:
    """A marked part as a record, its severity negative where it finds fault."""
    severity = sign(span["label"]) * span.get("severity", 1)
    return Span(span["start"], span["end"], span["label"], float(severity), span.get("note", ""))


def _in_words(span: Mapping[str, Any], text: str) -> str:
    note = f": {span['note']}" if span.get("note") else ""
    return f"“{text[span['start'] : span['end']]}” {span['label'] or 'marked'}{note}"


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
