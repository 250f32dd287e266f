"""The designer's form: a study as named fields of text and back. What the form does not hold stays as it was.

Fields of questions are `q0_name`, `q0_kind`, ...; lists stand one a line, tables one `name = text` a line. Buttons add,
remove and move questions; that happens here, so that the page works without a script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from burnish.errors import InputError
from burnish.studio.mistakes import StudyError
from burnish.studio.study import Question, Study
from burnish.studio.study_file import from_plain

_TEXTS = ("name", "title", "guidelines", "language", "pay", "consent", "next_item")
_WHOLES = ("overlap", "quota")
_NUMBERS = ("anchor_share", "gold_share", "qualification", "lock_minutes")
_CLAIMS = ("blind", "hints", "read_to_end")
_QUESTION_TEXTS = ("name", "kind", "text", "help")
_QUESTION_CLAIMS = ("required", "strength", "cannot_judge")
MOST_FIELDS = 2_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form as it is filled in, whether it makes a study or not."""

    fields: Mapping[str, str]
    questions: int

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


BLANK = Study(
    name="my-study",
    title="My study",
    questions=(Question("better", "comparison", "Which one is better?"),),
)
"""What a new study begins as."""


def sheet_of(study: Study, *, is_new: bool = False) -> Sheet:
    """Return the form that shows a study."""
    shown = {name: str(getattr(study, name)) for name in (*_TEXTS, *_WHOLES)}
    shown |= {name: f"{getattr(study, name):g}" for name in _NUMBERS}
    shown |= {name: "on" for name in _CLAIMS if getattr(study, name)}
    shown["people"] = "\n".join(study.people)
    source = study.source
    shown |= {f"source_{name}": str(getattr(source, name)) for name in ("kind", "path", "task")}
    shown |= {f"source_{name}": str(getattr(source, name)) for name in ("completions", "items", "seed")}
    shown["source_models"] = "\n".join(source.models)
    for place, question in enumerate(study.questions):
        shown |= {f"q{place}_{name}": value for name, value in _shown(question).items()}
    if is_new:
        shown |= {"name": "", "title": ""}
    return Sheet(shown, len(study.questions))


def acted(form: Mapping[str, str]) -> Sheet:
    """Return the form after its button: a question added, removed or moved up; others change nothing."""
    questions = [_own(form, place) for place in range(_count(form))]
    action, _, place = form.get("action", "").partition(":")
    which = int(place) if place.isascii() and place.isdecimal() else 0
    if action == "add":
        questions.append(
            {"kind": "rating", "required": "on", "cannot_judge": "on"} | {"scale_low": "1", "scale_high": "5"}
        )
    elif action == "remove" and which < len(questions) > 1:
        del questions[which]
    elif action == "up" and 0 < which < len(questions):
        questions.insert(which - 1, questions.pop(which))
    rest = {name: value for name, value in form.items() if not _of_question(name)}
    for place_, fields in enumerate(questions):
        rest |= {f"q{place_}_{name}": value for name, value in fields.items()}
    return Sheet(rest, len(questions))


def changed_by(action: str, sheet: Sheet) -> str:
    """Return the field in which one goes on after a button: of the question that it added, moved or left behind."""
    name, _, place = action.partition(":")
    which = int(place) if place.isascii() and place.isdecimal() else 0
    at = {"add": sheet.questions - 1, "remove": min(which, sheet.questions - 1), "up": max(0, which - 1)}.get(name)
    return "" if at is None else f"q{at}_kind"


def study_of(sheet: Sheet, before: Study | None = None) -> Study:
    """Return the study that a form describes; what the form does not show is `before`'s.

    Raises StudyError naming the field.
    """
    plain: dict[str, Any] = {name: _clean(sheet[name]) for name in _TEXTS}
    plain |= {name: _whole(name, sheet[name]) for name in _WHOLES}
    plain |= {name: _number(name, sheet[name]) for name in _NUMBERS}
    plain |= {name: bool(sheet[name]) for name in _CLAIMS}
    plain["people"] = _lines(sheet["people"])
    plain["source"] = {
        "kind": sheet["source_kind"] or "file",
        "path": sheet["source_path"].strip(),
        "task": sheet["source_task"].strip(),
        "models": _lines(sheet["source_models"]),
        **{name: _whole(f"source.{name}", sheet[f"source_{name}"]) for name in ("completions", "items", "seed")},
    }
    plain["questions"] = [_question(_own(sheet.fields, place), place) for place in range(sheet.questions)]
    made = from_plain(plain)
    return made if before is None else replace(made, examples=before.examples, skip_reasons=before.skip_reasons)


