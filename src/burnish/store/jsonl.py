"""Record files: one JSON object a line, read so that a bad line never takes the good ones with it.

Python's own parser is too kind for data that will be trained on: it takes NaN, turns 1e999 into infinity, lets the
last of two equal keys win silently and passes half characters. Here each of these is an error of its line, and a line
of any length costs no more memory than the limit.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import secrets
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from burnish.errors import InputError

MAX_LINE_BYTES = 1 << 20
MAX_DEPTH = 64
_MAX_DIGITS = 300  # a longer integer is no finite float either; Python itself stops at 4,300
_CHUNK = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}

# What makes a line worth a closer look: controls and bidirectional marks, written out or escaped. \n, \r and \t pass.
_SUSPECT = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\\[bf]|\\u(?:[dD][89a-fA-F]|00[01789]|20[26])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_OVERRIDES = "\u202d\u202e"
_OPENERS = {"\u202a": "\u202c", "\u202b": "\u202c", "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}
_CLOSERS = frozenset("\u202c\u2069")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a record file: its object, or why it has none."""

    file: str
    number: int
    """From 1."""
    offset: int
    """Byte at which the line starts (in the unpacked data of a gzip file)."""
    digest: str
    """SHA-256 of the line's bytes without its line ending: the same line has the same digest in every file."""
    value: dict[str, Any] | None = None
    error: str = ""

    @property
    def where(self) -> str:
        """`file:number`, for messages."""
        return f"{self.file}:{self.number}"


class _BadLineError(ValueError):
    """Why a line is refused."""


