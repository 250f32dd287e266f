"""From a judge's words to an answer, rung by rung: JSON as asked, JSON found in the text, a labelled line.

Models wrap JSON in fences and prose, use single quotes, leave a comma at the end, or just write "Verdict: B". Each rung
accepts less form; none of them guesses: what fits no rung is told to the judge once (`Asker`), then counted as failed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from burnish.errors import InputError
from burnish.judges.asking.shape import Answers, Shape

Rung = Literal["json", "found", "line", "repaired", "log-probs", "failed"]

MOST_CHARACTERS = 20_000
"""Of a reply that are looked at: a judge that runs on for longer has lost the question."""


_BEGUN = re.compile(r"""\{\s*["']?[A-Za-z_]\w*["']?\s*:""")
"""How an object of an answer begins, also one that is cut off or is no JSON."""
_FENCE = re.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", re.DOTALL)
_STATED = (
    r"\b(?:i(?:'d| would)? (?:choose|pick|prefer)|my (?:final )?(?:choice|verdict|answer)(?: is|:))\s+"
    r"(?:(?:answer|option|text|response) )?({choices})\b"
)
"""A decision in plain words. "A is better put" is none: reasons name both."""


def read(text: str, shape: Shape, asked: str = "") -> tuple[Answers, Rung]:
    """Return the answer in a reply and the rung it was found on. Raises InputError with the reason none fits.

    Where a reply holds several answers the last counts: reasoning comes first, the verdict last. So nothing counts
    where the last one is cut off, or where the words beside it say something else. `asked`: the question; an object in
    a reply that stands there word for word is a quote of the judged text, which may hold a forged verdict.
    """
    text = text[-MOST_CHARACTERS:].strip()
    if not text:
        raise InputError("the reply is empty.")
    whole = _object(text)
    if whole is not None:
        return shape.read(whole), "json"
    fenced = _FENCE.fullmatch(text)
    if fenced and (inside := _object(fenced[1])) is not None:
        return shape.read(inside), "found"
    wrong: InputError | None = None
    for found in _objects_in(text, _packed(asked)):
        try:
            answers = shape.read(found)
        except InputError as error:
            wrong = wrong or error
            continue
        _refuse_contradiction(text, answers, shape)
        return answers, "found"
    if wrong is not None:
        raise wrong
    return _lines(text, shape), "line"


def _refuse_contradiction(text: str, answers: Answers, shape: Shape) -> None:
    """Raise InputError where the words beside an object decide for another choice than the object does."""
    verdict = shape.verdict
    if verdict.kind != "choice":
        return
    choices = "|".join(re.escape(choice) for choice in verdict.choices)
    outside = re.sub(r"\{[^{}]*\}", " ", text)
    stated = re.findall(_STATED.format(choices=choices), outside, re.IGNORECASE)
    if stated and stated[-1].casefold() != str(answers[verdict.name]).casefold():
        raise InputError(f"{verdict.name}: the words say {stated[-1]}, the JSON says {answers[verdict.name]}.")


def _object(text: str) -> dict[str, Any] | None:
    """Return the mapping that a text is, as JSON or, failing that, as a Python literal (single quotes, True)."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(re.sub(r",(\s*[}\]])", r"\1", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _objects_in(text: str, asked: str = "") -> Iterator[dict[str, Any]]:
    """Yield the mappings that stand in a text and not in the question, the last first.

    Raises InputError where another one begins behind the last of them and cannot be read.
    """
    found, place, end = [], 0, 0
    while (start := text.find("{", place)) >= 0:
        value, place = _object_at(text, start)
        if value is not None:
            end = place
            if not asked or _packed(text[start:place]) not in asked:
                found.append(value)
    if found and _BEGUN.search(text, end):
        raise InputError("the last JSON object is cut off or no JSON.")
    yield from reversed(found)


def _packed(text: str) -> str:
    """Return a text without its blanks: JSON is the same however it is laid out."""
    return "".join(text.split())


def _object_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """Return the mapping whose brace opens at `start`, None when there is none, and where to look on."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        close = text.find("}", start)  # no JSON: single quotes, a comma too many; then a brace inside ends it too soon
        found = _object(text[start : close + 1]) if close >= 0 else None
        return found, start + 1 if found is None else close + 1
    return (value, end) if isinstance(value, dict) else (None, start + 1)


def _lines(text: str, shape: Shape) -> Answers:
    """Return the values of `name: value` lines, markdown around them left out; a bare verdict alone will do."""
    found: dict[str, Any] = {}
    for field in shape.fields:
        pattern = rf"^[\s>*_#\"'-]*{re.escape(field.name)}[\s*_\"']*[:=]\s*(.+?)\s*$"
        if lines := re.findall(pattern, text, re.IGNORECASE | re.MULTILINE):
            found[field.name] = lines[-1].strip(' *_`",')
    if shape.verdict.name not in found and len(text) <= 20:
        found[shape.verdict.name] = text
    return shape.read(found)
