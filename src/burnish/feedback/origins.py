"""What a row may say of a prompt and of completions beside their text, and back again.

`model` is one name, or a list in the order shown. `prompt_extra` and `completion_extra` hold what else our own records
know (a task's metadata, the checkpoint and settings a text was sampled with), so that an export loses nothing a person
or a method needs; token ids and log-probabilities stay in the store, so a text that went out and in again may be
imitated or compared, but is no rollout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from burnish.errors import InputError, nearest
from burnish.feedback import fields
from burnish.feedback.fields import Row
from burnish.plain import to_plain
from burnish.records import Completion, FinishReason, Message, Prompt, Sampling, Split

PROMPT_PARTS = ("reference", "metadata", "source", "split")
COMPLETION_PARTS = ("checkpoint_id", "sampling", "finish_reason", "run", "round", "index")
SAMPLING_PARTS = ("temperature", "top_k", "top_p", "max_new_tokens", "stop")
_MOST = 2**31 - 1  # what the store's integer columns take
_TOKENS, _RECORD = ("token_ids", "logprobs"), ("prompt_id", "text", "model")


def read_prompt(messages: tuple[Message, ...], row: Row, source: str) -> Prompt:
    """Return the prompt of a row; `source` where the row names none."""
    extra = _parts(row, "prompt_extra", PROMPT_PARTS)
    values: dict[str, Any] = {"source": source}
    if "reference" in extra:
        values["reference"] = fields.characters(extra["reference"], "prompt_extra.reference")
    if "metadata" in extra:
        values["metadata"] = fields.mapping(extra["metadata"], "prompt_extra.metadata")
    if "source" in extra:
        values["source"] = fields.characters(extra["source"], "prompt_extra.source")
    if "split" in extra:
        values["split"] = fields.one_of(extra["split"], "prompt_extra.split", get_args(Split))
    return Prompt(messages, **values)


def read_completions(texts: Sequence[str], prompt_id: str, row: Row) -> tuple[Completion, ...]:
    """Return the completions of these texts, with the row's `model` and `completion_extra`."""
    models = _models(row.get("model"), len(texts))
    given = fields.items(row.get("completion_extra", []), "completion_extra")
    if given and len(given) != len(texts):
        raise InputError(f"completion_extra: {len(given)} of them for {len(texts)} completions. Give null for none.")
    extras = [
        {} if each is None else _completion_parts(each, f"completion_extra[{index}]")
        for index, each in enumerate(given or [None] * len(texts))
    ]
    return tuple(
        Completion(prompt_id, text, model=model, **extra)
        for text, model, extra in zip(texts, models, extras, strict=True)
    )


def write(prompt: Prompt, completions: Sequence[Completion]) -> dict[str, Any]:
    """Return the row's fields that say where prompt and completions came from; none that would say nothing."""
    row: dict[str, Any] = {}
    models = [completion.model for completion in completions]
    if any(model is not None for model in models):
        row["model"] = models[0] if len(set(models)) == 1 else models
    if extra := {part: value for part, value in to_plain(prompt).items() if part != "messages"}:
        row["prompt_extra"] = extra
    extras = [
        {part: value for part, value in to_plain(completion).items() if part not in (*_RECORD, *_TOKENS)}
        for completion in completions
    ]
    if any(extras):
        row["completion_extra"] = [extra or None for extra in extras]
    return row


def _models(given: object, n: int) -> list[str | None]:
    if given is None or isinstance(given, str):
        return [given or None] * n
    models = fields.items(given, "model")
    if len(models) != n:
        raise InputError(f"model: {len(models)} names for {n} completions. Give one name, or one for each.")
    return [None if each is None else fields.text(each, f"model[{index}]") for index, each in enumerate(models)]


def _parts(row: Row, field: str, known: Sequence[str]) -> dict[str, Any]:
    """Return an object's parts that are not null; raises InputError for a part nobody knows."""
    given = fields.mapping(row.get(field, {}), field)
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"{field}: {unknown[0]!r} is unknown.{nearest(unknown[0], known)}")
    return {part: value for part, value in given.items() if value is not None}


def _completion_parts(value: object, path: str) -> dict[str, Any]:
    extra = _parts({path: value}, path, COMPLETION_PARTS)
    values: dict[str, Any] = {
        part: fields.characters(extra[part], f"{path}.{part}") for part in ("checkpoint_id", "run") if part in extra
    }
    values.update(
        (part, fields.whole(extra[part], f"{path}.{part}", 0, _MOST)) for part in ("round", "index") if part in extra
    )
    if "finish_reason" in extra:
        reasons = [reason.value for reason in FinishReason]
        values["finish_reason"] = FinishReason(fields.one_of(extra["finish_reason"], f"{path}.finish_reason", reasons))
    if "sampling" in extra:
        values["sampling"] = _sampling(extra["sampling"], f"{path}.sampling")
    return values


def _sampling(value: object, path: str) -> Sampling:
    given = _parts({path: value}, path, SAMPLING_PARTS)
    values: dict[str, Any] = {
        part: float(fields.number(given[part], f"{path}.{part}")) for part in ("temperature", "top_p") if part in given
    }
    values.update(
        (part, fields.whole(given[part], f"{path}.{part}", 0, _MOST))
        for part in ("top_k", "max_new_tokens")
        if part in given
    )
    if "stop" in given:
        stops = fields.items(given["stop"], f"{path}.stop")
        values["stop"] = tuple(fields.characters(each, f"{path}.stop[{index}]") for index, each in enumerate(stops))
    return Sampling(**values)
