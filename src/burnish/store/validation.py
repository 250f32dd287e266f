"""Validation of an entry, and its rows: nothing reaches a transaction that the database or a reader would choke on.

What a *value* means is the business of its kind (`burnish.feedback.kinds`); here it must be plain, finite, bounded JSON
in whole Unicode text.
"""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

from burnish.errors import InputError
from burnish.plain import to_plain
from burnish.records import Author, Completion, Feedback, FinishReason, Message, Prompt, Sampling
from burnish.store.entry import Entry

MAX_BYTES = 1 << 20
"""Largest text or JSON value of one field, in UTF-8 bytes."""
MAX_NAME = 256
"""Longest id, kind, author, model or run, in characters."""
MAX_DEPTH = 64
"""Deepest nesting of a JSON value."""
MAX_INTEGER = 2**63 - 1
CLOCK_SKEW_SECONDS = 120  # two machines' clocks differ; a time further ahead than this is a mistake

Row: TypeAlias = tuple[Any, ...]
T = TypeVar("T")

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # joiners and wide spaces stay: names of many languages need them
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_AUTHOR_KINDS = ("human", "ai", "rule")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Checked:
    """An entry that passed: its rows, in the column order of `burnish.store.schema`, without their sequence numbers."""

    prompt: Row
    completions: tuple[Row, ...]
    feedback: tuple[tuple[Row, Row], ...]
    """Envelope and words of each record."""
    outside: frozenset[str]
    """Ids of completions that the feedback names and the entry does not bring: they must be in the store already."""


def check(entry: Entry) -> Checked:
    """Return the entry's rows.

    Raises `InputError` naming the record, the field, the value, the expectation and the remedy.
    """
    if type(entry) is not Entry:
        raise InputError(f"entry: expected burnish.store.Entry, not {type(entry).__name__}.")
    prompt_id, prompt = _prompt(entry.prompt)
    inside: dict[str, Row] = {}
    for completion in _several("entry", "completions", entry.completions):
        row = _completion(completion, prompt_id)
        inside[row[0]] = row
    feedback = tuple(_feedback(record, prompt_id) for record in _several("entry", "feedback", entry.feedback))
    named = {name for record in entry.feedback for name in record.completion_ids}
    return Checked(prompt, tuple(inside.values()), feedback, frozenset(named.difference(inside)))


def checked(entry: Entry | Checked) -> Checked:
    """Return the entry's rows, at no cost when they are there already."""
    return entry if isinstance(entry, Checked) else check(entry)


def check_origin(who: str, author: Author, source: str) -> None:
    """Raise `InputError` for an author or a source that no record may have, before they are given to many."""
    if type(author) is not Author or author.kind not in _AUTHOR_KINDS:
        raise _wrong(who, "author", author, "an Author of kind human, ai or rule")
    _name(who, "author", author.id, empty=True)
    if author.id.isspace():
        raise _wrong(who, "author", author.id, "a name", "Leave it out for anonymous answers.")
    _name(who, "source", source, empty=True, limit=4096)


# ------------------------------------------------------------------------------------------------------ the three rows


def _prompt(prompt: Prompt) -> tuple[str, Row]:
    who = "prompt"
    if type(prompt) is not Prompt:
        raise _wrong(who, "prompt", prompt, "a Prompt")
    for message in _several(who, "messages", prompt.messages):
        if type(message) is not Message:
            raise _wrong(who, "messages", message, "Message records", "Use Prompt.of(text).")
        _name(who, "messages.role", message.role)
        _text(who, "messages.content", message.content)
    if prompt.split not in _SPLITS:
        raise _wrong(who, "split", prompt.split, "train, validation or test")
    messages = [[message.role, message.content] for message in prompt.messages]
    prompt_id = prompt.id
    return prompt_id, (
        prompt_id,
        _json(who, "messages", messages),
        None if prompt.reference is None else _text(who, "reference", prompt.reference),
        _mapping(who, "metadata", prompt.metadata),
        _name(who, "source", prompt.source, empty=True, limit=4096),
        prompt.split,
    )


