"""Prompts and completions out of a row, whether they are plain texts or lists of messages, and back again.

A row may hold the prompt as text or as messages, and completions as text, as the assistant's message, or as the whole
conversation that ends with it (then the prompt may be missing: it is what all of them begin with). These are the
shapes of interface.md and of TRL's preference and unpaired preference formats, conversational or not.
"""

from __future__ import annotations

from typing import Any

from burnish.errors import InputError
from burnish.feedback import fields
from burnish.feedback.fields import Row
from burnish.records import Message, Prompt

ROLES = ("system", "user", "assistant")
ONE = ("completion", "chosen", "rejected")
"""Fields that hold one completion; `completions` holds several."""


def read(row: Row) -> tuple[tuple[Message, ...], dict[str, Any]]:
    """Return the prompt's messages (none for "") and the row without nulls, its completions as plain texts.

    Raises InputError where there is no prompt, where a completion is empty or no assistant's message, or where
    conversations differ before their last message.
    """
    plain = {field: value for field, value in row.items() if value is not None}
    answers = _answers(plain)
    if "prompt" in plain:
        asked = _prompt(plain["prompt"])
        answers = {path: _without(asked, turns) for path, turns in answers.items()}
    elif answers and all(_is_conversation(row, path) for path in answers):
        asked = ()
    else:
        raise InputError('prompt: missing. Add "prompt": the text that was asked ("" for text that answers nothing).')
    shared = _shared(list(answers.values()))
    if "prompt" not in plain and not shared:
        raise InputError("prompt: missing, and the conversations do not begin alike. Add the prompt they answer.")
    texts = {path: _last(path, turns[len(shared) :]) for path, turns in answers.items()}
    plain.update((path, written) for path, written in texts.items() if path in ONE)
    if "completions" in plain:
        plain["completions"] = [texts[f"completions[{index}]"] for index in range(len(plain["completions"]))]
    return asked + shared, plain


def write(prompt: Prompt) -> str | list[dict[str, str]]:
    """Return the prompt as a row holds it: the text of a single user message, else the list of messages."""
    if not prompt.messages:
        return ""
    # an empty user message is a question of nothing; as "" it would read as no question at all
    if len(prompt.messages) == 1 and prompt.messages[0].role == "user" and prompt.messages[0].content:
        return prompt.messages[0].content
    return [{"role": message.role, "content": message.content} for message in prompt.messages]


def _prompt(value: object) -> tuple[Message, ...]:
    if isinstance(value, list):
        return _messages(value, "prompt")
    asked = fields.characters(value, "prompt")
    return (Message("user", asked),) if asked else ()


def _answers(plain: Row) -> dict[str, tuple[Message, ...]]:
    """Every completion of the row as messages, under its path (`chosen`, `completions[2]`, ...)."""
    found = {field: plain[field] for field in ONE if field in plain}
    if "completions" in plain:
        several = fields.items(plain["completions"], "completions")
        found.update((f"completions[{index}]", each) for index, each in enumerate(several))
    answers = {}
    for path, value in found.items():
        if isinstance(value, list):
            answers[path] = _messages(value, path)
            if not answers[path]:
                raise InputError(f"{path}: empty. Give the messages, or leave the object out.")
        else:
            answers[path] = (Message("assistant", fields.text(value, path)),)
    return answers


def _is_conversation(row: Row, path: str) -> bool:
    """Whether that completion was given as messages, so that it may hold its own prompt."""
    if path in ONE:
        return isinstance(row[path], list)
    return isinstance(row["completions"][int(path[len("completions[") : -1])], list)


def _messages(value: list[Any], path: str) -> tuple[Message, ...]:
    messages = []
    for index, turn in enumerate(value):
        here = f"{path}[{index}]"
        if not isinstance(turn, dict):
            raise fields.wrong(here, turn, "a message", 'Write {"role": "user", "content": "..."}.')
        extra = sorted(key for key, each in turn.items() if key not in ("role", "content") and each is not None)
        if extra:
            raise InputError(f"{here}: {extra[0]!r} is neither role nor content. Only plain text can be learned from.")
        role = fields.one_of(turn.get("role"), f"{here}.role", ROLES)
        messages.append(Message(role, fields.characters(turn.get("content"), f"{here}.content")))
    return tuple(messages)


def _without(asked: tuple[Message, ...], turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation without the prompt it repeats."""
    repeats = len(turns) > len(asked) and turns[: len(asked)] == asked
    return turns[len(asked) :] if repeats else turns


def _shared(answers: list[tuple[Message, ...]]) -> tuple[Message, ...]:
    """Messages that all answers begin with, their last messages left out."""
    shared = 0
    while all(len(turns) > shared + 1 and turns[shared] == answers[0][shared] for turns in answers) and answers:
        shared += 1
    return answers[0][:shared] if answers else ()


def _last(path: str, turns: tuple[Message, ...]) -> str:
    if len(turns) != 1:
        raise InputError(f"{path}: differs from the others before its last message. Compare answers to one prompt.")
    if turns[0].role != "assistant":
        raise InputError(f"{path}: ends with a message of the {turns[0].role}, expected the assistant's answer.")
    return fields.text(turns[0].content, path)
