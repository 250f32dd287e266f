"""What a person did with a completion they saw: `{"completion": ..., "click": true, "exposure": {"position": 2}}`.

One record is one showing. Value: any of `{"click": true, "purchase": false, "copy": true, "regenerate": false}`, what
was offered and done (true) or not done (false), and `"dwell_seconds": 42.5`, how long it was looked at. `regenerate`,
asking for another answer, speaks against the completion; all others speak for it. The row's `exposure` says how it was
shown: `position` (from 1, the top) and, where it is known, `propensity`, the probability that a person looks at a text
shown so. Behaviour is weak and one-sided evidence: it becomes signals only where it is asked for
(`SignalConfig.kinds`), each action an aspect of its own, corrected for position (`burnish.feedback.behaviour`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.errors import InputError
from burnish.feedback import behaviour, fields
from burnish.feedback.answers import Answer, SignalConfig
from burnish.records import Score

ACTIONS = ("click", "purchase", "copy", "regenerate")
FIELDS = ("completion", *ACTIONS, "dwell_seconds")


def recognise(row: Mapping[str, Any]) -> bool:
    return any(field in row for field in (*ACTIONS, "dwell_seconds"))


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    _check_exposure(fields.mapping(row.get("exposure", {}), "exposure"))
    value: dict[str, Any] = {field: fields.claim(row[field], field) for field in ACTIONS if field in row}
    if "dwell_seconds" in row:
        value["dwell_seconds"] = fields.number(row["dwell_seconds"], "dwell_seconds")
        if value["dwell_seconds"] < 0:
            raise fields.wrong("dwell_seconds", row["dwell_seconds"], "0 or more")
    if not value:
        raise InputError('implicit: says of no action whether it was done. Add one, such as "click": false.')
    return value


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (fields.text(fields.needed(row, "completion", "showing"), "completion"),)


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    return {"completion": texts[0], **value}


def summary(value: Mapping[str, Any]) -> str:
    done = [field if value[field] else f"no {field}" for field in ACTIONS if field in value]
    looked = [f"looked at it for {value['dwell_seconds']:g} s"] if "dwell_seconds" in value else []
    return ", ".join(done + looked)


def to_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    return behaviour.scores(answers, config, behaviour.exposure_of(answers))


def _check_exposure(exposure: Mapping[str, Any]) -> None:
    if exposure.get("position") is not None:
        fields.whole(exposure["position"], "exposure.position", 1, 10_000)
    if exposure.get("propensity") is not None:
        propensity = fields.number(exposure["propensity"], "exposure.propensity")
        if not 0 < propensity <= 1:
            raise fields.wrong("exposure.propensity", propensity, "above 0 and at most 1", "It is a probability.")
