"""A text file as what a model learns to go on with: pieces of it, at paragraphs where it has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from burnish.errors import InputError
from burnish.methods import pretrain
from burnish.records import Completion, Demonstration, FinishReason, Prompt

CHARACTERS = 2_000
"""Of a piece, at most."""
NOTHING_ASKED = Prompt(())


def demonstrations(path: Path, characters: int = CHARACTERS) -> list[Demonstration]:
    """Return a text file's pieces of at most so many characters, each a demonstration without a prompt.

    Paragraphs stand apart by an empty line; short ones are joined, longer ones cut. Raises InputError for an empty
    file, and for what is no text.
    """
    return [piece for joined in _joined(_read(path), characters) for piece in _cut(joined, characters)]


def _read(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"--data {path}: there is no such file. Give a text file.")
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"--data {path}: byte {error.start} is not UTF-8. Give text, saved as UTF-8.") from None
    if "\0" in text:
        raise InputError(f"--data {path}: byte {text.encode().index(0)} is 0, so this is no text. Give a text file.")
    if not text.strip():
        raise InputError(f"--data {path}: the file is empty. Give it text, paragraphs apart by an empty line.")
    return text


def _joined(text: str, characters: int) -> Iterator[str]:
    """Yield paragraphs, short ones joined up to so many characters; a longer one comes whole."""
    held = ""
    for paragraph in filter(str.strip, text.split("\n\n")):
        if held and len(held) + 2 + len(paragraph) > characters:
            yield held
            held = ""
        held = f"{held}\n\n{paragraph}" if held else paragraph
    if held:
        yield held


def _cut(text: str, characters: int) -> Iterator[Demonstration]:
    """Yield the text in pieces; only the last one ends as the text does, the others go on (trap T2)."""
    pieces = list(pretrain.pieces(text, characters))
    for number, piece in enumerate(pieces):
        reason = FinishReason.GIVEN if number == len(pieces) - 1 else FinishReason.LENGTH
        yield Demonstration(NOTHING_ASKED, Completion(NOTHING_ASKED.id, piece, finish_reason=reason))
