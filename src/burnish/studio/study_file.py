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

from burnish.errors import InputError, nearest
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

    Raises InputError naming the place, the value, what was expected and the remedy.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"study: {len(text):,} characters, at most {MAX_CHARACTERS:,} are read. Shorten it.")
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"study: this is no TOML: {error}. Mend it there.") from None
    except RecursionError:
        raise InputError("study: nested too deeply to be a study. Flatten it.") from None
    return from_plain(plain)


def from_plain(plain: Mapping[str, Any]) -> Study:
    """Return the study that plain values describe, as TOML and JSON give them. Raises InputError as `from_toml`."""
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
        raise InputError(f"{path}: expected [[{path.rpartition('.')[2]}]] tables. Write one for each.")
    return tuple(read(f"{path}[{index}]", each) for index, each in enumerate(value))


def _build(cls: type[T], path: str, value: Any, readers: Mapping[str, Callable[[str, Any], Any]]) -> T:
    """Return an instance of a dataclass from a table; its own checks then name the place."""
    given = _mapping(path, value)
    known = {item.name: item for item in fields(cls)}
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"{path}.{unknown[0]}: unknown.{nearest(unknown[0], known)}")
    values = {}
    for name, item in known.items():
        if name in given:
            read = readers.get(name) or _reader(str(item.type))
            values[name] = read(f"{path}.{name}", given[name])
            choices = _CHOICES.get((cls, name))
            if choices and values[name] not in choices:
                raise InputError(f"{path}.{name}: {values[name]!r} is unknown.{nearest(str(values[name]), choices)}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise InputError(f"{path}.{name}: missing. Add it.")
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{path}.{error}") from None


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
        raise InputError(f"{path}: {value!r} is not a table of settings.")
    return dict(value)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{path}: {value!r} is not text. Put it in quotes.")
    if "\0" in value:
        raise InputError(f"{path}: holds NUL, which is no text. Remove it.")
    return value


def _texts(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{path}: {value!r} is not a list. Put it in [ ].")
    return tuple(_text(f"{path}[{index}]", each) for index, each in enumerate(value))


def _claim(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{path}: {value!r} is not true or false.")
    return value


def _whole(path: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{path}: {value!r} is not a whole number.")
    return value


def _number(path: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}: {value!r} is not a number.")
    return float(value)


def _scale(path: str, value: Any) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InputError(f"{path}: {value!r} is not a lowest and a highest grade. Write [1, 5].")
    low, high = (_whole(f"{path}[{index}]", each) for index, each in enumerate(value))
    return low, high


def _anchors(path: str, value: Any) -> tuple[tuple[int, str], ...]:
    found = []
    for grade, meaning in _pairs(path, value):
        try:
            found.append((int(grade), meaning))
        except ValueError:
            raise InputError(f'{path}: {grade!r} is no grade. Write {{ 1 = "useless", 5 = "perfect" }}.') from None
    return tuple(sorted(found))


def _pairs(path: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Return (name, text) of a table, or of the list of pairs as which JSON gives it."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not all(isinstance(each, Sequence) and len(each) == 2 for each in value):
            raise InputError(f"{path}: {value!r} is not a list of [name, text].")
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
