"""A judge beside each person: how often both say the same of the same texts, and what each says where they differ.

`judge_card` tells what a judge is worth against all people together; here one sees with whom it goes, and which way it
errs. Of a pair the answers are *first*, *second* (in the order in which the person saw them) or *even* (a tie; also a
judge's "cannot judge"); a text is *good* above the middle of its scale, else *bad*. Intervals resample prompts, because
texts of one prompt resemble each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from burnish.evaluation.judge_card import MIDDLE, TEXT_KINDS, place_of
from burnish.feedback.answers import Answer, answers_of, is_opinion, newest
from burnish.maths.corrected import kappa
from burnish.maths.intervals import bootstrap_mean, wilson
from burnish.records import Interval
from burnish.store import Entry

RESAMPLES = 1_000
LEAST = 5
"""Items that both answered, below which nothing is told of a person."""
Form: TypeAlias = Literal["pairs", "texts"]
ANSWERS: Mapping[Form, tuple[str, ...]] = {"pairs": ("first", "second", "even"), "texts": ("good", "bad")}


@dataclass(frozen=True, slots=True)
class Beside:
    """A judge beside one person, on the items of one form that both answered."""

    person: str
    form: Form
    n: int
    """Items that both answered."""
    table: Mapping[tuple[str, str], int]
    """(what the person said, what the judge said) -> items; what never came is left out."""
    same: Interval
    """Share of items on which both said the same."""
    kappa: float | None
    """Cohen's: 0 where chance would do as well; None where both always say one thing."""
    difference: Interval | None = None
    """Texts: the judge's grade minus the person's, on a scale from 0 to 1."""


@dataclass
class _Both:
    """What two have said of the same items, in one order."""

    prompts: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)


def beside_people(entries: Iterable[Entry], judge: str, *, seed: int = 0) -> list[Beside]:
    """Return the judge beside every named person with at least `LEAST` items in common, most items first."""
    found: dict[tuple[Form, str], _Both] = defaultdict(_Both)
    for entry in entries:
        answers = list(answers_of(entry))
        own = [each for each in answers if (each.feedback.author.kind, each.feedback.author.id) == ("ai", judge)]
        if own:
            people = [each for each in answers if is_opinion(each) and each.feedback.author.id]
            _pairs(own, people, found)
            _texts(own, people, found)
    rows = [_beside(form, who, both, seed) for (form, who), both in found.items() if len(both.said) >= LEAST]
    return sorted(rows, key=lambda row: (-row.n, row.person))


def _pairs(own: Sequence[Answer], people: Sequence[Answer], found: dict[tuple[Form, str], _Both]) -> None:
    judged = dict(newest((frozenset(each.feedback.completion_ids), each) for each in own if _is_pair(each)))
    for texts, answer in newest((frozenset(each.feedback.completion_ids), each) for each in people if _is_pair(each)):
        if texts in judged and "cannot_judge" not in answer.feedback.value:
            both = found["pairs", answer.feedback.author.id]
            both.prompts.append(answer.prompt.id)
            both.said.append((_choice(answer, answer), _choice(judged[texts], answer)))


def _is_pair(answer: Answer) -> bool:
    return answer.feedback.kind == "comparison" and not answer.feedback.aspect


def _choice(answer: Answer, shown: Answer) -> str:
    """Return what an answer prefers, in the order in which another one's author saw the texts."""
    chosen = answer.feedback.value.get("chosen")
    if chosen is None:
        return "even"
    return ANSWERS["pairs"][shown.feedback.completion_ids.index(answer.feedback.completion_ids[chosen])]


def _texts(own: Sequence[Answer], people: Sequence[Answer], found: dict[tuple[Form, str], _Both]) -> None:
    judged = {text: place_of(answer) for text, answer in newest(_graded(own))}
    for text, answer in newest(_graded(people)):
        if text in judged:
            both, place = found["texts", answer.feedback.author.id], place_of(answer)
            both.prompts.append(answer.prompt.id)
            both.said.append((_grade(place), _grade(judged[text])))
            both.differences.append(judged[text] - place)


def _graded(answers: Iterable[Answer]) -> Iterable[tuple[str, Answer]]:
    overall = (each for each in answers if each.feedback.kind in TEXT_KINDS and not each.feedback.aspect)
    return ((each.feedback.completion_ids[0], each) for each in overall)


def _grade(place: float) -> str:
    return "good" if place > MIDDLE else "bad"


def _beside(form: Form, person: str, both: _Both, seed: int) -> Beside:
    codes = {name: code for code, name in enumerate(ANSWERS[form])}
    person_N, judge_N = (np.array([codes[pair[side]] for pair in both.said]) for side in (0, 1))
    agreed = kappa(person_N, judge_N)
    return Beside(
        person,
        form,
        n=len(both.said),
        table=dict(Counter(both.said)),
        same=_share([one == other for one, other in both.said], both.prompts, seed),
        kappa=None if np.isnan(agreed) else agreed,
        difference=_mean(both.differences, both.prompts, seed) if form == "texts" else None,
    )


def _share(hits: Sequence[bool], prompts: Sequence[str], seed: int) -> Interval:
    """Return a share; by Wilson where no two items share a prompt, because he knows that 9 of 9 are not all."""
    clusters = len(set(prompts))
    if 1 < clusters < len(hits):
        return bootstrap_mean([float(hit) for hit in hits], prompts, n=RESAMPLES, seed=seed)
    return wilson(sum(hits), len(hits))


def _mean(values: Sequence[float], prompts: Sequence[str], seed: int) -> Interval | None:
    return bootstrap_mean(values, prompts, n=RESAMPLES, seed=seed) if len(set(prompts)) > 1 else None
