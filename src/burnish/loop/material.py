"""What `burnish train` is given to learn from, by name: data, prompts, a reward."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish import progress
from burnish.errors import InputError
from burnish.feedback.answers import SignalConfig
from burnish.feedback.signals import signals_from
from burnish.loop import evidence as evidences
from burnish.loop import raw_text
from burnish.plain import prompt_from_plain
from burnish.records import Completion, Demonstration, Message, Prompt, Signal

RAW = (".txt", ".md", ".text", "")


def signals_of(
    data: str, db: str | None, heard: SignalConfig | None = None, *, characters: int = raw_text.CHARACTERS
) -> list[Signal]:
    """Return the signals of a JSONL file, a text file, a store's URL or a snapshot's hash.

    Text becomes demonstrations without a prompt, paragraphs joined up to so many characters. A JSONL line with
    `prompt` and `completion` and nothing said of it is a demonstration (TRL's prompt-completion rows); one with
    `messages` shows its last turn; one with `text` is raw text. All else is feedback, heard as `heard` says.
    """
    path = Path(data)
    if _is_raw(path, data):
        return list(raw_text.demonstrations(path, characters))
    if path.is_file():
        shown = _demonstrations(path)
        if shown:
            return list(shown)
    if evidences.is_snapshot(data):
        return evidences.loaded(data, db)
    return signals_from(evidences.entries_of(data), heard)


def _is_raw(path: Path, data: str) -> bool:
    """Return whether it is a text file; one without an ending is where it does not begin as JSON does."""
    if path.suffix not in RAW or evidences.is_stored(data):
        return False
    if path.suffix:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return not file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _demonstrations(path: Path) -> list[Demonstration]:
    """Return the file's rows as demonstrations when its first row is one; nothing when it holds feedback."""
    found: list[Demonstration] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except ValueError:  # also of what is not UTF-8
                row = None
            shown = _demonstration(row) if isinstance(row, dict) else None
            if shown is None:
                if found:
                    progress.say(f"{path}: line {number} is no demonstration as the first line is; left out")
                    continue
                return []
            found.append(shown)
    return found


def _demonstration(row: dict[str, Any]) -> Demonstration | None:
    weight = float(row.get("weight", 1.0))
    if set(row) <= {"text", "weight"} and isinstance(row.get("text"), str):
        return _raw(row["text"], weight)
    if set(row) <= {"messages", "weight"} and isinstance(row.get("messages"), list):
        turns = [Message(str(turn["role"]), str(turn["content"])) for turn in row["messages"]]
        if len(turns) < 2 or turns[-1].role != "assistant":
            return None
        return _shown(Prompt.of(turns[:-1]), turns[-1].content, weight)
    if set(row) <= {"prompt", "completion", "weight"} and isinstance(row.get("completion"), str):
        asked = row.get("prompt", "")
        if isinstance(asked, list):
            asked = [Message(str(turn["role"]), str(turn["content"])) for turn in asked]
        return _shown(Prompt.of(asked) if asked else Prompt(()), row["completion"], weight)
    return None


def _shown(prompt: Prompt, text: str, weight: float) -> Demonstration:
    return Demonstration(prompt, Completion(prompt.id, text), weight)


def _raw(text: str, weight: float = 1.0) -> Demonstration:
    return _shown(Prompt(()), text, weight)


def prompts_of(file: str | None, signals: Sequence[Signal]) -> list[Prompt]:
    """Return the prompts completions are drawn for: a file's, else those the data speaks of.

    A file is JSONL with `prompt` (text or messages), or plain text with one prompt a line.
    """
    if file:
        return _prompts_in(Path(file))
    found = {signal.prompt.id: signal.prompt for signal in signals if signal.prompt.messages}
    return list(found.values())


def _prompts_in(path: Path) -> list[Prompt]:
    if not path.is_file():
        raise InputError(f"--prompts {path}: there is no such file. Give JSONL with `prompt`, or one prompt a line.")
    found: dict[str, Prompt] = {}
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if line.strip():
            prompt = _prompt(line, path, number)
            found.setdefault(prompt.id, prompt)
    if not found:
        raise InputError(f"--prompts {path}: holds no prompt. Write one a line.")
    return list(found.values())


def _prompt(line: str, path: Path, number: int) -> Prompt:
    if path.suffix != ".jsonl":
        return Prompt.of(line.strip())
    try:
        row = json.loads(line)
        if isinstance(row, dict) and "messages" in row and "prompt" not in row:
            return prompt_from_plain(row)
        asked = row["prompt"]
        more = {"reference": row["reference"]} if isinstance(row.get("reference"), str) else {}
        if isinstance(asked, str):
            return Prompt.of(asked, **more)
        return Prompt.of([Message(turn["role"], turn["content"]) for turn in asked], **more)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f'{path}: line {number}: no prompt. Each line is an object such as {{"prompt": "Name a colour."}}.'
        ) from None
