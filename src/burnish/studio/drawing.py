"""A study's items drawn from a model while nobody waits: one thread, one study at a time, a few prompts at a time.

What a few prompts gave is stored before the next ones are drawn from, in one commit with the place in the list of
prompts (`burnish.store.drawings`). So annotators may work on it at once, and a cancelled, failed or killed drawing goes
on where it stopped, when somebody says so: nothing begins by itself because a server was started.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, TypeVar

from burnish.errors import BusyError, InputError, StoppedOnRequest
from burnish.loop.answer import AT_ONCE, Answering
from burnish.loop.speakers import Speaker
from burnish.records import Prompt, canonical_json
from burnish.store import Store
from burnish.store.drawings import DrawingRow
from burnish.studio import sources
from burnish.studio.context import Studio, now_ms
from burnish.studio.study import Source, Study
from burnish.studio.study_file import from_toml

T = TypeVar("T")
State: TypeAlias = Literal["none", "waiting", "drawing", "stopping", "interrupted", "done", "cancelled", "failed"]

UNDER_WAY = frozenset({"waiting", "drawing", "stopping"})
STOP_SECONDS = 20.0
"""How long a server that is stopped waits for the token, or the loading of a model, that is under way."""
_RETRY_SECONDS = 2.0  # until a model or a store that is busy with others is asked again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How far a study's drawing is."""

    state: State = "none"
    tried: int = 0
    """Prompts worked through, ..."""
    total: int = 0
    """... of so many; 0 until they were read."""
    items: int = 0
    """Items that came of them; some prompts give none, because two answers read the same."""
    seconds_left: float | None = None
    """At the pace so far; None while there is none."""
    behind: str = ""
    """The study that is drawn first, for one that waits."""
    problem: str = ""
    """Why it failed, and what can be done."""

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY


@dataclass(slots=True)
class _Job:
    """A study whose items are to be drawn."""

    study: Study
    answering: Answering
    speakers: Sequence[Speaker]
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = 0.0
    """Clock at which the first prompts of this sitting were begun."""
    first: int = 0
    """Prompts that were worked through before."""


