"""An answer in words of the reader's language: "A is better (much)", "4", "2, then 1 and 3"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from burnish.studio.study import Question

Say: TypeAlias = Callable[..., str]
"""say(key, **placeholders): a sentence in the reader's language."""


def spoken(question: Question, fields: Any, say: Say) -> str:
    """Return what was answered to a question; a list holds one answer for each completion."""
    if isinstance(fields, Sequence) and not isinstance(fields, str):
        return "; ".join(f"{letter(place)}: {spoken(question, each, say)}" for place, each in enumerate(fields))
    if not isinstance(fields, Mapping) or not fields:
        return "–"
    if fields.get("cannot_judge"):
        return say("work.cannot_judge")
    tell = _TELLERS.get(question.kind)
    return tell(fields, say) if tell else str(fields.get(question.kind, ""))


def letter(index: int) -> str:
    """Return what the completion at a place is called: A, B, ... Z, 27, 28."""
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _comparison(fields: Mapping[str, Any], say: Say) -> str:
    if "tie" in fields:
        return say("work.both_good" if fields["tie"] == "good" else "work.both_bad")
    better = say("work.better", letter=letter(int(fields.get("chosen", 0))))
    names = {1: "work.slightly", 2: "work.clearly", 3: "work.much"}
    strength = names.get(fields.get("strength", 0))
    return f"{better} ({say(strength)})" if strength else better


def _thumb(fields: Mapping[str, Any], say: Say) -> str:
    return say("work.thumb_good" if fields.get("thumb") else "work.thumb_bad")


def _rubric(fields: Mapping[str, Any], say: Say) -> str:
    words = {True: "work.yes", False: "work.no", None: "work.cannot_say"}
    points = fields.get("rubric", ())
    return "; ".join(f"{point.get('criterion')}: {say(words[point.get('answer')])}" for point in points)


def _ranking(fields: Mapping[str, Any], say: Say) -> str:
    groups = [group if isinstance(group, Sequence) else [group] for group in fields.get("ranking", ())]
    return " > ".join(" = ".join(letter(place) for place in group) for group in groups)


def _best_worst(fields: Mapping[str, Any], say: Say) -> str:
    return "; ".join(f"{say(f'work.{end}')}: {letter(int(fields[end]))}" for end in ("best", "worst") if end in fields)


def _span(fields: Mapping[str, Any], say: Say) -> str:
    spans = fields.get("spans", ())
    return "; ".join(f"{span.get('label')} {span.get('start')}–{span.get('end')}" for span in spans) or "–"


_TELLERS: Mapping[str, Callable[[Mapping[str, Any], Say], str]] = {
    "comparison": _comparison,
    "thumb": _thumb,
    "rubric": _rubric,
    "ranking": _ranking,
    "best_worst": _best_worst,
    "span": _span,
}
