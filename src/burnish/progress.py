"""What long work is doing, how fast, and how long it will still take.

On a terminal a bar that moves; elsewhere one plain line every few seconds and one at the end; for programs (`--json`)
one JSON object a line. All of it goes to standard error, so that standard output holds results only. The command line
chooses once, with `configure`; that choice is the only state here.
"""

from __future__ import annotations

import contextlib
import json as json_format
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:  # rich is imported only when there is a terminal to draw on
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_LINES = 5.0


@dataclass(slots=True)
class Bar:
    """One piece of work under way."""

    what: str
    """What is being done, as a person would say it: "sampling", "training the reward model"."""
    total: int | None
    """How many units there are; None when nobody knows."""
    unit: str
    """What is counted: "texts", "steps"; may be empty."""
    sink: Sink
    start: int
    """Units that were done before, by a run that is being resumed: they say nothing about the rate."""
    clock: Callable[[], float] = time.monotonic
    done: int = field(init=False)
    note: str = field(init=False, default="")
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.done = self.start
        self.began = self.clock()

    def advance(self, n: int = 1, note: str = "") -> None:
        """Count n more units as done; the note is shown beside the bar until another replaces it."""
        self.done += n
        self.note = note or self.note
        self.sink.moved(self)

    @property
    def rate(self) -> float:
        """Units a second since the bar began; 0 before the first."""
        seconds = self.clock() - self.began
        return (self.done - self.start) / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time still to go at the rate so far; None while it cannot be told."""
        if self.total is None or self.rate <= 0:
            return None
        return max(self.total - self.done, 0) / self.rate


class Sink(Protocol):
    """Where progress is shown."""

    def opened(self, bar: Bar) -> None: ...
    def moved(self, bar: Bar) -> None: ...
    def closed(self, bar: Bar, finished: bool) -> None: ...
    def say(self, text: str) -> None: ...


@contextlib.contextmanager
def bar(total: int | None, what: str, unit: str = "", *, start: int = 0) -> Iterator[Bar]:
    """Show work under way; `advance` counts it. Bars may stand inside one another.

    start: units already done by an earlier run that this one continues; they are not counted into the rate.
    """
    sink = _chosen.sink
    made = Bar(what, total, unit, sink, start)
    sink.opened(made)
    finished = False
    try:
        yield made
        finished = True
    finally:
        sink.closed(made, finished)


def say(text: str) -> None:
    """Tell the person a sentence, on standard error; `--quiet` silences it."""
    _chosen.sink.say(text)


def configure(*, quiet: bool = False, json: bool = False) -> None:
    """Choose how progress is shown, once, when the command line has been read."""
    _chosen.sink = Silent() if quiet else Objects() if json else Screen() if _can_draw() else Lines()


# ------------------------------------------------------------------------------------------------------- the sinks


def _standard_error() -> TextIO:
    """Return standard error as it is now: a test or a notebook may have replaced it since the import."""
    return sys.stderr


def _can_draw() -> bool:
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal


class Silent:
    """Shows nothing."""

    def opened(self, bar: Bar) -> None:
        pass

    def moved(self, bar: Bar) -> None:
        pass

    def closed(self, bar: Bar, finished: bool) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Lines:
    """A plain line every few seconds and one at the end, for logs and pipes."""

    def __init__(self, stream: Callable[[], TextIO] = _standard_error, every: float = SECONDS_BETWEEN_LINES) -> None:
        self.stream = stream
        self.every = every
        self._last: dict[int, float] = {}

    def opened(self, bar: Bar) -> None:
        self._last[id(bar)] = bar.began

    def moved(self, bar: Bar) -> None:
        now = bar.clock()
        if now - self._last[id(bar)] >= self.every:
            self._last[id(bar)] = now
            self._write(self.under_way(bar))

    def closed(self, bar: Bar, finished: bool) -> None:
        del self._last[id(bar)]
        self._write(self.at_end(bar, finished))

    def say(self, text: str) -> None:
        self._write(text)

    def under_way(self, bar: Bar) -> str:
        """Return the line of work that goes on."""
        left = "" if bar.seconds_left is None else f", {duration(bar.seconds_left)} left"
        share = "" if not bar.total else f", {bar.done / bar.total:.0%}"
        return f"{bar.what}: {count(bar)}{share}, {rate_text(bar)}{left}{_note(bar)}"

    def at_end(self, bar: Bar, finished: bool) -> str:
        """Return the line of work that ended, or was cut short."""
        word = "done" if finished else "stopped"
        return f"{bar.what}: {word}, {count(bar)} in {duration(bar.clock() - bar.began)}{_note(bar)}"

    def _write(self, text: str) -> None:
        print(text, file=self.stream(), flush=True)


class Objects(Lines):
    """The same lines as JSON objects, for programs."""

    def say(self, text: str) -> None:
        self._write(json_format.dumps({"message": text}, ensure_ascii=False))

    def under_way(self, bar: Bar) -> str:
        return self._object(bar, "running")

    def at_end(self, bar: Bar, finished: bool) -> str:
        return self._object(bar, "done" if finished else "stopped")

    def _object(self, bar: Bar, state: str) -> str:
        left = bar.seconds_left
        return json_format.dumps(
            {
                "doing": bar.what,
                "state": state,
                "done": bar.done,
                "total": bar.total,
                "unit": bar.unit,
                "per_second": round(bar.rate, 3),
                "seconds_left": None if left is None else round(left, 1),
                "note": bar.note,
            },
            ensure_ascii=False,
        )


class Screen:
    """Bars that move, drawn by rich. One display holds all open bars, so that they may stand inside one another."""

    def __init__(self) -> None:
        self._display: Progress | None = None
        self._tasks: dict[int, TaskID] = {}

    def opened(self, bar: Bar) -> None:
        if self._display is None:
            self._display = _new_display()
            self._display.start()
        self._tasks[id(bar)] = self._display.add_task(
            bar.what, total=bar.total, completed=bar.start, pace="", left="", note=""
        )

    def moved(self, bar: Bar) -> None:
        if self._display is not None:
            left = "" if bar.seconds_left is None else f"{duration(bar.seconds_left)} left"
            self._display.update(
                self._tasks[id(bar)], completed=bar.done, pace=rate_text(bar), left=left, note=bar.note
            )

    def closed(self, bar: Bar, finished: bool) -> None:
        task = self._tasks.pop(id(bar))
        if self._display is None:
            return
        self._display.update(task, visible=False)
        self._display.console.print(Lines().at_end(bar, finished), markup=False, highlight=False)
        if not self._tasks:
            self._display.stop()
            self._display = None

    def say(self, text: str) -> None:
        if self._display is not None:
            self._display.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)


def _new_display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        console=Console(stderr=True),
        transient=True,
    )


# --------------------------------------------------------------------------------------------------------- in words


def duration(seconds: float) -> str:
    """Return a time as a person says it: `42 s`, `3 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 record`, `1,200 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count(bar: Bar) -> str:
    """Return how much is done: `120/512 texts`."""
    total = "" if bar.total is None else f"/{bar.total:,}"
    return f"{bar.done:,}{total} {bar.unit}".rstrip()


def rate_text(bar: Bar) -> str:
    """Return the pace: `4.1 a second`, or `12 s each` for slow work."""
    if bar.rate <= 0:
        return "starting"
    return f"{bar.rate:,.1f} a second" if bar.rate >= 0.5 else f"{duration(1 / bar.rate)} each"


def _note(bar: Bar) -> str:
    return f" · {bar.note}" if bar.note else ""


@dataclass(slots=True)
class _Choice:
    sink: Sink


_chosen = _Choice(Lines())
