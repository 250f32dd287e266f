"""Answers to a rubric: `{"completion": ..., "rubric": [{"criterion": "cites a source", "answer": true}]}`.

Each point has a `criterion` (its name or question) and an `answer`: true or false, or a number with its `scale`; null
is "cannot judge". Where the rubric says so also `weight` (1 when left out; negative for a pitfall, whose presence costs
points), `essential` (true: where it is missed the whole is at best middling) and `evidence` (a quote or a reason).
Value: `{"rubric": [...]}`, the points as given. How points become one score: `burnish.feedback.checklists`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from burnish.errors import InputError, nearest
from burnish.feedback import checklists, fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.maths.agreement import Metric
from burnish.records import Critique, Score

FIELDS = ("completion", "rubric")
METRIC: Metric = "interval"
PARTS = ("criterion", "answer", "scale", "weight", "essential", "evidence")


def recognise(row: Mapping[str, Any]) -> bool:
    return "rubric" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    given = fields.items(fields.needed(row, "rubric", "rubric"), "rubric")
    points = [_point(each, f"rubric[{index}]") for index, each in enumerate(given)]
    names = [point["criterion"] for point in points]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"rubric: {twice[0]!r} is answered twice. Give every criterion once.")
    if not any(point["answer"] is not None for point in points):
        raise InputError("rubric: no point is answered. Leave the object out.")
    if not any(point.get("weight", 1) > 0 for point in points):
        raise InputError("rubric: no point has a weight above 0, so no answer could be good. Add what is asked for.")
    return {"rubric": points}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "rubric"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "rubric": value["rubric"]}


def summary(value: Mapping[str, Any]) -> str:
    share = checklists.share(value["rubric"])
    missed = ", ".join(point["criterion"] for point in value["rubric"] if checklists.is_missed(point))
    return f"{share:.0%} of the rubric{f'; missed: {missed}' if missed else ''}"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On each point of the completion that was answered: 0 not met to 1 met."""
    points = answer.feedback.value["rubric"]
    return [(point["criterion"], met) for point in points if (met := checklists.met(point)) is not None]


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    return checklists.scores(answers, config)


def to_critiques(answers: Sequence[Answer], config: SignalConfig) -> list[Critique]:
    return checklists.critiques(answers)


def _point(value: object, path: str) -> dict[str, Any]:
    given = fields.mapping(value, path)
    if unknown := sorted(set(given) - set(PARTS)):
        raise InputError(f"{path}: {unknown[0]!r} is unknown.{nearest(unknown[0], PARTS)}")
    if "answer" not in given:
        raise InputError(f"{path}.answer: missing. Give true, false, a number with its scale, or null.")
    point: dict[str, Any] = {"criterion": fields.name(given.get("criterion"), f"{path}.criterion")}
    point["answer"] = _answer(given, path)
    if given.get("scale") is not None:
        point["scale"] = _scale(given["scale"], f"{path}.scale")
        _need_inside(point, path)
    if given.get("weight") is not None:
        point["weight"] = fields.number(given["weight"], f"{path}.weight")
        if point["weight"] == 0:
            raise fields.wrong(f"{path}.weight", given["weight"], "above or below 0", "Leave the point out.")
    if given.get("essential") is not None:
        point["essential"] = fields.claim(given["essential"], f"{path}.essential")
    if given.get("evidence"):
        point["evidence"] = fields.characters(given["evidence"], f"{path}.evidence")
    return point


def _answer(given: Mapping[str, Any], path: str) -> bool | int | float | None:
    answer = given["answer"]
    if answer is None or isinstance(answer, bool):
        return answer
    number = fields.number(answer, f"{path}.answer")
    if given.get("scale") is None:
        raise InputError(f'{path}.scale: missing, but the answer is a number. Add "scale": [worst, best].')
    return number


def _scale(value: object, path: str) -> list[int | float]:
    ends = fields.items(value, path)
    if len(ends) != 2:
        raise fields.wrong(path, ends, "a worst and a best value", "Write [0, 4].")
    low, high = (fields.number(end, f"{path}[{index}]") for index, end in enumerate(ends))
    if low >= high:
        raise fields.wrong(path, ends, "a worst value below a best value", "Write the worst value first.")
    return [low, high]


def _need_inside(point: Mapping[str, Any], path: str) -> None:
    low, high = point["scale"]
    if isinstance(point["answer"], bool):
        raise InputError(f"{path}.scale: given, but the answer is true or false. Remove it, or answer by a number.")
    if point["answer"] is not None and not low <= point["answer"] <= high:
        raise InputError(f"{path}.answer: {point['answer']} is outside its scale, {low} to {high}. Mend either.")