def _completion(completion: Completion, prompt_id: str) -> Row:
    if type(completion) is not Completion:
        raise _wrong("completion", "completion", completion, "a Completion")
    if completion.prompt_id != prompt_id:
        raise _wrong("completion", "prompt_id", completion.prompt_id, f"{prompt_id!r}, the id of the entry's prompt")
    _text("completion", "text", completion.text)
    for field in ("model", "checkpoint_id"):
        if getattr(completion, field) is not None:
            _name("completion", field, getattr(completion, field), empty=True, limit=4096)
    _name("completion", "run", completion.run, empty=True)
    if type(completion.finish_reason) is not FinishReason:
        raise _wrong("completion", "finish_reason", completion.finish_reason, "a FinishReason")
    _count("completion", "round", completion.round)
    _count("completion", "index", completion.index)
    who = completion.id
    token_ids, logprobs = _drawn(who, completion)
    if completion.sampling is not None and type(completion.sampling) is not Sampling:
        raise _wrong(who, "sampling", completion.sampling, "a Sampling")
    return (
        who,
        prompt_id,
        completion.text,
        token_ids,
        logprobs,
        completion.checkpoint_id,
        completion.model,
        None if completion.sampling is None else _json(who, "sampling", to_plain(completion.sampling)),
        completion.finish_reason.value,
        completion.run,
        completion.round,
        completion.index,
    )


def _drawn(who: str, completion: Completion) -> tuple[str | None, str | None]:
    """Return the JSON of the token ids and of their log-probabilities, each where there is one."""
    token_ids, logprobs = completion.token_ids, completion.logprobs
    if token_ids is None and logprobs is None:
        return None, None
    tokens = _several(who, "token_ids", token_ids if token_ids is not None else ())
    if not all(type(token) is int and 0 <= token < 2**31 for token in tokens):
        raise _wrong(who, "token_ids", token_ids, "integers from 0 to 2^31 - 1")
    numbers = None if logprobs is None else list(_several(who, "logprobs", logprobs))
    if numbers is not None and len(numbers) != len(tokens):
        raise _wrong(who, "logprobs", len(numbers), f"one for each of {len(tokens)} token_ids")
    if numbers is not None and not all(type(each) in (int, float) for each in numbers):
        raise _wrong(who, "logprobs", logprobs, "numbers")
    return (
        None if token_ids is None else _json(who, "token_ids", list(tokens)),
        None if numbers is None else _json(who, "logprobs", numbers),
    )


def _feedback(record: Feedback, prompt_id: str) -> tuple[Row, Row]:
    if type(record) is not Feedback:
        raise _wrong("feedback", "feedback", record, "a Feedback")
    who = f"feedback {record.id!r}" if type(record.id) is str and len(record.id) <= MAX_NAME else "feedback"
    _name(who, "id", record.id)
    if record.prompt_id != prompt_id:
        raise _wrong(who, "prompt_id", record.prompt_id, f"{prompt_id!r}, the id of the entry's prompt")
    for name in _several(who, "completion_ids", record.completion_ids):
        _name(who, "completion_ids", name)
    author = record.author
    if type(author) is not Author or author.kind not in _AUTHOR_KINDS:
        raise _wrong(who, "author", author, "an Author of kind human, ai or rule")
    if record.supersedes == record.id:
        raise _wrong(who, "supersedes", record.supersedes, "the id of another record", "Leave it empty.")
    seconds = record.seconds_spent
    if seconds is not None and (type(seconds) not in (int, float) or not 0 <= seconds < math.inf):
        raise _wrong(who, "seconds_spent", seconds, "a finite number of seconds, 0 or more, or None")
    envelope = (
        record.id,
        _name(who, "kind", record.kind),
        prompt_id,
        _encode(list(record.completion_ids)),
        _name(who, "author.id", author.id, empty=True),
        author.kind,
        _name(who, "aspect", record.aspect, empty=True),
        _time(who, record.time),
        _name(who, "supersedes", record.supersedes, empty=True) or None,
        _name(who, "source", record.source, empty=True, limit=4096),
        _name(who, "run", record.run, empty=True),
        _count(who, "round", record.round),
    )
    words = (
        _mapping(who, "value", record.value),
        _text(who, "comment", record.comment),
        None if seconds is None else float(seconds),
        _mapping(who, "exposure", record.exposure),
        _text(who, "consent", record.consent),
        _mapping(who, "metadata", record.metadata),
    )
    return envelope, words


# ------------------------------------------------------------------------------------------------------------ one field


def _several(who: str, field: str, value: tuple[T, ...]) -> tuple[T, ...]:
    if not isinstance(value, tuple | list):
        raise _wrong(who, field, value, "a tuple")
    return value


