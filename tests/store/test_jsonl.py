"""Record files (J1-J4, J6): a bad line is named and never takes the good ones with it."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import math
import subprocess
import sys
import textwrap
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.store import read_objects, write_objects
from burnish.store.jsonl import parse


def read(tmp_path, content: bytes, **options):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return list(read_objects(path, **options))


def values(lines):
    return [line.value for line in lines]


GOOD = b'{"a": 1, "b": "\xc3\xa9"}'


@pytest.mark.parametrize(
    "content",
    [
        GOOD + b"\n" + GOOD + b"\n",
        GOOD + b"\n" + GOOD,
        GOOD + b"\r\n" + GOOD + b"\r\n",
        b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD,
        b"\n  \n" + GOOD + b"\n\n" + GOOD + b"\n\n",
        gzip.compress(GOOD + b"\n" + GOOD + b"\n"),
        gzip.compress(GOOD + b"\n") + gzip.compress(GOOD),
    ],
    ids=["plain", "no-final-newline", "crlf", "bom", "blank-lines", "gzip", "gzip-of-two-members"],
)
def test_good_files_of_every_form(tmp_path, content):
    lines = read(tmp_path, content)
    assert values(lines) == [{"a": 1, "b": "é"}] * 2
    assert {line.digest for line in lines} == {hashlib.sha256(GOOD).hexdigest()}
    assert {line.error for line in lines} == {""}


def test_an_empty_file_has_no_lines(tmp_path):
    assert read(tmp_path, b"") == []
    assert read(tmp_path, gzip.compress(b"")) == []


def test_a_line_knows_where_it_stands(tmp_path):
    lines = read(tmp_path, b'{"a":1}\n\n{"b":2}\r\n{"c":3}')
    assert [(line.number, line.offset) for line in lines] == [(1, 0), (3, 9), (4, 18)]
    assert lines[1].where == f"{tmp_path}/rows.jsonl:3"


BAD = [
    (b'{"a": "\xff"}', "byte 7: 0xff is not UTF-8"),
    (b'{"a": "\xed\xa0\x80"}', "byte 7: 0xed is not UTF-8"),  # a surrogate written as if UTF-8 allowed it
    (b'{"a": "\xc0\x80"}', "byte 7: 0xc0 is not UTF-8"),  # an overlong NUL
    ('{"a": 1}'.encode("utf-16-le"), "NUL, which is no text. Remove it; if the file is UTF-16, convert it"),
    (b'{"a": "\\ud800"}', "a: half of a surrogate pair (U+D800)"),
    (b'{"a": {"b": ["x", "\\uDFFF"]}}', "a.b[1]: half of a surrogate pair (U+DFFF)"),
    (b'{"\\ud800": 1}', "half of a surrogate pair"),
    (b'{"a": "\\u0000"}', "a: control character U+0000"),
    (b'{"a": "x\\u001fy"}', "a: control character U+001F"),
    (b'{"a": "\\b"}', "a: control character U+0008"),
    (b'{"a": "\x7f"}', "a: control character U+007F"),
    (b'{"a": "\xc2\x85"}', "a: control character U+0085"),
    (b'{"a": "x\x01y"}', "byte 8: not JSON"),
    (b'{"a": "\x00"}', "byte 7: NUL"),
    ('{"a": "x\u202ey"}'.encode(), "a: bidirectional override U+202E RIGHT-TO-LEFT OVERRIDE"),
    (b'{"a": "x\\u202dy"}', "a: bidirectional override U+202D"),
    ('{"a": "x\u2067y"}'.encode(), "a: a bidirectional mark is never closed by U+2069"),
    ('{"a": "x\u2069y"}'.encode(), "a: bidirectional mark U+2069 POP DIRECTIONAL ISOLATE closes what was never opened"),
    ('{"a": "\u2067\u202by\u2069\u202c"}'.encode(), "closes what was never opened"),
    (b'{"a": NaN}', "NaN is no JSON number"),
    (b'{"a": [-Infinity]}', "-Infinity is no JSON number"),
    (b'{"a": 1e999}', "1e999 is too large for a number"),
    (b'{"a": -1e999}', "-1e999 is too large"),
    (b'{"a": ' + b"9" * 5000 + b"}", "an integer of 5,000 digits"),
    (b'{"a": ' + b"9" * 400 + b"}", "an integer of 400 digits"),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64 levels"),
    (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 64 levels"),
    (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "a[0]"),
    (b'{"a": 1, "b": 2, "a": 3}', "'a': stands twice in one object"),
    (b'{"x": {"id": 1, "id": 1}}', "'id': stands twice in one object"),
    (b"[1, 2]", "a list, but each line must be a JSON object"),
    (b'"text"', "a text, but each line"),
    (b"null", "a null, but each line"),
    (b"true", "a true or false, but each line"),
    (b"3", "a number, but each line"),
    (b'{"a": 1', "byte 7: not JSON"),
    (b"{'a': 1}", "byte 1: not JSON"),
    (b'{"a": 1} {"b": 2}', "byte 9: not JSON (Extra data)"),
    (b'{"a": 01}', "not JSON"),
    (b'{"a": +1}', "not JSON"),
    (b'{"a": 1,}', "not JSON"),
    (b'\xef\xbb\xbf{"a": 1}', "not JSON"),  # a mark in the middle of a file
    (b"prompt,completion", "not JSON"),
    (b"\x89PNG\r", "0x89 is not UTF-8"),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_line_is_named_and_its_neighbours_are_read(tmp_path, line, message):
    before = GOOD + b"\n"
    first, bad, last = read(tmp_path, before + line + b"\n" + GOOD)
    assert first.value is not None
    assert last.value is not None
    assert bad.value is None
    assert (bad.number, bad.offset) == (2, len(before))
    expected = message
    if message.startswith("byte "):  # counted from the start of the file, not of the line
        number, _, rest = message.removeprefix("byte ").partition(":")
        expected = f"byte {int(number) + len(before)}:{rest}"
    assert expected in bad.error
    assert len(bad.error) < 300


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": "\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"a": "tab\\tline\\r\\n"}', "tab\tline\r\n"),
        (b'{"a": "\\\\u0000 is how NUL is written"}', "\\u0000 is how NUL is written"),
        ('{"a": "\u202b\u05d0\u202c and \u2067\u05d1\u2069"}'.encode(), "\u202b\u05d0\u202c and \u2067\u05d1\u2069"),
        (b'{"a": "\\u200d\\u00e9"}', "\u200d\u00e9"),
        (b'{"a": -0}', 0),
        (b'{"a": 1e308}', 1e308),
        (b'{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
    ],
)
def test_what_only_looks_odd_passes(content, value):
    assert parse(content) == {"a": value}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_encoding_is_said_once_where_its_mark_tells(tmp_path, encoding):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (line,) = read(tmp_path, mark + '{"a": 1}\n{"a": 2}\n'.encode(encoding))
    assert line.error.startswith(f"byte 0: the file is {encoding[:6].upper()}, not UTF-8.")
    assert "iconv" in line.error


def test_a_line_over_the_limit_is_refused_and_the_rest_is_read(tmp_path):
    long = b'{"a": "' + b"x" * 100 + b'"}'
    content = GOOD + b"\n" + long + b"\n" + GOOD + b"\n" + long
    lines = read(tmp_path, content, max_line_bytes=50)
    assert [bool(line.value) for line in lines] == [True, False, True, False]
    assert lines[1].error == "109 bytes long, but at most 50 are read. Split it."
    assert lines[1].digest == lines[3].digest == hashlib.sha256(long).hexdigest()
    assert [line.offset for line in lines] == [0, 20, 130, 150]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_limit_counts_the_line_without_its_ending(tmp_path, ending):
    line = b'{"a": "xxxx"}'
    assert read(tmp_path, line + ending, max_line_bytes=len(line))[0].error == ""
    assert "at most 12" in read(tmp_path, line + ending, max_line_bytes=len(line) - 1)[0].error


def test_a_hundred_megabytes_in_one_line_cost_no_memory(tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": "')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + GOOD)
    packed = tmp_path / "long.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    code = f"""
        from pathlib import Path
        from burnish.store import read_objects
        for path in ({str(path)!r}, {str(packed)!r}):
            long, good = read_objects(path)
            assert "at most 1,048,576" in long.error, long
            assert good.value is not None
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        assert peak < 100, peak
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("cut", ["truncated", "corrupt", "garbage-after"])
def test_a_damaged_gzip_file_ends_with_an_error_line(tmp_path, cut):
    rows = b"".join(
        b'{"n": %d, "x": "%s"}\n' % (n, hashlib.sha256(b"%d" % n).hexdigest().encode()) for n in range(5000)
    )
    packed = bytearray(gzip.compress(rows))
    if cut == "truncated":
        del packed[len(packed) // 2 :]
    elif cut == "corrupt":
        packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
    else:
        packed += b"not gzip"
    *lines, last = read(tmp_path, bytes(packed))
    assert all(line.value for line in lines)
    assert last.value is None
    assert "the gzip data is damaged after this" in last.error
    assert last.number == len(lines) + 1


def test_standard_input_is_a_dash(monkeypatch):
    for content in (GOOD + b"\n" + GOOD, gzip.compress(GOOD + b"\n" + GOOD)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        lines = list(read_objects("-"))
        assert [line.where for line in lines] == ["standard input:1", "standard input:2"]
        assert values(lines) == [{"a": 1, "b": "é"}] * 2


def test_a_file_that_cannot_be_opened_is_said_before_the_first_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_objects(tmp_path / "nothing.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        read_objects(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(GOOD)
    (tmp_path / "loop").symlink_to("loop")
    for name in ("x" * 300, "rows.jsonl/x", "loop"):
        with pytest.raises(InputError, match=rf"{name}: cannot be opened \(.+\)"):
            read_objects(tmp_path / name)


class _Broken(io.BytesIO):
    """A file on a disk that fails after the first line."""

    def readline(self, size=-1):
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().readline(size)


def test_a_disk_that_fails_is_told_with_the_line_it_failed_after(monkeypatch):
    lines = []
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BufferedReader(_Broken(GOOD + b"\n" + GOOD))))
    monkeypatch.setattr("burnish.store.jsonl._unpacked", lambda file: (file.raw, ""))
    with pytest.raises(InputError, match=r"standard input: cannot be read after line 1 \(Input/output error\)"):
        lines.extend(read_objects("-"))
    assert len(lines) == 1


@settings(max_examples=300, deadline=None)
@given(line=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_an_object_or_a_reason(line):
    """J7: no traceback, whatever the bytes."""
    try:
        found = parse(line)
    except ValueError as error:
        found = str(error)
    assert isinstance(found, dict) or found != ""


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(value=st.dictionaries(st.text(st.characters(), max_size=4), plain, max_size=3))
def test_what_passes_is_finite_whole_text(value):
    try:
        found = parse(json.dumps(value).encode())
    except ValueError:
        return
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    assert "\\u0000" not in json.dumps(found)
    assert found == value


# -------------------------------------------------------------------------------------------------------------- writing


ROWS = [{"b": "é\n", "a": [1, 2.5, None]}, {}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_what_is_written_is_read_back(tmp_path, name):
    out = tmp_path / name
    assert write_objects(iter(ROWS), out) == 2
    assert values(read_objects(out)) == ROWS
    assert list(tmp_path.iterdir()) == [out]
    first = out.read_bytes()
    write_objects(ROWS, out)
    assert out.read_bytes() == first


def test_rows_go_to_standard_output(capfdbinary):
    assert write_objects(ROWS) == 2
    assert write_objects(ROWS[:1], "-") == 1
    assert capfdbinary.readouterr().out == b'{"b": "\xc3\xa9\\n", "a": [1, 2.5, null]}\n{}\n' + (
        b'{"b": "\xc3\xa9\\n", "a": [1, 2.5, null]}\n'
    )


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    out = tmp_path / "rows.jsonl"
    out.write_text("old")

    def rows():
        yield {"a": 1}
        yield {"a": math.inf}

    with pytest.raises(InputError, match="row 2: cannot be written as JSON"):
        write_objects(rows(), out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_is_none_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "no" / "rows.jsonl"):
        with pytest.raises(InputError, match="cannot be a file there"):
            write_objects(ROWS, place)
