"""What a study asks, of whom and how often: frozen records, read from TOML or from the designer's form.

A study's answers are rows in the shapes a person may bring by file (docs: feedback to signals): each question is of a
kind of `burnish.feedback.kinds`, so that what the studio stores and what a file brings cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

QuestionKind = Literal[
    "thumb", "rating", "rubric", "comparison", "ranking", "best_worst", "span", "correction", "comment", "suggestion"
]
NextRule = Literal["random", "overlap", "active"]
SourceKind = Literal["file", "task", "samples", "models", "served"]
State = Literal["draft", "open", "paused", "closed"]


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
    consent: str = ""
    """What a person agrees to before the first item; empty asks for nothing."""
    skip_reasons: tuple[str, ...] = ("unclear", "no knowledge", "broken text", "disturbing", "other")
