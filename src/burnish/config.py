"""Frozen dataclass <-> TOML <-> `section.key=value` flags.

The dataclass is the only description of a setting: its type says what may stand there, its default is the tested
value, the docstring under the field is its help text. From these come the errors, `--help-config` and the docs page.
Ranges are checked by each dataclass's own `__post_init__`, which raises `InputError("field: value ... remedy")`;
`build` puts the file and the section before it.

TOML has no null: an optional setting that is `None` is written as the word `"none"`.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import datetime as dt
import difflib
import enum
import inspect
import itertools
import json
import math
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from burnish.errors import InputError, nearest

T = TypeVar("T")

NONE = "none"
"""How a setting that is switched off (`None`) is written in TOML and in flags."""

MAX_BYTES = 1 << 20
"""A configuration file larger than this is something else by mistake."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One setting, described for people."""

    name: str
    """Dotted, as `--set` takes it."""
    expects: str
    """What may stand there, in words."""
    default: str
    """The default as TOML; empty where the setting must be given."""
    doc: str
    """The docstring under the field."""


# ------------------------------------------------------------------------------------------------ mapping -> instance


def build(cls: type[T], mapping: Mapping[str, Any], where: str = "config.toml") -> T:
    """Return an instance of a dataclass from nested plain values, as TOML gives them.

    Raises InputError naming the file, the key, the value and what was expected; an unknown key is refused with the
    nearest known one. Integers are accepted for numbers, never the reverse, and `true` is never a number.
    """
    return typing.cast(T, _build(cls, mapping, where, ()))


def load(cls: type[T], mapping: Mapping[str, Any], sets: Iterable[str] = (), where: str = "config.toml") -> T:
    """Return the instance of file and flags together; flags override the file, the file overrides the defaults.

    The file is checked alone first, so that a message names the one of the two that is wrong.
    """
    instance = build(cls, mapping, where)
    given = tuple(sets)
    return build(cls, with_sets(mapping, given), where="--set") if given else instance


def _build(cls: type[Any], mapping: object, where: str, path: tuple[str, ...], outer: Any = None) -> Any:
    """outer: the instance that the dataclass above has as its default here; what is not given stays as it has it."""
    if not isinstance(mapping, Mapping):
        raise InputError(f"{where}: {'.'.join(path)} is {_show(mapping)}, but it is a section of settings.")
    kinds = _kinds(cls)
    unknown = next((name for name in mapping if name not in kinds), None)
    if unknown is not None:
        raise InputError(f"{where}: unknown key {'.'.join((*path, unknown))!r}.{_suggest(cls, path, unknown)}")
    values: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        if item.name not in kinds:
            continue
        here, default = (*path, item.name), _default(item, outer)
        if item.name in mapping:
            values[item.name] = _convert(kinds[item.name], mapping[item.name], where, here, default)
        elif default is dataclasses.MISSING:
            raise InputError(f"{where}: {'.'.join(here)} is missing; expected {expectation(kinds[item.name])}.")
        else:
            values[item.name] = default
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{where}: {_in_section(path, str(error))}") from None


def _default(item: dataclasses.Field[Any], outer: Any) -> Any:
    """Return the default of a field, MISSING where it has none."""
    if outer is not None:
        return getattr(outer, item.name)
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def _in_section(path: tuple[str, ...], message: str) -> str:
    """Return the message with its section before it, unless it already names the section (as `Sampling` does)."""
    if not path or message.startswith(f"{path[-1]}."):
        return ".".join((*path[:-1], message))
    return ".".join((*path, message))


def _suggest(cls: type[Any], path: tuple[str, ...], name: str) -> str:
    """Return the nearest key of this section, else the same key in a section below, else the known keys."""
    kinds = _kinds(cls)
    close = difflib.get_close_matches(name, kinds, n=1)
    if not close:
        close = [key.name for key in describe(cls) if key.name.rpartition(".")[2] == name][:1]
    return f" Did you mean {'.'.join((*path, close[0]))!r}?" if close else nearest(name, kinds)