def _text(who: str, field: str, value: str, limit: int = MAX_BYTES) -> str:
    """Return the text if it is whole Unicode without NUL (PostgreSQL refuses it) and not too long."""
    if type(value) is not str:
        raise _wrong(who, field, value, "text")
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise InputError(
                f"{who}: {field}: character {error.start} is half a surrogate pair (U+{ord(value[error.start]):04X}), "
                "which is no text. Remove it or mend the file's encoding."
            ) from None
    if size > limit:
        raise InputError(f"{who}: {field}: {size:,} bytes, but at most {limit:,} are stored. Shorten it.")
    if "\0" in value:
        raise InputError(
            f"{who}: {field}: character {value.index(chr(0))} is NUL (U+0000), which is no text. Remove it."
        )
    return value


def _name(who: str, field: str, value: str, *, empty: bool = False, limit: int = MAX_NAME) -> str:
    if type(value) is not str:
        raise _wrong(who, field, value, "text")
    if not value.isprintable() and any(unicodedata.category(each) in _UNPRINTABLE or each in _BIDI for each in value):
        raise _wrong(who, field, value, "text without control characters")
    if len(value) > limit:
        raise InputError(f"{who}: {field}: {len(value):,} characters, but at most {limit:,} are allowed. Shorten it.")
    if not value and not empty:
        raise InputError(f"{who}: {field}: empty, but it must be given.")
    return value


def _count(who: str, field: str, value: int) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise _wrong(who, field, value, "an integer from 0 to 2^31 - 1")
    return value


def _time(who: str, value: str) -> str:
    if value == "":
        return value
    try:
        if type(value) is not str or not _RFC3339.fullmatch(value):
            raise ValueError
        moment = datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError):
        raise _wrong(
            who, "time", value, "RFC 3339 such as 2025-01-31T12:00:00Z", "Leave it empty when unknown."
        ) from None
    if moment > time.time() + CLOCK_SKEW_SECONDS:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raise InputError(f"{who}: time: {value} is in the future (now is {now}). Mend the clock or leave it empty.")
    return value


def _mapping(who: str, field: str, value: Mapping[str, Any]) -> str:
    if not isinstance(value, Mapping):
        raise _wrong(who, field, value, "a mapping of JSON values")
    return _json(who, field, dict(value)) if value else "{}"


def _json(who: str, field: str, value: object) -> str:
    """Return canonical JSON of a value that is plain, finite and not too deep."""
    if type(value) is dict and not _is_plain(value, 1):
        _walk(who, field, value)
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        _walk(who, field, value)
        raise InputError(f"{who}: {field}: cannot be written as JSON ({error}).") from None
    return _text(who, field, text)


def _is_plain(value: object, depth: int) -> bool:
    """Return whether a value is certainly fine; when not, `_walk` looks for the culprit, much more slowly."""
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return all(type(key) is str and key.isprintable() and _is_plain(part, depth + 1) for key, part in value.items())
    if isinstance(value, list) and depth < MAX_DEPTH:
        return all(_is_plain(part, depth + 1) for part in value)
    return value is None or isinstance(value, float)  # what is not finite, the encoder refuses


def _walk(who: str, field: str, value: object) -> None:
    """Raise at the first part of a JSON value that cannot be stored, naming its path."""
    stack: list[tuple[str, object, int]] = [(field, value, 1)]
    while stack:
        path, part, depth = stack.pop()
        if type(part) is str:
            _text(who, path, part)
        elif type(part) is float:
            if not math.isfinite(part):
                raise _wrong(who, path, part, "a finite number", "Leave the record out when it was not measured.")
        elif type(part) is int:
            if not -MAX_INTEGER <= part <= MAX_INTEGER:
                raise InputError(f"{who}: {path}: an integer of more than 64 bits. Write it as text.")
        elif isinstance(part, Mapping | list | tuple):
            if depth > MAX_DEPTH:
                raise InputError(f"{who}: {field}: nested deeper than {MAX_DEPTH} levels. Flatten it.")
            stack.extend((name, each, depth + 1) for name, each in _parts(who, path, part))
        elif part is not None and type(part) is not bool:
            raise _wrong(who, path, part, "a plain JSON value (text, number, true, false, null, list, mapping)")


def _parts(who: str, path: str, part: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, object]]:
    if not isinstance(part, Mapping):
        yield from ((f"{path}[{index}]", each) for index, each in enumerate(part))
        return
    for key, each in part.items():
        if type(key) is not str:
            raise _wrong(who, path, key, "keys that are text")
        _text(who, f"{path}: key", key)
        yield f"{path}.{key}", each


def _wrong(who: str, field: str, value: object, expected: str, remedy: str = "") -> InputError:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an integer too long to print, a value nested too deep
        shown = f"a {type(value).__name__}"
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return InputError(f"{who}: {field}: {shown} is not {expected}.{' ' + remedy if remedy else ''}")
