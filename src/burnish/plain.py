"""Records <-> plain JSON values, and the hash that names what a checkpoint was trained on."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from burnish.records import (
    Author,
    Completion,
    Critique,
    Demonstration,
    Feedback,
    FinishReason,
    Message,
    Preference,
    Prompt,
    Sampling,
    Score,
    Signal,
    Span,
    canonical_json,
)


def to_plain(record: object) -> Any:
    """Return a record as plain JSON values; fields that hold their default are left out."""
    if is_dataclass(record) and not isinstance(record, type):
        plain: dict[str, Any] = {}
        for item in fields(record):
            value = getattr(record, item.name)
            if value != item.default and not (item.default_factory is dict and value == {}):
                plain[item.name] = to_plain(value)
        return plain
    if isinstance(record, enum.Enum):
        return record.value
    if isinstance(record, Mapping):
        return {str(key): to_plain(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [to_plain(value) for value in record]
    return record


def prompt_from_plain(plain: Mapping[str, Any]) -> Prompt:
    """Return the prompt that `to_plain` wrote."""
    messages = tuple(Message(message["role"], message["content"]) for message in plain["messages"])
    return Prompt(**{**plain, "messages": messages})


def sampling_from_plain(plain: Mapping[str, Any]) -> Sampling:
    """Return the sampling settings that `to_plain` wrote."""
    bias = tuple((int(token), float(bias)) for token, bias in plain.get("logit_bias", ()))
    return Sampling(**{**plain, "stop": tuple(plain.get("stop", ())), "logit_bias": bias})


def completion_from_plain(plain: Mapping[str, Any]) -> Completion:
    """Return the completion that `to_plain` wrote."""
    values = dict(plain)
    for name in ("token_ids", "logprobs"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    if values.get("sampling") is not None:
        values["sampling"] = sampling_from_plain(values["sampling"])
    if "finish_reason" in values:
        values["finish_reason"] = FinishReason(values["finish_reason"])
    return Completion(**values)


def feedback_from_plain(plain: Mapping[str, Any]) -> Feedback:
    """Return the feedback that `to_plain` wrote."""
    author = Author(**plain.get("author", {}))
    return Feedback(**{**plain, "author": author, "completion_ids": tuple(plain["completion_ids"])})


_SIGNALS: Mapping[str, type[Demonstration] | type[Preference] | type[Score] | type[Critique]] = {
    "demonstration": Demonstration,
    "preference": Preference,
    "score": Score,
    "critique": Critique,
}


def signal_to_plain(signal: Signal) -> dict[str, Any]:
    """Return a signal as plain JSON values, its type under `signal`."""
    return {"signal": type(signal).__name__.lower(), **to_plain(signal)}


def signal_from_plain(plain: Mapping[str, Any]) -> Signal:
    """Return the signal that `signal_to_plain` wrote."""
    values = dict(plain)
    kind = _SIGNALS[values.pop("signal")]
    values["prompt"] = prompt_from_plain(values["prompt"])
    if "completion" in values:
        values["completion"] = completion_from_plain(values["completion"])
    if "completions" in values:
        values["completions"] = tuple(completion_from_plain(each) for each in values["completions"])
    for name in ("spans", "token_rewards"):
        if name in values:
            values[name] = tuple(Span(**each) for each in values[name])
    if "counts" in values:
        values["counts"] = tuple((float(rating), int(count)) for rating, count in values["counts"])
    if "parts" in values:
        values["parts"] = tuple((str(name), float(gave)) for name, gave in values["parts"])
    for name in ("ranks", "members", "feedback_ids"):
        if name in values:
            values[name] = tuple(values[name])
    return kind(**values)


def snapshot_hash(signals: Iterable[Signal]) -> str:
    """Return the SHA-256 of the signals in their order: the name of what a checkpoint was trained on."""
    digest = hashlib.sha256()
    for line in snapshot_lines(signals):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def snapshot_lines(signals: Iterable[Signal]) -> Iterator[str]:
    """Yield one canonical JSON line for each signal."""
    for signal in signals:
        yield canonical_json(signal_to_plain(signal))
