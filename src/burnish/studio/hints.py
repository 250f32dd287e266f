"""What an AI judge said of an item, for a person who has answered it already: never before (it would be believed).

And completions by number, turned from one order into another: what was expected and what a judge said speak of their
own order, a screen shows another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.records import Feedback
from burnish.store import Store
from burnish.store.held import Held
from burnish.studio.study import ABOUT_ALL, Question, Study


def judged(store: Store, study: Study, held: Held) -> Mapping[str, Any] | None:
    """Return a judge's answers by question, completions numbered as they are shown; None where there are none."""
    said: dict[str, Any] = {}
    records = [
        record
        for entry in store.entries(prompt_ids=[held.prompt_id])
        for record in entry.feedback
        if record.author.kind == "ai"
    ]
    for question in study.questions:
        own = [each for each in records if each.kind == question.kind and each.aspect == question.aspect]
        answer = _about_all(question, own, held) if question.kind in ABOUT_ALL else _about_each(own, held)
        if answer is not None:
            said[question.name] = answer
    return said or None


def _about_all(question: Question, records: Sequence[Feedback], held: Held) -> Mapping[str, Any] | None:
    """Return the newest answer about exactly these completions."""
    for record in reversed(records):
        if sorted(record.completion_ids) == sorted(held.shown_ids):
            return renumbered(record.value, [held.shown_ids.index(name) for name in record.completion_ids])
    return None


def _about_each(records: Sequence[Feedback], held: Held) -> list[Mapping[str, Any] | None] | None:
    newest = {record.completion_ids: record.value for record in records}
    found = [newest.get((name,)) for name in held.shown_ids]
    return found if any(found) else None


def as_shown(question: Question, answer: Any, held: Held) -> Any:
    """Return an answer that numbers completions in the item's own order, in the order shown to this person."""
    if question.kind in ABOUT_ALL:
        places = [held.shown.index(place) for place in range(len(held.shown))]
        return renumbered(answer, places) if isinstance(answer, Mapping) else answer
    if isinstance(answer, list) and len(answer) == len(held.shown):
        return [answer[place] for place in held.shown]
    return answer


def as_stored(question: Question, answer: Any, held: Held) -> Any:
    """Return an answer given in the order shown with the numbers of the item's own order: inverse of `as_shown`."""
    if question.kind in ABOUT_ALL:
        return renumbered(answer, held.shown) if isinstance(answer, Mapping) else answer
    if isinstance(answer, list) and len(answer) == len(held.shown):
        return [answer[held.shown.index(place)] for place in range(len(answer))]
    return answer


def renumbered(answer: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Return an answer about all completions with number i replaced by places[i]."""
    turned = dict(answer)
    for name in ("chosen", "best", "worst"):
        if turned.get(name) is not None:
            turned[name] = places[turned[name]]
    if "ranking" in turned:
        groups = [group if isinstance(group, list) else [group] for group in turned["ranking"]]
        turned["ranking"] = [sorted(places[place] for place in group) for group in groups]
    if "skipped" in turned:
        turned["skipped"] = sorted(places[place] for place in turned["skipped"])
    return turned