def _convert(kind: Any, value: object, where: str, path: tuple[str, ...], default: Any) -> Any:
    """Return the value as its field's type has it, or raise InputError."""
    if dataclasses.is_dataclass(kind):
        outer = None if default is dataclasses.MISSING else default
        return _build(typing.cast("type[Any]", kind), value, where, path, outer)
    fits, converted = _fit(kind, value)
    if fits:
        return converted
    remedy = ""
    if kind is str and isinstance(value, int | float):
        remedy = f' Write it in quotes: "{value}".'
    if isinstance(value, str) and (choices := _choices(kind)):
        suggestion = nearest(value, map(str, choices))
        remedy = suggestion if "Did you mean" in suggestion else ""
    raise InputError(f"{where}: {'.'.join(path)} = {_show(value)}; expected {expectation(kind)}.{remedy}")


def _fit(kind: Any, value: object) -> tuple[bool, Any]:
    """Return whether a plain value fits a type, and the value as that type has it."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if types.NoneType in args and value == NONE:
            return True, None
        tried = (_fit(each, value) for each in args if each is not types.NoneType)
        return next((result for result in tried if result[0]), (False, None))
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in args), value
    if origin is tuple:
        return _fit_tuple(args, value)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        match = [member for member in kind if member.value == value and type(member.value) is type(value)]
        return bool(match), match[0] if match else None
    if kind is float:
        return _fit_float(value)
    if kind is str:
        # A flag that was not UTF-8 arrives with lone surrogates, which no file can hold.
        return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value), value
    if kind in (bool, int):
        return type(value) is kind, value
    raise TypeError(f"config: a field of type {kind!r} cannot be written in TOML.")


def _fit_float(value: object) -> tuple[bool, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False, None
    try:
        number = float(value)
    except OverflowError:
        return False, None
    return math.isfinite(number), number


def _fit_tuple(args: tuple[Any, ...], value: object) -> tuple[bool, Any]:
    if not isinstance(value, list | tuple):
        return False, None
    kinds = (args[0],) * len(value) if len(args) == 2 and args[1] is Ellipsis else args
    if len(kinds) != len(value):
        return False, None
    results = [_fit(kind, each) for kind, each in zip(kinds, value, strict=True)]
    return all(fits for fits, _ in results), tuple(converted for _, converted in results)


def _kinds(cls: type[Any]) -> Mapping[str, Any]:
    """Return the type of each settable field."""
    hints = typing.get_type_hints(cls)
    return {item.name: hints[item.name] for item in dataclasses.fields(cls) if item.init}


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(member.value for member in kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(choice for each in get_args(kind) for choice in _choices(each))
    return ()


_PLAIN_WORDS = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}


def expectation(kind: Any) -> str:
    """Return in words what a field of this type takes."""
    args = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        words = [expectation(each) for each in args if each is not types.NoneType]
        return " or ".join([*words, f'"{NONE}"'] if types.NoneType in args else words)
    if choices := _choices(kind):
        return "one of " + ", ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    if get_origin(kind) is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"a list, each {expectation(args[0])}"
        return f"a list of {len(args)}: {', '.join(map(expectation, args))}"
    if dataclasses.is_dataclass(kind):
        return "a section of settings"
    return _PLAIN_WORDS.get(kind, str(kind))


def _show(value: object) -> str:
    """Return a value as a person wrote it, cut where it is long."""
    text = _toml(value) if isinstance(value, str | bool | int | float) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# ------------------------------------------------------------------------------------------------- files and flags


def parse_toml(path: str | Path) -> dict[str, Any]:
    """Return the nested plain values of a TOML file. Raises InputError naming the file and the line."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES:,} bytes; a configuration file is a few hundred.")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: line {line}: byte {error.start} is not UTF-8. Save the file as UTF-8 text."
        ) from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply. Settings are sections of keys.") from None
    except ValueError as error:  # TOMLDecodeError, and an integer of thousands of digits
        raise InputError(f"{path}: {_toml_fault(str(error))}") from None


def _toml_fault(message: str) -> str:
    """Return tomllib's message, `Invalid value (at line 3, column 5)`, with the place first."""
    found = re.fullmatch(r"(?P<what>.*) \(at (?P<place>.*)\)", message, re.DOTALL)
    if not found:
        return f"{message}. The file must be TOML: [section] lines and key = value lines."
    what = found["what"][:1].lower() + found["what"][1:]
    return f"{found['place']}: {what}. Text stands in quotes, lists in [ ], true and false in small letters."


