"""What a study asks, of whom and how often: frozen records, read from TOML or from the designer's form.

A study's answers are rows in the shapes a person may bring by file (docs: feedback to signals): each question is of a
kind of `burnish.feedback.kinds`, so that what the studio stores and what a file brings cannot differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from burnish.errors import InputError
from burnish.feedback.pay import rate_of
from burnish.studio.mistakes import StudyError

QuestionKind = Literal[
    "thumb", "rating", "rubric", "comparison", "ranking", "best_worst", "span", "correction", "comment", "suggestion"
]
NextRule = Literal["random", "overlap", "active"]
SourceKind = Literal["file", "task", "samples", "models", "served"]
State = Literal["draft", "open", "paused", "closed"]

ABOUT_ALL = frozenset({"comparison", "ranking", "best_worst"})
"""Kinds that speak of all completions of an item at once."""
MOST_QUESTIONS = 20
MOST_GRADES = 101
_STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_QUESTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing asked of every item. Several make a combined task."""

    name: str
    """Stays with the answers: lower-case letters, digits, underscores."""
    kind: QuestionKind
    text: str
    """What the person reads, one question only."""
    help: str = ""
    aspect: str = ""
    """Which respect it asks about; empty means overall."""
    required: bool = True
    scale: tuple[int, int] = (1, 5)
    """Lowest and highest grade of a rating, both included."""
    anchors: tuple[tuple[int, str], ...] = ()
    """(grade, what it means), at least for both ends."""
    criteria: tuple[tuple[str, str], ...] = ()
    """(name, statement) of a rubric."""
    labels: tuple[str, ...] = ()
    """Labels of spans, aspects offered as chips of a comment."""
    severities: tuple[str, ...] = ("minor", "major", "critical")
    strength: bool = False
    """Whether a comparison also asks how much better."""
    cannot_judge: bool = True
    """Whether "cannot judge" is offered."""

    def __post_init__(self) -> None:
        if not _QUESTION_NAME.fullmatch(self.name):
            raise StudyError("name", "question_name", name=repr(self.name))
        if not self.text.strip():
            raise StudyError("text", "no_question")
        low, high = self.scale
        if not low < high <= low + MOST_GRADES - 1:
            raise StudyError("scale", "scale", scale=list(self.scale))
        if outside := [grade for grade, _ in self.anchors if not low <= grade <= high]:
            raise StudyError("anchors", "anchor_outside", grade=outside[0], low=low, high=high)
        if self.kind == "rubric" and not self.criteria:
            raise StudyError("criteria", "no_criteria")
        if len({name for name, _ in self.criteria}) < len(self.criteria):
            raise StudyError("criteria", "criteria_twice")
        if "" in self.labels or len(set(self.labels)) < len(self.labels):
            raise StudyError("labels", "labels")
        if self.kind == "span" and not self.severities:
            raise StudyError("severities", "no_severities")


@dataclass(frozen=True, slots=True)
class Example:
    """An answered item shown with the guidelines, with the reason."""

    prompt: str
    completions: tuple[str, ...]
    answers: dict[str, Any]
    """By question: fields of a row, as in `answers.py`."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the items come from."""

    kind: SourceKind = "file"
    path: str = ""
    """A JSONL file (kind file), in the shapes of interface.md; feedback in it is ignored, texts become items."""
    task: str = ""
    models: tuple[str, ...] = ()
    """One model (samples) or two that are put side by side (models)."""
    completions: int = 2
    """How many completions of a prompt make an item."""
    items: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.completions <= 20:
            raise StudyError("completions", "completions", n=self.completions)
        if not 1 <= self.items <= 1_000_000:
            raise StudyError("items", "items", n=self.items)
        if self.kind == "task" and not self.task:
            raise StudyError("task", "no_task")
        if self.kind == "models" and len(self.models) != 2:
            raise StudyError("models", "two_models", n=len(self.models))
        if self.kind == "samples" and len(self.models) != 1:
            raise StudyError("models", "one_model", n=len(self.models))