def read_objects(path: str | os.PathLike[str], *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """Return the lines of a JSONL file one by one; `-` is standard input, gzip is told by its first bytes.

    Blank lines are passed over. A line has `value` or `error`, never both. Memory is bounded by the limit of a line.
    Raises `InputError` at once when the file cannot be opened.
    """
    name = os.fspath(path)
    if name == "-":
        return _lines(sys.stdin.buffer, "standard input", max_line_bytes, close=False)
    try:
        file: IO[bytes] = Path(name).open("rb")  # noqa: SIM115  (closed by the generator that reads it)
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder. Name a JSONL file in it.") from None
    except FileNotFoundError:
        raise InputError(f"{name}: no such file. Check the name.") from None
    except PermissionError:
        raise InputError(f"{name}: may not be read by this user. Change its permissions.") from None
    except OSError as error:  # a name too long, a file where a folder should be, a circle of links
        raise InputError(f"{name}: cannot be opened ({error.strerror}). Name a JSONL file.") from None
    return _lines(file, name, max_line_bytes, close=True)


def _lines(file: IO[bytes], name: str, limit: int, *, close: bool) -> Iterator[Line]:
    number = offset = 0
    try:
        source, encoding = _unpacked(file)
        if encoding:
            fix = f"`iconv -f {encoding} -t UTF-8`"
            yield Line(name, 1, 0, "", error=f"byte 0: the file is {encoding}, not UTF-8. Convert it with {fix}.")
            return
        for raw, digest, length, start in _raw_lines(source, limit):
            number += 1
            offset = start
            if length > limit:
                message = f"{length:,} bytes long, but at most {limit:,} are read. Split it."
                yield Line(name, number, start, digest, error=message)
            elif raw.strip():
                yield _parsed(name, number, start, digest, raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"the gzip data is damaged after this ({error}). Pack or fetch the file again."
        yield Line(name, number + 1, offset, "", error=message)
    except OSError as error:
        after = f" after line {number:,}" if number else ""
        raise InputError(
            f"{name}: cannot be read{after} ({error.strerror or error}). Name a JSONL file on a disk that works."
        ) from error
    finally:
        if close:
            file.close()


def _unpacked(file: IO[bytes]) -> tuple[IO[bytes], str]:
    """Return the stream of plain bytes after a UTF-8 mark, and the encoding's name when it is another one."""
    source: Any = file if hasattr(file, "peek") else io.BufferedReader(file)
    if source.peek(2)[:2] == _GZIP:
        source = io.BufferedReader(gzip.GzipFile(fileobj=source), _CHUNK)
    start = source.peek(4)[:4]
    for mark, encoding in _OTHER_BOMS.items():
        if start.startswith(mark):
            return source, encoding
    return source, ""


def _raw_lines(source: IO[bytes], limit: int) -> Iterator[tuple[bytes, str, int, int]]:
    """Yield (bytes without the ending, digest, length, offset); of a line over the limit only digest and length."""
    offset = 0
    while True:
        piece = source.readline(limit + 2)  # room for \r\n
        if not piece:
            return
        start, offset = offset, offset + len(piece)
        if start == 0 and piece.startswith(_UTF8_BOM):
            piece = piece[len(_UTF8_BOM) :]
        line = piece.removesuffix(b"\n").removesuffix(b"\r")
        digest, length = hashlib.sha256(line), len(line)
        while not piece.endswith(b"\n") and (piece := source.readline(_CHUNK)):
            offset += len(piece)
            rest = piece.removesuffix(b"\n")
            digest.update(rest)
            length += len(rest)
        yield (line if length <= limit else b"", digest.hexdigest(), length, start)


# ------------------------------------------------------------------------------------------------------------- one line


def _parsed(name: str, number: int, start: int, digest: str, raw: bytes) -> Line:
    try:
        return Line(name, number, start, digest, value=parse(raw, start))
    except _BadLineError as error:
        return Line(name, number, start, digest, error=str(error))


def parse(raw: bytes, start: int = 0) -> dict[str, Any]:
    """Return the object in one line's bytes; raises `ValueError` saying what is wrong and at which byte or field."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        utf16 = " It looks like UTF-16: convert the file to UTF-8." if b"\0" in raw else " Save the file as UTF-8."
        raise _BadLineError(f"byte {start + error.start}: 0x{byte:02x} is not UTF-8.{utf16}") from None
    if "\0" in text:
        at = start + raw.index(b"\0")
        raise _BadLineError(f"byte {at}: NUL, which is no text. Remove it; if the file is UTF-16, convert it to UTF-8.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = start + len(text[: error.pos].encode())
        raise _BadLineError(f"byte {at}: not JSON ({error.msg}).") from None
    except RecursionError:
        raise _BadLineError(f"nested deeper than {MAX_DEPTH} levels. Flatten it.") from None
    if not isinstance(value, dict):
        raise _BadLineError(f"a {_NAMES.get(type(value), 'value')}, but each line must be a JSON object: {{...}}.")
    if _SUSPECT.search(text) or text.count("[") + text.count("{") > MAX_DEPTH:
        _look_closer(value)
    return value


_NAMES = {list: "list", str: "text", int: "number", float: "number", bool: "true or false", type(None): "null"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise _BadLineError(f"{_shown(twice)}: stands twice in one object. Keep one.")
    return found


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _BadLineError(f"{digits[:40]} is too large for a number. Nothing non-finite is stored.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _BadLineError(f"an integer of {len(digits):,} digits. Write it as text or round it.")
    return int(digits)


def _constant(word: str) -> NoReturn:
    raise _BadLineError(f"{word} is no JSON number. Nothing non-finite is stored; leave the field out.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant)


def _look_closer(value: dict[str, Any]) -> None:
    """Raise at the first text that is not plain text, or where nesting is too deep, naming the field."""
    stack: list[tuple[str, Any, int]] = [("", value, 1)]
    while stack:
        path, part, depth = stack.pop()
        if isinstance(part, str):
            _check_text(path, part)
        elif isinstance(part, dict | list):
            if depth > MAX_DEPTH:
                raise _BadLineError(f"{path.split('.')[0]}: nested deeper than {MAX_DEPTH} levels. Flatten it.")
            if isinstance(part, dict):
                for key in part:
                    _check_text(f"{path or 'object'}: key {_shown(key)}", key)
                stack.extend((f"{path}.{key}".lstrip("."), each, depth + 1) for key, each in part.items())
            else:
                stack.extend((f"{path}[{index}]", each, depth + 1) for index, each in enumerate(part))


def _check_text(path: str, text: str) -> None:
    if found := _SURROGATE.search(text):
        raise _BadLineError(
            f"{path}: half of a surrogate pair ({_point(found[0])}), which is no text. Mend the encoding."
        )
    if found := _CONTROL.search(text):
        raise _BadLineError(f"{path}: control character {_point(found[0])}. Remove it.")
    expected: list[str] = []
    for each in text:
        if each in _OVERRIDES:
            raise _BadLineError(
                f"{path}: bidirectional override {_point(each)} makes text look other than it is. Remove it."
            )
        if each in _OPENERS:
            expected.append(_OPENERS[each])
        elif each in _CLOSERS and (not expected or expected.pop() != each):
            raise _BadLineError(f"{path}: bidirectional mark {_point(each)} closes what was never opened. Remove it.")
    if expected:
        raise _BadLineError(
            f"{path}: a bidirectional mark is never closed by {_point(expected[-1])}. Remove or close it."
        )


def _point(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def _shown(key: str) -> str:
    return repr(key if len(key) <= 60 else key[:57] + "...")


# -------------------------------------------------------------------------------------------------------------- writing


def write_objects(rows: Iterable[Mapping[str, Any]], out: str | os.PathLike[str] | None = None) -> int:
    """Return how many rows were written, one JSON object a line, to a file or (None or `-`) to standard output.

    A file is written under a temporary name, synced and renamed, so it is whole or as it was; `.gz` is packed.
    Raises `InputError` when the folder does not exist or a row holds a number that is not finite.
    """
    if out is None or os.fspath(out) == "-":
        count = _write(rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return count
    target = Path(os.path.abspath(out))
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{target}: cannot be a file there. Name a file in a folder that exists.")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.burnish-tmp")
    try:
        with temporary.open("xb") as file:
            count = _write_packed(rows, file) if target.suffix == ".gz" else _write(rows, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return count


def _write_packed(rows: Iterable[Mapping[str, Any]], file: IO[bytes]) -> int:
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:  # no name or time inside: same rows, same bytes
        return _write(rows, packed)


def _write(rows: Iterable[Mapping[str, Any]], file: Any) -> int:
    count = 0
    for count, row in enumerate(rows, 1):
        try:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise InputError(f"row {count}: cannot be written as JSON ({error}).") from None
        file.write(line.encode() + b"\n")
    return count
