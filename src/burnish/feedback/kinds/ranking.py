"""Several completions from best to worst: `{"completions": [...], "ranking": [2, 0, 1]}`, ties as inner lists.

Value: `{"ranking": [[2], [0, 1]]}`, numbers of the completions in the order shown, best first, always as groups; with
`"skipped": [3]` for those a person would not place. A skipped completion is no loser. A ranking stays a ranking
(`burnish.feedback.rankings`); one of two completions is a comparison.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields, rankings
from burnish.feedback.answers import Answer, SignalConfig
from burnish.maths.agreement import Metric
from burnish.records import Preference

FIELDS = ("completions", "ranking", "skipped")
METRIC: Metric = "nominal"
MOST = 100  # nobody ranks more; it bounds what one line of a file can make us compute


def recognise(row: Mapping[str, Any]) -> bool:
    return "ranking" in row or "skipped" in row


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = len(texts(row))
    groups = [
        _numbers(place if isinstance(place, list) else [place], f"ranking[{index}]", shown)
        for index, place in enumerate(fields.items(fields.needed(row, "ranking", "ranking"), "ranking"))
    ]
    skipped = _numbers(fields.items(row.get("skipped", []), "skipped"), "skipped", shown)
    placed = [number for group in groups for number in group] + skipped
    if twice := sorted({number for number in placed if placed.count(number) > 1}):
        raise InputError(f"ranking: completion {twice[0]} is placed twice. Give every number once.")
    if missing := sorted(set(range(shown)) - set(placed)):
        raise InputError(
            f"ranking: {shown} completions were shown but the ranking lists {len(placed)} (missing {missing[0]}). "
            f'Rank every completion, or add "skipped": {missing}.'
        )
    if any(not group for group in groups):
        raise InputError("ranking: a place holds no completion. Remove the empty list.")
    if len(groups) < 2:
        raise InputError("ranking: all completions are tied, so nothing was ranked. Leave the object out.")
    value: dict[str, Any] = {"ranking": [sorted(group) for group in groups]}
    return {**value, "skipped": sorted(skipped)} if skipped else value


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    given = fields.items(fields.needed(row, "completions", "ranking"), "completions")
    if not 2 <= len(given) <= MOST:
        raise InputError(f"completions: {len(given)} of them, expected 2 to {MOST}.")
    shown = tuple(fields.text(each, f"completions[{index}]") for index, each in enumerate(given))
    for index, each in enumerate(shown):
        if (before := shown.index(each)) < index:
            raise InputError(f"completions[{index}]: identical to completions[{before}]. List every text once.")
    return shown


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    groups = value["ranking"]
    plain = [group[0] for group in groups] if all(len(group) == 1 for group in groups) else groups
    row = {"completions": list(texts), "ranking": plain}
    return {**row, "skipped": value["skipped"]} if value.get("skipped") else row


def summary(value: Mapping[str, Any]) -> str:
    order = " > ".join(" = ".join(str(number + 1) for number in group) for group in value["ranking"])
    skipped = ", ".join(str(number + 1) for number in value.get("skipped", []))
    return f"ranked {order}{f' (skipped {skipped})' if skipped else ''}"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On each pair that was placed: 1 or -1 for the one with the smaller id or the other, 0 for a tie."""
    ids = answer.feedback.completion_ids
    place = {ids[number]: rank for rank, group in enumerate(answer.feedback.value["ranking"]) for number in group}
    pairs = combinations(sorted(place), 2)
    return [((one, two), float(place[one] < place[two]) - float(place[one] > place[two])) for one, two in pairs]


def to_preferences(answers: Sequence[Answer], config: SignalConfig) -> list[Preference]:
    return rankings.preferences([answer for answer in answers if len(answer.completions) > 2], config)


def also(answer: Answer) -> list[Answer]:
    """A comparison, where only two completions were shown."""
    if len(answer.completions) != 2:
        return []
    chosen = answer.feedback.value["ranking"][0][0]
    return [replace(answer, feedback=replace(answer.feedback, kind="comparison", value={"chosen": chosen}))]


def _numbers(given: list[Any], field: str, shown: int) -> list[int]:
    return [fields.whole(each, f"{field}[{index}]", 0, shown - 1) for index, each in enumerate(given)]
