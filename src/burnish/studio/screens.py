"""A task as a screen: what is drawn where, and what the page's script is told.

Questions about one completion are asked of each of them, beside its text; questions about several are asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from burnish.records import Completion, Message, Prompt
from burnish.studio import markdown
from burnish.studio.assign import Task
from burnish.studio.spoken import letter
from burnish.studio.study import ABOUT_ALL, Question, Study

_DOCKED = frozenset({"comparison", "thumb"})
_LONG = 1400  # characters: about what a laptop's screen shows beside a question
_RECENT = 3  # turns of a conversation that are shown at once; earlier ones are folded
_MOST_BUTTONS = 11  # grades that still fit beside each other on a phone


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is shown: as written, and formatted where it uses Markdown."""

    text: str
    html: str | None
    is_long: bool

    @classmethod
    def of(cls, text: str, *, plain: bool = False) -> Shown:
        """Prepare a text; `plain` keeps it as written, for marking characters in it."""
        return cls(text, None if plain else markdown.render(text), len(text) > _LONG)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the prompt."""

    role: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class Field:
    """One question asked of one completion, or of all (`target` None). Its `id` is unique on the page."""

    id: str
    question: Question
    target: int | None

    @property
    def has_buttons(self) -> bool:
        """Whether the grades are few enough for a button each."""
        low, high = self.question.scale
        return high - low < _MOST_BUTTONS

    @property
    def grades(self) -> tuple[int, ...]:
        low, high = self.question.scale
        return tuple(range(low, high + 1))


@dataclass(frozen=True, slots=True)
class Side:
    """One completion with the questions asked of it alone."""

    letter: str
    shown: Shown
    fields: tuple[Field, ...]
    is_marked: bool
    """Whether characters are marked in it."""
    model: str = ""
    """Who said it; empty where the study is blind."""


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the template draws."""

    task: Task
    earlier: tuple[Turn, ...]
    """Turns of a long conversation that are folded at first."""
    turns: tuple[Turn, ...]
    sides: tuple[Side, ...]
    shared: tuple[Field, ...]
    """Questions about several completions."""
    told: Mapping[str, Any]
    """What the script is told."""

    @property
    def is_docked(self) -> bool:
        """Whether the only question is short enough to stay in sight at the bottom edge."""
        questions = self.task.study.questions
        if len(questions) != 1 or questions[0].kind not in _DOCKED or questions[0].strength:
            return False
        return questions[0].kind == "comparison" or len(self.sides) == 1


def screen(task: Task) -> Screen:
    """Return a task laid out."""
    questions = task.study.questions
    marked = any(question.kind == "span" for question in questions)
    sides = tuple(
        Side(
            letter=letter(index),
            shown=Shown.of(completion.text, plain=marked),
            fields=tuple(Field(f"{q.name}-{index}", q, index) for q in questions if q.kind not in ABOUT_ALL),
            is_marked=marked,
            model=completion.model or completion.checkpoint_id or "",
        )
        for index, completion in enumerate(task.completions)
    )
    shared = tuple(Field(question.name, question, None) for question in questions if question.kind in ABOUT_ALL)
    turns = tuple(_turn(message) for message in task.prompt.messages)
    cut = max(0, len(turns) - _RECENT)
    return Screen(task, turns[:cut], turns[cut:], sides, shared, _told(task))


def preview(study: Study, prompt: Prompt, completions: Sequence[Completion]) -> Screen:
    """Return what people see of an item, for those who lead a study: nobody holds it, and it cannot be answered."""
    if study.blind:
        completions = [replace(each, model=None, checkpoint_id=None) for each in completions]
    return screen(Task("preview", study.name, study, "preview", prompt, tuple(completions), {}, 0, 1, 0, 0))


def _turn(message: Message) -> Turn:
    return Turn(message.role, Shown.of(message.content))


def _told(task: Task) -> Mapping[str, Any]:
    return {
        "assignment": task.assignment,
        "study": task.study_id,
        "draft": dict(task.draft),
        "texts": [completion.text for completion in task.completions],
        "letters": [letter(index) for index in range(len(task.completions))],
        "questions": [_question(question) for question in task.study.questions],
        "reasons": list(task.study.skip_reasons),
        "read_to_end": task.study.read_to_end,
    }


def _question(question: Question) -> Mapping[str, Any]:
    return {
        "name": question.name,
        "kind": question.kind,
        "required": question.required,
        "shared": question.kind in ABOUT_ALL,
        "scale": list(question.scale),
        "criteria": [name for name, _ in question.criteria],
        "labels": list(question.labels),
        "severities": list(question.severities),
    }
