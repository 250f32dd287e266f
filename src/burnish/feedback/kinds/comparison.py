"""Which of two completions is better: `{"chosen": ..., "rejected": ..., "strength": 2}`, or `"tie": "good" | "bad"`.

Value: `{"chosen": 0}` (which of the two shown), with `"strength": 1..3` (slightly, clearly, much better) where it was
asked; or `{"tie": "good"}` / `{"tie": "bad"}` (equally good, equally bad); or `{"cannot_judge": true}`.
A tie is half a win each way and also two thumbs, up or down; "cannot judge" is a missing answer, never one half.
A row may say which of the two was shown first (`"shown_first": "rejected"`); where it does not, the value holds
`"order": "unknown"`, so that nobody estimates a liking for the left side from files that put the chosen text there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields, votes
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.corrections import align
from burnish.maths.agreement import Metric
from burnish.records import Preference

FIELDS = ("chosen", "rejected", "strength", "tie", "cannot_judge", "shown_first")
METRIC: Metric = "nominal"
STRENGTHS = ("slightly", "clearly", "much")


def recognise(row: Mapping[str, Any]) -> bool:
    return any(field in row for field in ("chosen", "rejected", "strength", "tie"))


def parse(row: Mapping[str, Any]) -> dict[str, Any]:
    verdicts = [field for field in ("strength", "tie", "cannot_judge") if field in row]
    if len(verdicts) > 1:
        raise InputError(f"{verdicts[1]}: given beside {verdicts[0]}, which contradicts it. Keep one of them.")
    order = {} if "shown_first" in row else {"order": "unknown"}
    if "tie" in row:
        return {"tie": fields.one_of(row["tie"], "tie", ("good", "bad")), **order}
    if "cannot_judge" in row and fields.claim(row["cannot_judge"], "cannot_judge"):
        return {"cannot_judge": True, **order}
    strength = {"strength": fields.whole(row["strength"], "strength", 1, 3)} if "strength" in row else {}
    return {"chosen": _first(row).index("chosen"), **strength, **order}


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    pair = {field: fields.text(fields.needed(row, field, "comparison"), field) for field in ("chosen", "rejected")}
    if pair["chosen"] == pair["rejected"]:
        raise InputError("rejected: identical to chosen, so nothing was compared. Leave the object out.")
    return tuple(pair[field] for field in _first(row))


def to_row(value: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    chosen = value.get("chosen", 0)
    row = {"chosen": texts[chosen], "rejected": texts[1 - chosen]}
    row.update((field, value[field]) for field in ("strength", "tie", "cannot_judge") if field in value)
    if "order" not in value:
        row["shown_first"] = "chosen" if chosen == 0 else "rejected"
    return row


def summary(value: Mapping[str, Any]) -> str:
    if "tie" in value:
        return f"both equally {value['tie']}"
    if "cannot_judge" in value:
        return "could not judge"
    which = ("first", "second")[value["chosen"]]
    return f"the {which} is {STRENGTHS[value['strength'] - 1] + ' ' if 'strength' in value else ''}better"


def opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    """On the pair: 1 or -1 for the one with the smaller id or the other, 0 for a tie; nothing for "cannot judge"."""
    value, ids = answer.feedback.value, answer.feedback.completion_ids
    if "cannot_judge" in value:
        return []
    direction = 0.0 if "tie" in value else 1.0 if ids[value["chosen"]] == min(ids) else -1.0
    return [(tuple(sorted(ids)), direction)]


def to_preferences(answers: Sequence[Answer], config: SignalConfig) -> list[Preference]:
    """Preferences by votes (`burnish.feedback.votes`); a margin where a strength was given or a text was corrected.

    A correction's margin, in rating units: the share of words that had to be changed, times half the width of the
    scale. A text that had to be written anew is as far from its correction as a middling one from the best.
    """
    corrected = {
        frozenset(answer.feedback.completion_ids) for answer in answers if "corrected" in answer.feedback.value
    }
    made = []
    for preference in votes.preferences(answers, config):
        pair = frozenset((preference.chosen.id, preference.rejected.id))
        if preference.margin is None and pair in corrected:
            changed = align(preference.rejected.text, preference.chosen.text).share
            preference = replace(preference, margin=changed * config.width / 2)
        made.append(preference)
    return made


def also(answer: Answer) -> list[Answer]:
    """Two thumbs, where both were called good or both bad."""
    verdict = answer.feedback.value.get("tie")
    if verdict is None:
        return []
    said = replace(answer.feedback, kind="thumb", value={"thumb": verdict == "good"})
    return [
        Answer(answer.prompt, (completion,), replace(said, completion_ids=(completion.id,)))
        for completion in answer.completions
    ]


def _first(row: Mapping[str, Any]) -> tuple[str, str]:
    """The two fields in the order in which their texts were shown."""
    if fields.one_of(row.get("shown_first", "chosen"), "shown_first", ("chosen", "rejected")) == "rejected":
        return "rejected", "chosen"
    return "chosen", "rejected"