def with_sets(mapping: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """Return the mapping with `section.key=value` flags laid over it; the original is left alone.

    Values are read as TOML; what is not TOML is taken as text, so that `reward.kind=pairwise` needs no quotes.
    """
    merged = copy.deepcopy(dict(mapping))
    for given in sets:
        name, equals, text = given.partition("=")
        parts = tuple(part.strip() for part in name.split("."))
        if not equals or not all(parts):
            raise InputError(f"--set {given!r}: expected section.key=value, such as --set rl.steps=20.")
        section = merged
        for depth, part in enumerate(parts[:-1], start=1):
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise InputError(f"--set {given!r}: {'.'.join(parts[:depth])!r} is a key, not a section.")
        section[parts[-1]] = _flag_value(text.strip())
    return merged


def _flag_value(text: str) -> Any:
    if "\n" in text:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dt.date | dt.time) else value


# ------------------------------------------------------------------------------------------------ instance -> TOML


def to_toml(instance: Any, header: Mapping[str, object] | None = None) -> str:
    """Return the whole configuration as TOML, defaults included; `build` of it gives an equal instance.

    header: what made this run (version, seed, snapshot hash), written as comment lines at the top.
    """
    lines = [f"# {name}: {_one_line(value)}" for name, value in (header or {}).items()]
    lines += _section(instance, "")
    return "\n".join(lines).strip("\n") + "\n"


def _one_line(value: object) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", str(value))


def _section(instance: Any, name: str) -> list[str]:
    keys: list[str] = []
    below: list[str] = []
    for item in dataclasses.fields(instance):
        if not item.init:
            continue
        value = getattr(instance, item.name)
        if dataclasses.is_dataclass(value):
            below += _section(value, f"{name}.{item.name}" if name else item.name)
        else:
            if value == NONE and types.NoneType in get_args(_kinds(type(instance))[item.name]):
                raise InputError(f'{item.name}: the text "{NONE}" means "not set" here; choose another word.')
            keys.append(f"{item.name} = {_toml(value)}")
    head = ["", f"[{name}]"] if name and keys else []
    return head + keys + below


def _toml(value: object) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, enum.Enum):
        return _toml(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"config: {value!r} cannot be written in TOML.")


# --------------------------------------------------------------------------------------------------- for people


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, on one line; fields without one are left out."""
    docs: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(each):
            continue
        definition = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for node, after in itertools.pairwise(definition.body):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                docs[node.target.id] = " ".join(str(after.value.value).split())
    return docs


def describe(cls: type[Any], prefix: str = "", outer: Any = None) -> tuple[Key, ...]:
    """Return every setting of a dataclass, then those of the dataclasses nested in it, as declared.

    outer: an instance whose values are the defaults here, where the dataclass above sets other ones than this class.
    """
    keys: list[Key] = []
    below: list[Key] = []
    docs, kinds = field_docs(cls), _kinds(cls)
    for item in dataclasses.fields(cls):
        if item.name not in kinds:
            continue
        kind, name = kinds[item.name], f"{prefix}{item.name}"
        default = _default(item, outer)
        is_set = default is not dataclasses.MISSING
        if dataclasses.is_dataclass(kind):
            below += describe(typing.cast("type[Any]", kind), f"{name}.", default if is_set else None)
        else:
            keys.append(Key(name, expectation(kind), _toml(default) if is_set else "", docs.get(item.name, "")))
    return (*keys, *below)


def table(cls: type[Any]) -> str:
    """Return every setting as text for a terminal: `section.key = default`, what it means, what it takes."""
    lines: list[str] = []
    section = ""
    for key in describe(cls):
        here = key.name.rpartition(".")[0]
        if here != section:
            lines += ["", f"[{here}]"]
            section = here
        lines.append(f"  {key.name} = {key.default or '(must be given)'}")
        lines.append(f"      {key.doc} ({key.expects})".replace("  (", " ("))
    return "\n".join(lines).strip("\n")
