"""Who reads comments: the rules, a scorer learned from people's own grades, or a model; measured, and kept in a file.

The rules read everything, anywhere. Whoever has comments beside grades of the same people can have a scorer learned
from them, and whoever has a model can ask it; whether either reads better is measured on comments that it did not learn
from, against the grades that their own authors gave. Readings that took over are kept in a file, by the comment's id:
`SignalConfig.readings` puts them in the place of the rules', so that training needs neither scorer nor model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from burnish.errors import InputError
from burnish.feedback.answers import Answer, SignalConfig
from burnish.feedback.kinds import comment as comments
from burnish.feedback.signals import heard
from burnish.feedback.words import asked, grades, learned
from burnish.feedback.words.asked import Compared
from burnish.feedback.words.reading import Estimate, Reading, Said
from burnish.maths.intervals import rank_correlation
from burnish.plain import to_plain
from burnish.records import Interval, Span, share_of
from burnish.store import Entry

HELD_OUT = 0.3
"""Share of the prompts whose graded comments nothing is learned from."""
LEAST_MEASURED = 10
"""Graded comments held out, below which nothing is measured: an interval of fewer says nothing."""
LEAST_VARIANCE = 0.25
"""A model's stated variance, however near it came on a few comments."""

Reads: TypeAlias = Callable[[Sequence[Answer]], list[Reading | None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to read comments, against the rules, on comments held out."""

    name: str
    compared: Compared
    rank: Interval | None
    """Spearman's correlation with the authors' own grades; None where there are too few."""
    learned_from: int = 0
    """Graded comments that it was fitted to."""


def comments_in(entries: Iterable[Entry], config: SignalConfig | None = None) -> list[Answer]:
    """All comments that count, remarks made beside other answers too, with their authors' own grades where given."""
    return heard(entries, config or SignalConfig()).get("comment", [])


def grade_of(answer: Answer) -> float | None:
    """The grade, -4 to 4, that a comment's author gave the same completion; None where they gave none."""
    grade = answer.feedback.metadata.get(comments.OWN_GRADE)
    return None if grade is None else float(grade)


def split(given: Sequence[Answer]) -> tuple[list[Answer], list[Answer]]:
    """The graded comments: those that may be learned from, and those held out, by the hash of their prompt."""
    graded = [answer for answer in given if grade_of(answer) is not None]
    held = [share_of(answer.prompt.id, "comments") < HELD_OUT for answer in graded]
    rows = list(zip(graded, held, strict=True))
    return [answer for answer, is_held in rows if not is_held], [answer for answer, is_held in rows if is_held]


# -------------------------------------------------------------------------------------------------------------- readers


def by_rules(config: SignalConfig) -> Reads:
    """The rules (`burnish.feedback.words.reading`)."""
    plain = replace(config, readings={})
    return lambda given: [reading for _, reading in comments.read_all(given, plain)]


def by_weights(graded: Sequence[Answer], config: SignalConfig) -> Reads:
    """The rules, their findings weighed by people's own grades: what signals are made of where nothing takes over."""
    rules = by_rules(config)
    people = [answer.feedback.author.id for answer in graded]
    fitted = grades.fit([r for r in rules(graded) if r], [grade_of(a) or 0.0 for a in graded], people)

    def read(given: Sequence[Answer]) -> list[Reading | None]:
        return [replace(each, whole=fitted.predict(each)) for each in rules(given) if each]

    return read


def by_learning(graded: Sequence[Answer], config: SignalConfig) -> Reads:
    """A scorer learned from graded comments; errors as in `scorer_of`."""
    return by_scorer(scorer_of(graded), config)


def scorer_of(graded: Sequence[Answer]) -> learned.LearnedScorer:
    """The scorer of graded comments. Raises InputError for fewer than `learned.ENOUGH`."""
    texts = [str(answer.feedback.value["comment"]) for answer in graded]
    return learned.fit(texts, [grade_of(answer) or 0.0 for answer in graded])


def by_scorer(scorer: learned.LearnedScorer, config: SignalConfig) -> Reads:
    """A learned scorer's value; what the rules found of aspects and parts stays beside it."""
    rules = by_rules(config)

    def read(given: Sequence[Answer]) -> list[Reading | None]:
        values = scorer.predict([str(answer.feedback.value["comment"]) for answer in given])
        rows = zip(rules(given), values, strict=True)
        return [replace(each, whole=value, doubts=()) for each, value in rows if each]

    return read


def stated(readings: Sequence[Reading | None], graded: Sequence[Answer]) -> list[Reading | None]:
    """A model's readings with the variance that it proves to have: its mean squared error on graded comments."""
    errors = [
        (reading.whole.value - grade) ** 2
        for reading, answer in zip(readings, graded, strict=True)
        if reading and reading.whole and (grade := grade_of(answer)) is not None
    ]
    if len(errors) < LEAST_MEASURED:
        return list(readings)
    variance = max(float(np.mean(errors)), LEAST_VARIANCE)
    return [reading and _with_variance(reading, variance) for reading in readings]


def _with_variance(reading: Reading, variance: float) -> Reading:
    return replace(
        reading,
        whole=reading.whole and replace(reading.whole, variance=variance),
        aspects={name: replace(each, variance=variance) for name, each in reading.aspects.items()},
    )


# ------------------------------------------------------------------------------------------------------------- measured


def measure(
    name: str,
    readings: Sequence[Reading | None],
    held: Sequence[Answer],
    config: SignalConfig,
    *,
    learned_from: int = 0,
) -> Measured:
    """How near readings of held-out comments come to their authors' own grades, beside the rules, by prompt.

    Raises InputError for fewer than `LEAST_MEASURED` comments.
    """
    if len(held) < LEAST_MEASURED:
        raise InputError(
            f"comments: {len(held)} graded comments are held out, and {LEAST_MEASURED} are the least that say "
            "anything. Have people grade what they comment on."
        )
    people = [grade_of(answer) or 0.0 for answer in held]
    rules = [reading for reading in by_rules(config)(held) if reading]
    compared = asked.compare(rules, readings, people, clusters=[answer.prompt.id for answer in held])
    values = [reading.whole.value if reading and reading.whole else 0.0 for reading in readings]
    return Measured(name, compared, rank_correlation(values, people), learned_from)


# ----------------------------------------------------------------------------------------------------------------- kept


def rows_of(given: Sequence[Answer], readings: Sequence[Reading | None], by: str) -> Iterator[dict[str, Any]]:
    """Readings as rows of a file, those that failed left out."""
    for answer, reading in zip(given, readings, strict=True):
        if reading is not None:
            yield {"feedback_id": answer.feedback.id, "by": by, "reading": to_plain(reading)}


def load(path: str | Path) -> dict[str, Reading]:
    """The readings of a file by the id of their comment. Raises InputError for a line that is none."""
    if not Path(path).is_file():
        raise InputError(f"readings: {path}: there is no such file. `burnish feedback comments --out FILE` writes one.")
    found = {}
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found[str(row["feedback_id"])] = _reading(row["reading"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"readings: {path}: line {number}: no reading of a comment ({error}). "
                "`burnish feedback comments --out FILE` writes them."
            ) from None
    return found


def _reading(plain: Mapping[str, Any]) -> Reading:
    said = tuple(
        Said(**{**each, "spans": tuple(Span(**span) for span in each.get("spans", ()))}) for each in plain["said"]
    )
    whole = None if plain["whole"] is None else Estimate(**plain["whole"])
    aspects = {name: Estimate(**each) for name, each in plain.get("aspects", {}).items()}
    return Reading(plain["comment"], said, whole, aspects, tuple(plain.get("doubts", ())))