class Drawer:
    """Draws for one studio; its thread lives only while there is something to draw."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        self._doing: _Job | None = None
        self._worker: threading.Thread | None = None
        self._closing = False

    def begin(self, study: Study, answering: Answering, speakers: Sequence[Speaker]) -> None:
        """Draw the study's items, or go on; what is under way already stays so.

        Raises InputError for a study that draws from no model, or whose questions need another number of texts.
        """
        _check(study)
        with self._lock:
            if self._closing:
                raise InputError("drawing: the studio is being stopped. Go on when it runs again.")
            if study.name in self._waiting or (self._doing and self._doing.study.name == study.name):
                return
            row = self._store.drawings.get(study.name) or DrawingRow("drawing", "", 0, 0, 0, "", 0)
            self._store.drawings.begin(study.name, replace(row, state="drawing", problem="", changed_ms=now_ms()))
            self._waiting[study.name] = _Job(study, answering, speakers)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="burnish-drawing", daemon=True)
                self._worker.start()

    def cancel(self, name: str) -> None:
        """Stop after the token that is under way; what was drawn stays. Nothing happens where nothing is drawn."""
        with self._lock:
            if self._waiting.pop(name, None):
                self._store.drawings.end(name, "cancelled", now_ms=now_ms())
            elif self._doing and self._doing.study.name == name:
                self._doing.stop.set()

    def state(self, name: str) -> Drawing:
        """Return how far a study's drawing is."""
        with self._lock:
            waits, doing = name in self._waiting, self._doing
        row = self._store.drawings.get(name)
        if row is None:
            return Drawing()
        shown = Drawing("interrupted", row.tried, row.total, row.items, problem=row.problem)
        if waits:
            return replace(shown, state="waiting", behind=doing.study.name if doing else "")
        if doing and doing.study.name == name:
            state: State = "stopping" if doing.stop.is_set() else "drawing"
            return replace(shown, state=state, seconds_left=_seconds_left(doing, row))
        return shown if row.state == "drawing" else replace(shown, state=row.state)

    def wait(self, timeout: float = 60.0) -> bool:
        """Return once nothing is left to draw: for tests and for scripts that take pictures."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._waiting and self._doing is None, timeout)

    def close(self) -> None:
        """End what is drawn, as the server does; it can be gone on with."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
            worker = self._worker
            if self._doing:
                self._doing.stop.set()
        if worker is not None:
            worker.join(STOP_SECONDS)

    # ------------------------------------------------------------------------------------------------------- the thread

    def _work(self) -> None:
        while True:
            with self._lock:
                self._doing = None
                self._lock.notify_all()
                if not self._waiting:
                    self._worker = None
                    return
                self._doing = job = self._waiting.pop(next(iter(self._waiting)))
            try:
                self._finish(job)
            except Exception:  # the store keeps no note of the end: then it was interrupted, and the next one goes on
                log.exception("how drawing %s ended could not be written down", job.study.name)

    def _finish(self, job: _Job) -> None:
        """Draw, and write down how it ended, unless the server ends: then it was interrupted."""
        name, end = job.study.name, self._store.drawings.end
        try:
            self._draw(job)
            end(name, "done", now_ms=now_ms())
        except StoppedOnRequest:
            if not self._closing:
                end(name, "cancelled", now_ms=now_ms())
        except Exception as error:
            if self._closing:
                return  # the store may be closed
            if not isinstance(error, InputError):
                log.exception("drawing items of %s failed", name)
            problem = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            end(name, "failed", now_ms=now_ms(), problem=problem)

    def _draw(self, job: _Job) -> None:
        name = job.study.name
        prompts = sources.prompts_of(job.study)
        row = self._store.drawings.get(name)
        tried, items = (
            (row.tried, row.items) if row and row.mark == mark(job.study.source, prompts[: row.tried]) else (0, 0)
        )
        digest = _digest(job.study.source, prompts[:tried])
        self._store.drawings.begin(
            name, DrawingRow("drawing", digest.hexdigest(), tried, len(prompts), items, "", now_ms())
        )
        job.first, job.began = tried, time.monotonic()
        while tried < len(prompts):
            some = prompts[tried : tried + AT_ONCE]
            for prompt in some:
                digest.update(prompt.id.encode())
            self._advance(job, some, tried, digest.hexdigest())
            tried += len(some)

    def _advance(self, job: _Job, some: Sequence[Prompt], tried: int, mark: str) -> None:
        """Draw from some prompts and store what came of it, with the place reached."""
        study, stopped = job.study, job.stop.is_set
        drawn = _patiently(
            lambda: list(sources.written(study, some, job.answering, job.speakers, stopped=stopped)), job.stop
        )
        now = from_toml(self._store.studies.body(study.name))
        if _source(now.source) != _source(study.source):
            raise InputError("source: it was changed meanwhile. Go on, and items are drawn from the new one.")
        new = sources.stored(self._store, now, drawn, sources.Imported())
        place = (tried, tried + len(some))
        self._store.drawings.advance(study.name, new, overlap=now.overlap, tried=place, mark=mark, now_ms=now_ms())


def drawer_of(studio: Studio) -> Drawer:
    """Return the process's drawer."""
    found: Drawer = studio.services.setdefault("drawer", Drawer(studio.store))
    return found


def mark(source: Source, prompts: Iterable[Prompt]) -> str:
    """Return a digest of what was drawn from; how many items are wanted is no part of it, so that more may be."""
    return _digest(source, prompts).hexdigest()


# ---------------------------------------------------------------------------------------------------------- inner parts


def _digest(source: Source, prompts: Iterable[Prompt]) -> hashlib._Hash:
    digest = hashlib.sha256(_source(source).encode())
    for prompt in prompts:
        digest.update(prompt.id.encode())
    return digest


def _source(source: Source) -> str:
    return canonical_json([source.kind, source.path, source.task, list(source.models), source.completions, source.seed])


def _check(study: Study) -> None:
    """Raise InputError for a study of which no item could come, before a model has worked for hours."""
    if study.source.kind not in sources.LIVE:
        raise InputError(f"source: {study.source.kind!r} holds its texts already. Bring its items instead.")
    texts = len(study.source.models) if study.source.kind == "models" else study.source.completions
    if not study.needs_several <= texts <= study.takes_at_most:
        raise InputError(
            f"source.completions: {texts} texts of a prompt, but the questions need {study.needs_several} to "
            f"{study.takes_at_most}. Change one or the other."
        )


def _patiently(act: Callable[[], T], stop: threading.Event) -> T:
    """Return what the act returns, asking again while others keep the model busy. Raises StoppedOnRequest."""
    while not stop.is_set():
        try:
            return act()
        except BusyError:
            stop.wait(_RETRY_SECONDS)
    raise StoppedOnRequest("drawing: stopped on request; what was drawn stays.")


def _seconds_left(job: _Job, row: DrawingRow) -> float | None:
    done = row.tried - job.first
    if not job.began or done <= 0:
        return None
    return (time.monotonic() - job.began) / done * (row.total - row.tried)
