"""A study as a TOML file and back: what the designer's form writes, a person may write by hand.

    name = "replies"
    title = "Which reply helps more?"
    overlap = 3

    [[questions]]
    name = "better"
    kind = "comparison"
    text = "Which reply helps more?"

    [source]
    kind = "file"
    path = "replies.jsonl"

A setting that holds its default is not written. `anchors` and `criteria` are tables: `anchors = { 1 = "useless" }`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from burnish.studio.mistakes import StudyError, unknown
from burnish.studio.study import Example, NextRule, Question, QuestionKind, Source, SourceKind, Study

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

MAX_CHARACTERS = 200_000
"""Longest file: guidelines are pages, not books."""
_CHOICES: Mapping[tuple[type, str], tuple[str, ...]] = {
    (Question, "kind"): get_args(QuestionKind),
    (Source, "kind"): get_args(SourceKind),
    (Study, "next_item"): get_args(NextRule),
}


def from_toml(text: str) -> Study:
    """Return the study a TOML text describes.

    Raises StudyError naming the place, the value, what was expected and the remedy.
    """
    if len(text) > MAX_CHARACTERS:
        raise StudyError("study", "too_long", n=len(text), most=MAX_CHARACTERS)
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError("study", "not_toml", reason=error) from None
    except RecursionError:
        raise StudyError("study", "nested") from None
    return from_plain(plain)


def from_plain(plain: Mapping[str, Any]) -> Study:
    """Return the study that plain values describe, as TOML and JSON give them. Raises StudyError as `from_toml`."""
    readers: dict[str, Callable[[str, Any], Any]] = {
        "questions": lambda path, value: _several(path, value, _question),
        "examples": lambda path, value: _several(path, value, _example),
        "source": _source,
    }
    return _build(Study, "study", plain, readers)


def to_toml(study: Study) -> str:
    """Return the TOML of a study: `from_toml` of it is the study again."""
    lines = _keys(study, without=("questions", "examples", "source"))
    for question in study.questions:
        lines += ["", "[[questions]]", *_keys(question)]
    if study.source != Source():
        lines += ["", "[source]", *_keys(study.source)]
    for example in study.examples:
        lines += ["", "[[examples]]", *_keys(example)]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------------- reading


def _question(path: str, value: Any) -> Question:
    return _build(Question, path, value, {"anchors": _anchors, "criteria": _pairs, "scale": _scale})


def _example(path: str, value: Any) -> Example:
    return _build(Example, path, value, {"answers": _mapping})


def _source(path: str, value: Any) -> Source:
    return _build(Source, path, value, {})


def _several(path: str, value: Any, read: Callable[[str, Any], T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise StudyError(path, "not_tables", name=path.rpartition(".")[2])
    return tuple(read(f"{path}[{index}]", each) for index, each in enumerate(value))


def _build(cls: type[T], path: str, value: Any, readers: Mapping[str, Callable[[str, Any], Any]]) -> T:
    """Return an instance of a dataclass from a table; its own checks then name the place."""
    given = _mapping(path, value)
    known = {item.name: item for item in fields(cls)}
    if strange := sorted(set(given) - set(known)):
        raise unknown(f"{path}.{strange[0]}", strange[0], known)
    values = {}
    for name, item in known.items():
        if name in given:
            read = readers.get(name) or _reader(str(item.type))
            values[name] = read(f"{path}.{name}", given[name])
            choices = _CHOICES.get((cls, name))
            if choices and values[name] not in choices:
                raise unknown(f"{path}.{name}", str(values[name]), choices)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise StudyError(f"{path}.{name}", "missing")
    try:
        return cls(**values)
    except StudyError as error:
        raise error.inside(path) from None


def _reader(kind: str) -> Callable[[str, Any], Any]:
    """Return how a field of a plain type is read, by its annotation."""
    if kind == "bool":
        return _claim
    if kind == "int":
        return _whole
    if kind == "float":
        return _number
    return _texts if kind == "tuple[str, ...]" else _text


def _mapping(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise StudyError(path, "not_table", value=repr(value))
    return dict(value)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise StudyError(path, "not_text", value=repr(value))
    if "\0" in value:
        raise StudyError(path, "nul")
    return value


def _texts(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise StudyError(path, "not_list", value=repr(value))
    return tuple(_text(f"{path}[{index}]", each) for index, each in enumerate(value))


def _claim(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise StudyError(path, "not_claim", value=repr(value))
    return value


def _whole(path: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise StudyError(path, "not_whole", value=repr(value))
    return value


def _number(path: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StudyError(path, "not_number", value=repr(value))
    return float(value)


def _scale(path: str, value: Any) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise StudyError(path, "grades", scale=repr(value))
    low, high = (_whole(f"{path}[{index}]", each) for index, each in enumerate(value))
    return low, high


def _anchors(path: str, value: Any) -> tuple[tuple[int, str], ...]:
    found = []
    for grade, meaning in _pairs(path, value):
        try:
            found.append((int(grade), meaning))
        except ValueError:
            raise StudyError(path, "no_grade", grade=repr(grade)) from None
    return tuple(sorted(found))


def _pairs(path: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Return (name, text) of a table, or of the list of pairs as which JSON gives it."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not all(isinstance(each, Sequence) and len(each) == 2 for each in value):
            raise StudyError(path, "not_pairs", value=repr(value))
        value = {str(name): text for name, text in value}
    return tuple((name, _text(f"{path}.{name}", text)) for name, text in _mapping(path, value).items())


# ------------------------------------------------------------------------------------------------------------- writing


def _keys(record: Any, without: Sequence[str] = ()) -> list[str]:
    lines = []
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name in without or value == item.default:
            continue
        if item.name in ("anchors", "criteria"):
            value = {str(name): text for name, text in value}
        lines.append(f"{item.name} = {_value(value)}")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _paragraphs(value) if "\n" in value else _quoted(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_quoted(str(key))} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str) -> str:
    """JSON's strings are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _paragraphs(text: str) -> str:
    """Return text of several lines as one reads it."""
    lines = (_quoted(line)[1:-1] for line in text.split("\n"))
    return '"""\n' + "\n".join(lines) + '"""'
