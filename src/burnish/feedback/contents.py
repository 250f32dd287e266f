"""What people said: how often each answer, what their comments are about and in which respects, where they differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from burnish.feedback import disagreements
from burnish.feedback.answers import Answer, answers_of, is_opinion
from burnish.feedback.words.reading import read
from burnish.feedback.words.topics import Topic, topics
from burnish.records import Interval
from burnish.store import Entry

HARDEST = 10
"""Items that are listed as the most disputed."""
FEW = 10
"""Grades up to which each is counted for itself."""
MOST_TOPICS, COMMENTS_A_TOPIC = 12, 8
MOST_COMMENTS = 5_000
"""Comments that topics and aspects are found in, the first of the store: more take minutes and tell little."""


@dataclass(frozen=True, slots=True)
class InRespect:
    """What comments say in one respect."""

    aspect: str
    comments: int
    value: float
    """Mean of what they say, from -4 to 4."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was said, without who said it."""

    answers: Mapping[str, Mapping[str, int]]
    """By kind: how often each answer was given, in the order of the scale."""
    disputed: Interval | None
    """Share of items on which people differ, of those that several answered."""
    hardest: Sequence[disagreements.Item]
    comments: int
    aspects: Sequence[InRespect]
    """The most spoken of first."""
    topics: Sequence[Topic]

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON, without anybody's words."""
        return {
            "answers": {kind: dict(counts) for kind, counts in self.answers.items()},
            "disputed": None if self.disputed is None else [self.disputed.low, self.disputed.high],
            "hardest": [{"item": item.id, "apart": item.apart, "people": item.people} for item in self.hardest],
            "aspects": [{"aspect": e.aspect, "comments": e.comments, "value": e.value} for e in self.aspects],
            "topics": [{"words": list(e.words), "share": e.share, "value": e.value} for e in self.topics],
        }


def contents(entries: Sequence[Entry]) -> Contents:
    """Return what people said in the entries; judges, gold and decisions stay out."""
    counts: dict[str, Counter[tuple[float, str]]] = defaultdict(Counter)
    comments: list[str] = []
    for entry in entries:
        for answer in answers_of(entry):
            if is_opinion(answer):
                counts[answer.feedback.kind].update(_pressed(answer))
                comments += _worded(answer)
    items = disagreements.items(entries)
    comments = comments[:MOST_COMMENTS]
    return Contents(
        answers={kind: _in_order(found) for kind, found in sorted(counts.items()) if found},
        disputed=disagreements.share_disputed(items),
        hardest=[item for item in items if item.disputed][:HARDEST],
        comments=len(comments),
        aspects=_aspects(comments),
        topics=topics(comments, max(2, min(MOST_TOPICS, len(comments) // COMMENTS_A_TOPIC))) if comments else [],
    )


def _pressed(answer: Answer) -> Iterable[tuple[float, str]]:
    """Yield the answer as (place among the answers of its kind, words), for kinds that have a few set answers."""
    kind, value = answer.feedback.kind, answer.feedback.value
    if kind == "rating":
        yield _grade(float(value["rating"]), *value["scale"])
    elif kind == "thumb":
        yield float(value["thumb"]), "up" if value["thumb"] else "down"
    elif kind == "comparison":
        if value.get("order") == "unknown" and "chosen" in value:
            yield 0, "one of the two, in an order that is not known"
        elif "chosen" in value:
            yield value["chosen"], ("first shown", "second shown")[value["chosen"]]
        else:
            yield (2, f"tie, both {value['tie']}") if "tie" in value else (3, "cannot judge")
    elif kind == "span":
        yield from ((0, span["label"] or "without a label") for span in value["spans"])


def _grade(rating: float, low: float, high: float) -> tuple[float, str]:
    """Return the grade itself on a scale of a few, else the tenth of the scale that it lies in."""
    if high - low <= FEW and rating.is_integer():
        return rating, f"{rating:g} of {high:g}"
    tenth = (high - low) / 10
    place = low + tenth * min(9, int((rating - low) / tenth))
    return place, f"{place:g} to {place + tenth:g}"


def _in_order(found: Counter[tuple[float, str]]) -> dict[str, int]:
    return {name: count for (_, name), count in sorted(found.items(), key=lambda item: (item[0][0], -item[1]))}


def _worded(answer: Answer) -> list[str]:
    texts = (answer.feedback.value.get("comment"), answer.feedback.comment)
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _aspects(comments: Iterable[str]) -> list[InRespect]:
    values: dict[str, list[float]] = defaultdict(list)
    for comment in comments:
        for aspect, estimate in read(comment).aspects.items():
            values[aspect].append(estimate.value)
    told = [InRespect(aspect, len(each), fsum(each) / len(each)) for aspect, each in values.items()]
    return sorted(told, key=lambda each: (-each.comments, each.aspect))