@dataclass(frozen=True, slots=True)
class Study:
    """A study. A change makes a new version; answers keep the version they were given under."""

    name: str
    """Stays with the answers: lower-case letters, digits, hyphens."""
    title: str
    questions: tuple[Question, ...]
    guidelines: str = ""
    """Markdown."""
    language: str = "en"
    examples: tuple[Example, ...] = ()
    source: Source = field(default_factory=Source)
    overlap: int = 2
    """How many people answer an item."""
    anchor_share: float = 0.0
    """Share of the items that everybody is given, so that people can be compared."""
    gold_share: float = 0.0
    """Share of what a person is given whose answer is known."""
    qualification: float = 0.0
    """Share of the training items that must be answered as expected before work begins; 0 asks for none."""
    quota: int = 0
    """Items a person may answer; 0 means all."""
    people: tuple[str, ...] = ()
    """Names of those who may work in it; empty means everybody with an account."""
    lock_minutes: float = 30.0
    """How long an item stays with a person who does not answer it."""
    next_item: NextRule = "overlap"
    blind: bool = True
    """Whether the names of the models stay hidden."""
    hints: bool = False
    """Whether an AI judge's answer is shown after the person's own."""
    read_to_end: bool = False
    """Whether the page takes an answer only once each text was scrolled to its end."""
    pay: str = ""
    """What an answered item, or an hour of work, is paid: `0.12 EUR per answer`, `15 USD per hour`; empty: nothing."""
    consent: str = ""
    """What a person agrees to before the first item; empty asks for nothing."""
    skip_reasons: tuple[str, ...] = ("unclear", "no knowledge", "broken text", "disturbing", "other")

    def __post_init__(self) -> None:
        if not _STUDY_NAME.fullmatch(self.name):
            raise StudyError("name", "study_name", name=repr(self.name))
        if not self.title.strip():
            raise StudyError("title", "no_title")
        if self.pay and not _is_rate(self.pay):
            raise StudyError("pay", "pay", text=repr(self.pay))
        names = [question.name for question in self.questions]
        if not 1 <= len(names) <= MOST_QUESTIONS or len(set(names)) < len(names):
            raise StudyError("questions", "questions", n=len(names), most=MOST_QUESTIONS)
        self._check_numbers()
        if not self.skip_reasons or not all(reason.strip() for reason in self.skip_reasons):
            raise StudyError("skip_reasons", "skip_reasons")
        for index, example in enumerate(self.examples):
            if unknown := sorted(set(example.answers) - set(names)):
                raise StudyError(f"examples[{index}].answers", "example_question", name=repr(unknown[0]))

    def _check_numbers(self) -> None:
        if not 1 <= self.overlap <= 1000:
            raise StudyError("overlap", "overlap", n=self.overlap)
        for name in ("anchor_share", "gold_share", "qualification"):
            if not 0 <= getattr(self, name) <= 1:
                raise StudyError(name, "share", share=getattr(self, name))
        if self.anchor_share + self.gold_share > 0.9:
            raise StudyError("gold_share", "shares_together")
        if self.quota < 0:
            raise StudyError("quota", "quota", n=self.quota)
        if not 1 / 60 <= self.lock_minutes <= 7 * 24 * 60:
            raise StudyError("lock_minutes", "lock_minutes", minutes=self.lock_minutes)

    @property
    def needs_several(self) -> int:
        """How many completions an item must have at least: 2 where some are compared, 3 for best and worst."""
        kinds = {question.kind for question in self.questions}
        return 3 if "best_worst" in kinds else 2 if kinds & ABOUT_ALL else 1

    @property
    def takes_at_most(self) -> int:
        """How many completions an item may have: two where they are compared one with the other."""
        return 2 if any(question.kind == "comparison" for question in self.questions) else 20


def _is_rate(text: str) -> bool:
    try:
        rate_of(text)
    except InputError:
        return False
    return True
