"""What a person, a log and a program are shown while something long goes on."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys

import pytest

from burnish import progress


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _choice_is_put_back():
    before = progress._chosen.sink
    yield
    progress._chosen.sink = before


def lines_of(kind: type[progress.Lines], total: int | None, times: list[float], **more: int) -> list[str]:
    """Return the lines shown when one unit is done after each of these times."""
    clock, stream = Clock(), io.StringIO()
    sink = kind(lambda: stream, every=5.0)
    bar = progress.Bar("sampling", total, "texts", sink, more.get("start", 0), clock)
    sink.opened(bar)
    for seconds in times:
        clock.now += seconds
        bar.advance(note="kl 2.0")
    sink.closed(bar, finished=True)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_every_few_seconds_and_one_at_the_end():
    lines = lines_of(progress.Lines, 10, [2.0] * 5)
    assert lines == [
        "sampling: 3/10 texts, 30%, 0.5 a second, 14 s left · kl 2.0",
        "sampling: done, 5/10 texts in 10 s · kl 2.0",
    ]


def test_without_a_total_no_share_and_no_time_left_are_claimed():
    assert lines_of(progress.Lines, None, [6.0])[0] == "sampling: 1 texts, 6.0 s each · kl 2.0"


def test_what_was_done_before_a_resume_counts_as_done_but_not_into_the_rate():
    assert lines_of(progress.Lines, 10, [5.0], start=4)[0].startswith(
        "sampling: 5/10 texts, 50%, 5.0 s each, 25 s left"
    )


def test_programs_get_json_objects():
    first, last = map(json.loads, lines_of(progress.Objects, 4, [5.0, 1.0]))
    assert first["state"] == "running"
    assert (first["done"], first["total"], first["seconds_left"]) == (1, 4, 15.0)
    assert last["state"] == "done"


def test_work_that_breaks_off_says_so_and_the_error_flies():
    stream = io.StringIO()
    progress._chosen.sink = progress.Lines(lambda: stream)

    def divide() -> None:
        with progress.bar(3, "dividing") as bar:
            bar.advance()
            bar.advance(1 // 0)

    with pytest.raises(ZeroDivisionError):
        divide()
    assert stream.getvalue().startswith("dividing: stopped, 1/3")


def test_bars_stand_inside_one_another(capsys):
    progress.configure()
    with progress.bar(2, "outer") as outer:
        for _ in range(2):
            with progress.bar(1, "inner") as inner:
                inner.advance()
            outer.advance()
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["inner", "inner", "outer"]


def test_quiet_shows_nothing(capsys):
    progress.configure(quiet=True, json=True)
    progress.say("hello")
    with progress.bar(1, "work") as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")


def test_messages_go_to_standard_error_as_text_or_as_json(capsys):
    progress.configure()
    progress.say("[bold] is not markup")
    progress.configure(json=True)
    progress.say("é")
    assert capsys.readouterr() == ("", '[bold] is not markup\n{"message": "é"}\n')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_times_are_said_as_a_person_says_them(seconds, words):
    assert progress.duration(seconds) == words


ON_A_TERMINAL = """
from burnish import progress
progress.configure()
with progress.bar(2, "outer", "steps") as outer:
    with progress.bar(1, "inner") as inner:
        inner.advance()
    progress.say("[bold] hello")
    outer.advance(2, note="kl 1")
progress.say("after")
"""


def test_on_a_terminal_a_bar_moves_and_nested_bars_share_the_screen():
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", ON_A_TERMINAL], stderr=child, stdout=child, env=environment)
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # the other side of the terminal was closed
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert process.wait() == 0
    text = shown.decode()
    assert "\x1b[" in text
    assert "[bold] hello" in text
    assert "inner: done, 1/1" in text
    assert "outer: done, 2/2 steps" in text
    assert text.rstrip().endswith("after")