_PLACE = re.compile(r"(?:study\.)?(?:questions\[(\d+)\]\.|(source)\.)?([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a study from being saved, as a page tells it."""

    at: str
    """The form's field that it is about; empty: none that it has."""
    where: str
    """The place in the study, where no field stands for it."""
    rule: str
    """Which of the wording's mistakes; empty: `text` is all that is known."""
    values: Mapping[str, object]
    text: str

    @property
    def label(self) -> str:
        """The wording's key of the field's label."""
        return label_of(self.at) if self.at else ""


def problem_of(error: InputError, *, in_form: bool = True) -> Problem:
    """Return what a page tells of an error; in TOML places have no fields."""
    if not isinstance(error, StudyError):
        return Problem("", "", "", {}, str(error))
    found = field_at(error.where) if in_form else ""
    return Problem(found, "" if found else error.where, error.rule, error.values, str(error))


def field_at(where: str) -> str:
    """Return the form's field that stands for a place in a study; empty: none does."""
    found = _PLACE.match(where)
    if found is None:
        return ""
    question, source, name = found.groups()
    if question is not None:
        return f"q{question}_{'scale_low' if name == 'scale' else name}"
    name = f"source_{name}" if source and name != "kind" else "source_kind" if source else name
    return name if name in _WORDS else ""


def label_of(field: str) -> str:
    """Return the wording's key of a field's label."""
    name = field.partition("_")[2] if _of_question(field) else field
    return f"design.{_QUESTION_WORDS.get(name, name) if _of_question(field) else _WORDS[field]}"


_QUESTION_WORDS = {"name": "question_name"}
_WORDS: Mapping[str, str] = {
    **{name: name for name in (*_TEXTS, *_WHOLES, *_NUMBERS, *_CLAIMS, "people")},
    **{"title": "study_title", "source_kind": "source", "source_path": "path", "source_task": "task"},
    **{"source_models": "models", "source_completions": "completions", "source_items": "most_items"},
    **{"source_seed": "seed"},
}
"""By field of the form outside the questions: the wording of its label."""

# ----------------------------------------------------------------------------------------------------------- questions


def _shown(question: Question) -> dict[str, str]:
    shown = {name: str(getattr(question, name)) for name in (*_QUESTION_TEXTS, "aspect")}
    shown |= {name: "on" for name in _QUESTION_CLAIMS if getattr(question, name)}
    shown |= {"scale_low": str(question.scale[0]), "scale_high": str(question.scale[1])}
    shown["anchors"] = "\n".join(f"{grade} = {meaning}" for grade, meaning in question.anchors)
    shown["criteria"] = "\n".join(f"{name} = {statement}" for name, statement in question.criteria)
    shown["labels"] = "\n".join(question.labels)
    shown["severities"] = "\n".join(question.severities)
    return shown


def _question(fields: Mapping[str, str], place: int) -> dict[str, Any]:
    where = f"questions[{place}]"
    plain: dict[str, Any] = {name: _clean(fields.get(name, "")) for name in (*_QUESTION_TEXTS, "aspect")}
    plain |= {name: bool(fields.get(name)) for name in _QUESTION_CLAIMS}
    if fields.get("scale_low") or fields.get("scale_high"):
        ends = ("scale_low", "scale_high")
        plain["scale"] = [_whole(f"{where}.{name}", fields.get(name, "")) for name in ends]
    plain["anchors"] = _table(f"{where}.anchors", fields.get("anchors", ""))
    plain["criteria"] = _table(f"{where}.criteria", fields.get("criteria", ""))
    plain["labels"] = _lines(fields.get("labels", ""))
    if fields.get("severities", "").strip():
        plain["severities"] = _lines(fields["severities"])
    return plain


def _count(form: Mapping[str, str]) -> int:
    places = [int(name[1:].partition("_")[0]) for name in form if _of_question(name)]
    return min(max(places, default=-1) + 1, 20)


def _of_question(name: str) -> bool:
    number = name[1:].partition("_")[0]
    return name.startswith("q") and "_" in name and number.isascii() and number.isdecimal() and len(number) < 3


def _own(form: Mapping[str, str], place: int) -> dict[str, str]:
    start = f"q{place}_"
    return {name.removeprefix(start): value for name, value in form.items() if name.startswith(start)}


# --------------------------------------------------------------------------------------------------------------- texts


def _clean(text: str) -> str:
    """Return text with the line ends that a browser's form turns into CR LF as they were."""
    return text.replace("\r\n", "\n").strip()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _table(where: str, text: str) -> dict[str, str]:
    found = {}
    for line in _lines(text):
        name, equals, meaning = line.partition("=")
        if not equals or not name.strip() or not meaning.strip():
            raise StudyError(where, "no_line", line=repr(line))
        found[name.strip()] = meaning.strip()
    return found


def _whole(where: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise StudyError(where, "not_whole", value=repr(text)) from None


def _number(where: str, text: str) -> float:
    number, percent, rest = text.replace(",", ".").strip().partition("%")
    try:
        return float(number + rest) / (100 if percent else 1)
    except ValueError:
        raise StudyError(where, "not_number", value=repr(text)) from None
