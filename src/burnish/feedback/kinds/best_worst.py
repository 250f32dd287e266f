"""The best and the worst of several completions: `{"completions": [...], "best": 0, "worst": 3}`.

Value: `{"best": 0, "worst": 3}`, numbers of the completions in the order shown. One glance at K texts says 2K - 3 of
their pairs: the best is above all others, all others are above the worst; of those between, nothing is said. As a
signal it is a ranking with those between at one place (of three completions: their order; of two: a comparison), fitted
together with the rankings of the same completions (`burnish.feedback.rankings`).
Source: Louviere & Woodworth 1991 (best-worst scaling); Marley & Louviere 2005 (its choice models).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields
from burnish.feedback.answers import Answer
from burnish.feedback.kinds import ranking
from burnish.maths.agreement import Metric

FIELDS = ("completions", "best", "worst")
METRIC: Metric = "nominal"


def recognise(row: Mapping[str, Any]) -> bool:
    return "best" in row or "worst" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    last = len(texts(row)) - 1
    best, worst = (fields.whole(fields.needed(row, field, "best_worst"), field, 0, last) for field in ("best", "worst"))
    if best == worst:
        raise InputError(f"worst: {worst} is the best one too. Name two completions, or leave the object out.")
    return {"best": best, "worst": worst}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return ranking.texts(row)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completions": list(texts), "best": value["best"], "worst": value["worst"]}


def summary(value: Mapping[str, Any]) -> str:
    return f"number {value['best'] + 1} is the best, number {value['worst'] + 1} the worst"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On each pair it speaks of: 1 or -1 for the one with the smaller id or the other."""
    ids, value = answer.feedback.completion_ids, answer.feedback.value
    best, worst = ids[value["best"]], ids[value["worst"]]
    spoken = {(best, other) for other in ids if other != best} | {(other, worst) for other in ids if other != worst}
    return [((min(pair), max(pair)), 1.0 if pair[0] < pair[1] else -1.0) for pair in sorted(spoken)]


def also(answer: Answer) -> list[Answer]:
    """A ranking, those between the two tied; a comparison where only two were shown."""
    best, worst = answer.feedback.value["best"], answer.feedback.value["worst"]
    between = [number for number in range(len(answer.completions)) if number not in (best, worst)]
    if not between:
        return [replace(answer, feedback=replace(answer.feedback, kind="comparison", value={"chosen": best}))]
    order = {"ranking": [[best], between, [worst]]}
    return [replace(answer, feedback=replace(answer.feedback, kind="ranking", value=order))]
