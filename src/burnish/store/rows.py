"""Rows back to records: the inverse of `burnish.store.validation`, in the column order of `burnish.store.schema`."""

from __future__ import annotations

import json
from typing import Any

from burnish.plain import sampling_from_plain
from burnish.records import (
    Author,
    Completion,
    Feedback,
    FinishReason,
    Message,
    Prompt,
)
from burnish.store.validation import Row


def prompt_of(row: Row) -> Prompt:
    """Return the prompt of a row of `PROMPT_COLUMNS`."""
    _, messages, reference, metadata, source, split = row
    turns = tuple(Message(role, content) for role, content in json.loads(messages))
    return Prompt(turns, reference, _mapping(metadata), source, split)


def completion_of(row: Row) -> Completion:
    """Return the completion of a row of `COMPLETION_COLUMNS`."""
    _, prompt_id, text, token_ids, logprobs, checkpoint_id, model, sampling, finish_reason, run, round_, index = row
    return Completion(
        prompt_id,
        text,
        None if token_ids is None else tuple(json.loads(token_ids)),
        None if logprobs is None else tuple(json.loads(logprobs)),
        checkpoint_id,
        model,
        None if sampling is None else sampling_from_plain(json.loads(sampling)),
        FinishReason(finish_reason),
        run,
        round_,
        index,
    )


def feedback_of(row: Row) -> Feedback:
    """Return the feedback of a row of `ENVELOPE_COLUMNS` and `WORDS_COLUMNS`."""
    id_, kind, prompt_id, completion_ids, author_id, author_kind, aspect, time, supersedes, source, run, round_ = row[
        :12
    ]
    value, comment, seconds_spent, exposure, consent, metadata = row[12:]
    return Feedback(
        id_,
        kind,
        prompt_id,
        tuple(json.loads(completion_ids)),
        _mapping(value),
        Author(author_id, author_kind),
        aspect,
        comment,
        time,
        seconds_spent,
        _mapping(exposure),
        consent,
        supersedes or "",
        source,
        run,
        round_,
        _mapping(metadata),
    )


def _mapping(text: str) -> dict[str, Any]:
    return {} if text == "{}" else dict(json.loads(text))
