"""How good one completion is, as a number on a scale.

By words: the mean of `repeats` answers. By log-probs: the expected grade, sum of grade times its probability over the
grades of the scale (G-Eval, Liu et al. 2023, arXiv 2303.16634, 3.2), which breaks the ties that whole grades make. An
endpoint shows first tokens only, and "1" begins both 1 and 10: there such a scale is asked for in words, and one from 1
to 9 by log-probs.
A grade without anchors is the weakest question one can ask a machine: prefer yes-or-no criteria (`rubric`) or a
comparison, and say in `worst` and `best` what the ends of the scale mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from burnish.errors import InputError
from burnish.judges.asking.asker import Asker, Reply, author_id, drawn_by, template
from burnish.judges.asking.shape import Field, Shape
from burnish.judges.asking.together import Fenced, together
from burnish.judges.asking.verdict import Verdict, feedback_by
from burnish.models.answering import Choice, Failure
from burnish.records import Completion, Feedback, Prompt, seed_of

FORM = "rating"
QUALITY = "how well the text answers the request: correct, helpful, and well put"


@dataclass(frozen=True)
class Rating:
    """`records.Judge` of single completions."""

    asker: Asker
    criterion: str = QUALITY
    scale: tuple[int, int] = (1, 10)
    """Worst and best grade, whole numbers."""
    worst: str = "very bad"
    best: str = "excellent"
    repeats: int = 1
    logprobs: Literal["auto", "never"] = "auto"
    reason: bool = True
    aspect: str = ""

    def __post_init__(self) -> None:
        if not self.scale[0] < self.scale[1]:
            raise InputError(f"rating.scale: {self.scale} is not a worst and a best grade. Use (1, 10).")
        if self.repeats < 1:
            raise InputError(f"rating.repeats: {self.repeats} is not positive. Use 1.")

    @property
    def author(self) -> str:
        settings = (self.criterion, self.scale, self.worst, self.best, self.by_logprobs, self.reason)
        return author_id(self.asker, FORM, *settings, *(() if self.by_logprobs else drawn_by(self.asker, self.repeats)))

    @property
    def by_logprobs(self) -> bool:
        return self.logprobs == "auto" and self.asker.can_choose(self._grades)

    @property
    def _grades(self) -> list[str]:
        low, high = self.scale
        return [str(grade) for grade in range(low, high + 1)]

    def judge(self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]]) -> list[Feedback | None]:
        """Return a rating for each prompt's one completion, or None for a counted failure."""
        return [verdict.feedback for verdict in self.verdicts(prompts, completions)]

    def verdicts(
        self, prompts: Sequence[Prompt], completions: Sequence[Sequence[Completion]], *, seed: int = 0
    ) -> list[Verdict]:
        """Return a verdict for each completion; `value` is the grade. Raises InputError for more than one a prompt."""
        asked = [
            together(self.asker, prompt, [_only(group).text], ["the text"])
            for prompt, group in zip(prompts, completions, strict=True)
        ]
        grades = self._from_logprobs(asked) if self.by_logprobs else self._from_words(asked, seed)
        return [
            self._verdict(prompt, _only(group), one, grade)
            for prompt, group, one, grade in zip(prompts, completions, asked, grades, strict=True)
        ]

    def _from_logprobs(self, asked: Sequence[Fenced]) -> list[_Grade]:
        low, high = self.scale
        asks = f"Answer with one whole number from {low} to {high} and nothing else."
        questions = [self._text(one, asks) for one in asked]
        return [_expected(choice) for choice in self.asker.choose(questions, self._grades)]

    def _from_words(self, asked: Sequence[Fenced], seed: int) -> list[_Grade]:
        low, high = self.scale
        rating = Field("rating", "number", low=low, high=high)
        shape = Shape((Field("reason", about="why, in one or two sentences"), rating) if self.reason else (rating,))
        questions = [self._text(one, shape.asks()) for one in asked]
        rounds = [self.asker.ask(questions, shape, seed=seed_of(seed, "repeat", r)) for r in range(self.repeats)]
        return [_mean(replies) for replies in zip(*rounds, strict=True)]

    def _text(self, one: Fenced, asks: str) -> str:
        low, high = self.scale
        return template(FORM).substitute(
            criterion=self.criterion,
            mark=one.mark,
            request=one.blocks[0],
            text=one.blocks[1],
            low=low,
            high=high,
            worst=self.worst,
            best=self.best,
            asks=asks,
        )

    def _verdict(self, prompt: Prompt, completion: Completion, asked: Fenced, grade: _Grade) -> Verdict:
        bare = Verdict(prompt, (completion,), None, grade.failure, questions=1 if self.by_logprobs else self.repeats)
        if grade.value is None:
            return bare
        metadata = {
            "by": "log-probs" if self.by_logprobs else "words",
            "variance": grade.variance,
            **({"attempts": list(asked.attempts)} if asked.attempts else {}),
            **({"raw": list(grade.raw)} if grade.raw else {}),
        }
        said = feedback_by(
            self.author,
            FORM,
            prompt,
            [completion],
            {"rating": grade.value, "scale": list(self.scale)},
            aspect=self.aspect,
            comment=grade.reason,
            metadata=metadata,
        )
        return replace(bare, feedback=said, value=grade.value, variance=grade.variance, reason=grade.reason)


@dataclass(frozen=True, slots=True)
class _Grade:
    value: float | None
    variance: float | None = None
    """By log-probs of the grade itself: the judge's own doubt. By words of the mean; None for a single answer."""
    failure: str = ""
    reason: str = ""
    raw: tuple[str, ...] = ()


def _only(group: Sequence[Completion]) -> Completion:
    if len(group) != 1:
        raise InputError(f"rating: {len(group)} completions at once. Give one a prompt, or compare them.")
    return group[0]


def _expected(choice: Choice) -> _Grade:
    if isinstance(choice, Failure):
        return _Grade(None, failure=str(choice))
    top = max(choice.values())
    weights = {float(grade): math.exp(logprob - top) for grade, logprob in choice.items()}
    total = sum(weights.values())
    mean = sum(grade * weight for grade, weight in weights.items()) / total
    return _Grade(mean, sum((grade - mean) ** 2 * weight for grade, weight in weights.items()) / total)


def _mean(replies: Sequence[Reply]) -> _Grade:
    raw = tuple(text for reply in replies for text in reply.raw)
    read = [reply.answers for reply in replies if reply.answers is not None]
    if not read:
        return _Grade(None, failure=replies[0].failure, raw=raw)
    grades = [float(answers["rating"]) for answers in read]
    mean, n = sum(grades) / len(grades), len(grades)
    variance = sum((grade - mean) ** 2 for grade in grades) / (n - 1) / n if n > 1 else None
    return _Grade(mean, variance, "", str(read[0].get("reason", "")), raw)
