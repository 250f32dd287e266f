"""One report a question: what was answered how often, and how far people agree on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from burnish.feedback.answers import Answer, answers_of, is_opinion
from burnish.feedback.over_time import Period, agreement_over_time
from burnish.feedback.overview import agreement_on, can_agree
from burnish.feedback.people import pressed
from burnish.maths.agreement import Agreement
from burnish.maths.intervals import wilson
from burnish.records import Interval
from burnish.store import Entry

PRESSED_KINDS = ("comparison", "rating", "thumb")
"""Kinds that are answered by pressing one of a few buttons."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answers by people."""

    name: str
    kind: str
    aspect: str
    answers: int
    agreement: Agreement | None
    over_time: tuple[Period, ...]
    shares: Mapping[Hashable, Interval]
    """How often each button was pressed, with its interval; empty for kinds that are not pressed."""
    first_chosen: Interval | None
    """Comparisons: how often the one shown first was preferred. The order is random, so one half is expected."""


def questions(entries: Iterable[Entry], *, resamples: int = 1_000) -> list[Asked]:
    """Return a report of each question that people answered, those with most answers first."""
    heard: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for entry in entries:
        for answer in answers_of(entry):
            said = answer.feedback
            if is_opinion(answer):
                heard[said.metadata.get("question", ""), said.kind, said.aspect].append(answer)
    found = [_asked(*key, answers, resamples) for key, answers in heard.items()]
    return sorted(found, key=lambda each: (-each.answers, each.name, each.kind, each.aspect))


def _asked(name: str, kind: str, aspect: str, answers: Sequence[Answer], resamples: int) -> Asked:
    comparable = can_agree(kind)
    return Asked(
        name,
        kind,
        aspect,
        len(answers),
        agreement_on(kind, answers, resamples=resamples) if comparable else None,
        tuple(agreement_over_time(kind, answers)) if comparable else (),
        _shares(kind, answers),
        _first_chosen(kind, answers),
    )


def _shares(kind: str, answers: Sequence[Answer]) -> dict[Hashable, Interval]:
    if kind not in PRESSED_KINDS:
        return {}
    counts = Counter(pressed(answer) for answer in answers)
    order = sorted(counts, key=lambda each: (isinstance(each, str), each))
    return {each: wilson(counts[each], len(answers)) for each in order}


def _first_chosen(kind: str, answers: Sequence[Answer]) -> Interval | None:
    if kind != "comparison":
        return None
    chosen = [
        answer.feedback.value["chosen"] == 0
        for answer in answers
        if "chosen" in answer.feedback.value and answer.feedback.value.get("order") != "unknown"
    ]
    return wilson(sum(chosen), len(chosen)) if chosen else None
