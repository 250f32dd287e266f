"""How good one completion is, as a number on a stated scale: `{"completion": ..., "rating": 4, "scale": [1, 5]}`.

Value: `{"rating": 4, "scale": [1, 5]}`, whole numbers as int. Several people's ratings become one score with a
variance: people who are named get an offset for leniency, all means are shrunk (`burnish.feedback.ratings`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields, ratings
from burnish.feedback.answers import Answer, SignalConfig, rescale
from burnish.maths.agreement import Metric
from burnish.records import Score

FIELDS = ("completion", "rating", "scale")
METRIC: Metric = "interval"


def recognise(row: Mapping[str, Any]) -> bool:
    return "rating" in row or "scale" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    scale = fields.items(fields.needed(row, "scale", "rating"), "scale")
    if len(scale) != 2:
        raise fields.wrong("scale", scale, "a worst and a best value", "Write [1, 5].")
    low, high = (fields.number(end, f"scale[{index}]") for index, end in enumerate(scale))
    if low >= high:
        raise fields.wrong("scale", scale, "a worst value below a best value", "Write the worst value first.")
    rating = fields.number(fields.needed(row, "rating", "rating"), "rating")
    if not low <= rating <= high:
        raise InputError(f"rating: {rating} is outside its scale, {low} to {high}. Mend the rating or the scale.")
    return {"rating": rating, "scale": [low, high]}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "rating"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], "rating": value["rating"], "scale": value["scale"]}


def summary(value: Mapping[str, Any]) -> str:
    low, high = value["scale"]
    return f"rated {value['rating']} on a scale from {low} to {high}"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On the completion: its place between the worst (0) and the best (1) of its scale."""
    value = answer.feedback.value
    return [(answer.feedback.completion_ids[0], rescale(value["rating"], value["scale"], (0, 1)))]


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    return ratings.scores(answers, config)
