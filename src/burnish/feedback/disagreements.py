"""Where people differ: every item that was asked about, with all that was said of it, the most disputed first.

How far apart two people's answers to one question are is a number from 0 to 1: whether they say the same (comparisons,
thumbs, each pair of a ranking, each word of a marked text), or how far apart on the scale (ratings, rubrics). Two
comments are never the same words and yet no quarrel, so what people write is not measured. A question's figure is the
mean over pairs of people, drawn towards the mean of its kind by one pair: one quarrel of two is less than five of many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias

from burnish.feedback import kinds
from burnish.feedback.answers import DECIDES, Answer, answers_of, newest
from burnish.maths.intervals import wilson
from burnish.records import Completion, Interval, Prompt, content_id
from burnish.store import Entry

Texts: TypeAlias = tuple[str, str, tuple[str, ...]]
"""Kind, aspect, ids of the completions in a fixed order."""
Asked: TypeAlias = tuple[str, Texts]
"""A question's name in its study, and what it asks."""

PRIOR_PAIRS = 1.0
"""Pairs of people, as far apart as is usual for the kind, that every question is taken to have had before."""
DISPUTED = 0.25
"""Two answers further apart than this are told as different: on a scale from 1 to 5, two grades or more."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing asked of an item, with the latest answer of everybody who answered."""

    kind: str
    aspect: str
    name: str
    """The question's name in its study; empty for answers from elsewhere."""
    completions: tuple[Completion, ...]
    answers: tuple[Answer, ...]
    """People's and judges', in the order in which they came."""
    decisions: tuple[Answer, ...] = ()
    """What reviewers decided, the latest last."""
    apart: float | None = None
    """Mean distance of two people, drawn to the usual; None where fewer than two people answered."""
    disputed: bool = False
    """Whether two people are further apart than `DISPUTED`."""

    @property
    def people(self) -> tuple[Answer, ...]:
        """What people said, without judges."""
        return tuple(each for each in self.answers if each.feedback.author.kind == "human")


@dataclass(frozen=True, slots=True)
class Item:
    """What was shown together, and all that was asked about it."""

    id: str
    run: str
    """`studio:` and the study's name, or where else the answers came from."""
    prompt: Prompt
    questions: tuple[Question, ...]

    @property
    def apart(self) -> float:
        """Of the question that divides people most; 0 where nobody could differ."""
        return max((each.apart or 0.0 for each in self.questions), default=0.0)

    @property
    def disputed(self) -> bool:
        return any(each.disputed for each in self.questions)

    @property
    def decided(self) -> bool:
        """Whether a reviewer has decided every question that people dispute."""
        return all(each.decisions for each in self.questions if each.disputed)

    @property
    def people(self) -> int:
        return len({each.feedback.author.id for question in self.questions for each in question.people})

    @property
    def shared(self) -> bool:
        """Whether two people answered one of its questions, so that they could differ."""
        return any(each.apart is not None for each in self.questions)


def items(entries: Iterable[Entry]) -> list[Item]:
    """Return every item with people's answers, the most disputed first; equals in a fixed order."""
    grouped: dict[tuple[str, Hashable], dict[Asked, list[Answer]]] = defaultdict(lambda: defaultdict(list))
    judged: dict[Texts, list[Answer]] = defaultdict(list)
    for entry in entries:
        for answer in answers_of(entry):
            said, asked = answer.feedback, _asked(answer)
            if said.metadata.get("gold") is True or said.kind not in kinds.names():
                continue
            if said.author.kind == "human":
                item = grouped[said.run, said.metadata.get("item", asked[2])]
                item[said.metadata.get("question", ""), asked].append(answer)
            else:
                judged[asked].append(answer)
    for questions in grouped.values():
        for (_, asked), answers in questions.items():
            answers += judged.get(asked, ())  # a judge speaks of texts, whichever study shows them
    found = [_item(run, name, asked) for (run, name), asked in grouped.items()]
    heard = [item for item in found if item.people]
    usual = _usual(heard)
    weighed = [replace(item, questions=tuple(_drawn(each, usual) for each in item.questions)) for item in heard]
    return sorted(weighed, key=lambda item: (-item.apart, item.id))


def share_disputed(found: Sequence[Item]) -> Interval | None:
    """Return the share of items on which people differ, of those that several answered; None where there is none."""
    shared = [item.disputed for item in found if item.shared]
    return wilson(sum(shared), len(shared)) if shared else None


def distance(one: Answer, two: Answer) -> float | None:
    """Return how far apart two answers to one question are, from 0 to 1; None where they speak of nothing in common."""
    module: Any = kinds.load(one.feedback.kind)
    if not hasattr(module, "opinions"):
        return None
    first, second = dict(module.opinions(one)), dict(module.opinions(two))
    shared = first.keys() & second.keys()
    if not shared:
        return None
    gaps = [abs(first[unit] - second[unit]) for unit in shared]
    return float(sum(gaps if module.METRIC == "interval" else (gap > 0 for gap in gaps)) / len(gaps))


def _asked(answer: Answer) -> Texts:
    said = answer.feedback
    return said.kind, said.aspect, tuple(sorted(said.completion_ids))


def _item(run: str, name: Hashable, asked: dict[Asked, list[Answer]]) -> Item:
    questions = tuple(_question(given) for given in asked.values())
    item = list(name) if isinstance(name, tuple) else name
    prompt = next(iter(asked.values()))[0].prompt
    return Item(content_id("i", [run, prompt.id, item]), run, prompt, questions)


def _question(given: Sequence[Answer]) -> Question:
    decisions = [answer for answer in given if answer.feedback.metadata.get(DECIDES)]
    answers = [answer for _, answer in newest((0, each) for each in given if each not in decisions)]
    first = given[0]
    texts = tuple(sorted(first.completions, key=lambda text: text.id))
    said = first.feedback
    found = Question(said.kind, said.aspect, said.metadata.get("question", ""), texts, tuple(answers), tuple(decisions))
    gaps = _gaps(found)
    if not gaps:
        return found
    return replace(found, apart=sum(gaps) / len(gaps), disputed=max(gaps) > DISPUTED)


def _gaps(question: Question) -> list[float]:
    found = (distance(one, two) for one, two in combinations(question.people, 2))
    return [gap for gap in found if gap is not None]


def _usual(found: Sequence[Item]) -> dict[str, float]:
    """The mean distance of two people, by kind."""
    told: dict[str, list[float]] = defaultdict(list)
    for item in found:
        for question in item.questions:
            if question.apart is not None:
                told[question.kind].append(question.apart)
    return {kind: sum(gaps) / len(gaps) for kind, gaps in told.items()}


def _drawn(question: Question, usual: dict[str, float]) -> Question:
    if question.apart is None:
        return question
    pairs = len(question.people) * (len(question.people) - 1) / 2
    drawn = (question.apart * pairs + usual[question.kind] * PRIOR_PAIRS) / (pairs + PRIOR_PAIRS)
    return replace(question, apart=drawn)
