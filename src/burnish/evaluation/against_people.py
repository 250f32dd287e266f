"""A reward beside people: the same texts, what the reward model said of them and what people did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from burnish.evaluation.text import words
from burnish.feedback.answers import Answer, newest, rescale
from burnish.maths.intervals import rank_correlation
from burnish.records import Interval

LEAST = 10
"""Texts that both have judged; fewer say nothing."""


@dataclass(frozen=True, slots=True)
class AgainstPeople:
    """What the two say of the same texts."""

    points: tuple[tuple[float, float], ...]
    """(reward, people's mean on their scale from 0 to 1), a text each."""
    lengths: tuple[int, ...]
    """Words of the same texts."""
    correlation: Interval | None
    """Spearman, reward against people."""
    reward_by_length: Interval | None
    """Spearman, reward against number of words: far above people's own, the reward pays for length."""
    people_by_length: Interval | None


def against_people(answers: Iterable[Answer], rewards: Mapping[str, float]) -> AgainstPeople | None:
    """Return the comparison on texts that people rated (ratings and thumbs, overall); None below `LEAST` texts.

    `rewards`: by text, for a reward is given to a text whoever drew it.
    """
    graded = [each for each in answers if each.feedback.kind in ("rating", "thumb") and not each.feedback.aspect]
    places: dict[str, list[float]] = defaultdict(list)
    for text, answer in newest((each.completions[0].text, each) for each in graded):
        if text in rewards:
            places[text].append(_place(answer))
    if len(places) < LEAST:
        return None
    people = [float(np.mean(each)) for each in places.values()]
    reward, lengths = [rewards[text] for text in places], [len(words(text)) for text in places]
    return AgainstPeople(
        tuple(zip(reward, people, strict=True)),
        tuple(lengths),
        rank_correlation(reward, people),
        rank_correlation(reward, lengths),
        rank_correlation(people, lengths),
    )


def _place(answer: Answer) -> float:
    value = answer.feedback.value
    return float(value["thumb"]) if "thumb" in value else rescale(value["rating"], value["scale"], (0, 1))
