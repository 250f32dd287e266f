"""Files of feedback into the store: a bad line is reported and never takes the good ones with it.

Identity: a row's own `id`; without one, the hash of the line, of how often that line came before in its file, and of
the author and the source that were given for lines that name none. So importing a file again adds nothing, equal
anonymous votes within one file all count, and one file imported for two people is two people's votes.
"""

from __future__ import annotations

import os
from bisect import insort
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from burnish import progress
from burnish.errors import InputError
from burnish.feedback.rows import Given, to_entry
from burnish.progress import counted
from burnish.records import Author
from burnish.store import Checked, Entry, Line, OnDuplicate, Receipt, check, read_objects
from burnish.store.entry import KEPT
from burnish.store.validation import check_origin

if TYPE_CHECKING:
    from burnish.feedback.masking import Masker
    from burnish.store import Store

FilePath: TypeAlias = "str | os.PathLike[str]"

MOST_PROBLEMS = 1_000
"""Problems kept in full; beyond it they are only counted, so that a file of nonsense costs no memory."""
_KIB = 1024
_BATCH = 500  # entries in one commit


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that was refused, and why."""

    file: str
    line: int
    """From 1."""
    offset: int
    """Byte at which the line starts."""
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of an import: records stored, known, replaced and kept, and lines refused."""

    stored: int = 0
    known: int = 0
    """Records that were there already with the same content."""
    replaced: int = 0
    kept: int = 0
    """Records passed over because their id stands for other content (`on_duplicate="skip"`)."""
    refused: int = 0
    """Lines of which nothing was stored."""
    lines: int = 0
    problems: tuple[Problem, ...] = ()
    """The first of them, at most `MOST_PROBLEMS`."""
    noted: int = 0
    """Lines that were taken but say of their prompt what the store has otherwise (`prompt_extra`) and keeps."""
    notes: tuple[Problem, ...] = ()
    """The first of them, at most `MOST_PROBLEMS`."""

    def __str__(self) -> str:
        parts = [f"{counted(self.stored, 'record')} stored", f"{self.known:,} already known"]
        parts += [f"{self.replaced:,} replaced"] if self.replaced else []
        parts += [f"{self.kept:,} left as they were"] if self.kept else []
        parts += [f"{counted(self.noted, 'line')} whose prompt_extra was not taken"] if self.noted else []
        return f"{', '.join(parts)}; {self.refused:,} of {counted(self.lines, 'line')} refused"


def read_entries(
    path: FilePath, *, author: Author | None = None, source: str = "", masker: Masker | None = None
) -> Iterator[Entry | Problem]:
    """Yield an entry or a problem for each line of a JSONL file (`-` is standard input), without a database.

    `author` and `source` hold for lines that name none; `masker` takes personal data out of each. Raises InputError at
    once when the file cannot be opened.
    """
    given = check_given(author, source)
    lines = _read(read_objects(path), given, masker)
    return (line.problem or line.entry for line in lines)


def import_file(
    store: Store,
    path: FilePath,
    *,
    strict: bool = False,
    on_duplicate: OnDuplicate = "error",
    author: Author | None = None,
    source: str = "",
    masker: Masker | None = None,
) -> ImportResult:
    """Store what one file holds; see `import_files`."""
    return import_files(
        store, [path], strict=strict, on_duplicate=on_duplicate, author=author, source=source, masker=masker
    )


def import_files(
    store: Store,
    paths: Sequence[FilePath],
    *,
    strict: bool = False,
    on_duplicate: OnDuplicate = "error",
    author: Author | None = None,
    source: str = "",
    masker: Masker | None = None,
) -> ImportResult:
    """Store what the files hold, line by line, in bounded memory.

    `strict`: where any line of any file is wrong or clashes, nothing at all is stored; other writers wait meanwhile.
    `on_duplicate`: an id that stands for other content is refused ("error"), passed over ("skip"), or replaced by a
    record that supersedes it ("replace"). `author` and `source` hold for lines that name none. `masker` takes personal
    data out of every line before anything of it is stored or told.
    Raises InputError at once when a file cannot be opened, or when author or source cannot stand in a record.
    """
    given = check_given(author, source)
    need_files(paths)
    for path in paths if strict else ():
        if _is_pipe(os.fspath(path)):
            raise InputError(
                f"{os.fspath(path)}: --strict keeps other writers out while it reads, and a pipe may take for ever. "
                "Save it to a file."
            )
    tally = _Tally(strict)
    receipts = store.submit_many(
        tally.passed(_read_all(paths, given, "importing", masker)),
        on_duplicate=on_duplicate,
        batch=_BATCH,
        all_or_nothing=strict,
        before_commit=tally.need_no_problem,
    )
    try:
        with closing(cast(Generator[Receipt, None, None], receipts)):  # closed, a strict one undoes what it did
            for receipt in receipts:
                tally.count(receipt)
    except _RefusedError:
        pass
    except KeyboardInterrupt as stop:
        stop.add_note(tally.so_far())
        raise
    return tally.result()


def check_given(author: Author | None, source: str) -> Given:
    """Return what holds for lines that name none; raises InputError for what no record may have."""
    given = Given(author or Author(), source)
    check_origin("import", given.author, given.source)
    return given


def need_files(paths: Sequence[FilePath]) -> None:
    """Raise InputError where a file cannot be opened: before a database is made for it, or another file is stored."""
    for path in paths:
        if not _is_pipe(os.fspath(path)):
            with closing(cast(Generator[Line, None, None], read_objects(path))) as lines:
                next(lines, None)  # begun, so that closing it closes the file


# --------------------------------------------------------------------------------------------------------- inner parts


@dataclass(frozen=True, slots=True)
class _Good:
    """A line that can be stored."""

    entry: Entry
    checked: Checked


@dataclass(frozen=True, slots=True)
class _Read:
    """A line, and what it holds: an entry fit for the store, or a problem."""

    line: Line
    found: _Good | Problem

    @property
    def problem(self) -> Problem | None:
        return self.found if isinstance(self.found, Problem) else None

    @property
    def entry(self) -> Entry:
        assert isinstance(self.found, _Good)
        return self.found.entry


def _read(lines: Iterable[Line], given: Given, masker: Masker | None = None) -> Iterator[_Read]:
    """Yield every line of one file with what it holds."""
    once: set[int] = set()  # 64 bits of a digest: a million lines cost 70 MB, two equal by chance is one in 10^7 files
    more: dict[int, int] = {}
    for line in lines:
        if line.value is None:
            yield _Read(line, _problem(line, line.error))
            continue
        digest = int(line.digest[:16], 16)
        before = more.get(digest, 1) if digest in once else 0
        once.add(digest)
        if before:
            more[digest] = before + 1
        try:
            identity = masker.identity(line.digest) if masker else line.digest
            entry = to_entry(line.value, (identity, before), given)
            entry = masker.entry(entry) if masker else entry
            found: _Good | Problem = _Good(entry, check(entry))
        except InputError as error:
            found = _problem(line, masker.text(str(error)) if masker else str(error))
        yield _Read(line, found)


def _read_all(paths: Sequence[FilePath], given: Given, doing: str, masker: Masker | None = None) -> Iterator[_Read]:
    """Yield the lines of all files, showing progress."""
    return (read for path in paths for read in _shown(os.fspath(path), given, doing, masker))


def _is_pipe(name: str) -> bool:
    """Whether that input can be read only once."""
    return name == "-" or (os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name))


def _shown(name: str, given: Given, doing: str, masker: Masker | None) -> Iterator[_Read]:
    size = os.path.getsize(name) // _KIB if os.path.isfile(name) and not name.endswith(".gz") else None
    with progress.bar(size, f"{doing} {os.path.basename(name)}", "KiB") as bar:
        for read in _read(read_objects(name), given, masker):
            if (ahead := read.line.offset // _KIB - bar.done) > 0:
                bar.advance(ahead)
            yield read
        if size is not None:
            bar.advance(size - bar.done)


def _problem(line: Line, reason: str) -> Problem:
    return Problem(line.file, line.number, line.offset, reason)


class _RefusedError(Exception):
    """Undoes a strict import."""


@dataclass(slots=True)
class _Waiting:
    """A line whose receipts are still to come."""

    line: Line
    order: int
    """Its place among all lines of all files."""
    records: int
    receipts: int = 0
    clash: str = ""


@dataclass(slots=True)
class _Told:
    """What is told of lines: how many there were, and the first of them in the order of the files."""

    total: int = 0
    first: list[tuple[int, Problem]] = field(default_factory=list)

    def add(self, order: int, problem: Problem) -> None:
        self.total += 1
        insort(self.first, (order, problem), key=lambda each: each[0])  # a clash is known later than a bad line
        del self.first[MOST_PROBLEMS:]

    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for _, problem in self.first)


@dataclass(slots=True)
class _Tally:
    """Counts lines as they are read and receipts as they come back, and knows which line a receipt is for."""

    strict: bool
    counts: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    refused: _Told = field(default_factory=_Told)
    noted: _Told = field(default_factory=_Told)
    waiting: deque[_Waiting] = field(default_factory=deque)

    def passed(self, lines: Iterable[_Read]) -> Iterator[Checked]:
        """Yield what can be stored and take note of the rest."""
        for read in lines:
            self.lines += 1
            if isinstance(read.found, _Good):
                line = replace(read.line, value=None)
                self.waiting.append(_Waiting(line, self.lines, len(read.found.entry.feedback)))
                yield read.found.checked
            else:
                self.refused.add(self.lines, read.found)

    def count(self, receipt: Receipt) -> None:
        """Take the next receipt, which is for the line that has waited longest."""
        here = self.waiting[0]
        if receipt.prompt_kept:
            reason = f"prompt_extra: the store has another {receipt.prompt_kept} of this prompt, which stays."
            self.noted.add(here.order, _problem(here.line, reason))
        if receipt.status != "conflict":
            self.counts[receipt.status] += 1
        elif receipt.message == KEPT:
            self.counts["kept"] += 1
        else:
            here.clash = receipt.message
        here.receipts += 1
        if here.receipts == here.records:
            self.waiting.popleft()
            if here.clash:
                self.refused.add(here.order, _problem(here.line, here.clash))

    def need_no_problem(self) -> None:
        """Undo all, once all is in, where a line was refused."""
        if self.refused.total:
            raise _RefusedError

    def so_far(self) -> str:
        """Return what to tell somebody who stops an import."""
        if self.strict:
            return "stopped by you; nothing was stored (--strict). Start the same command again."
        stored = counted(self.counts["stored"] + self.counts["replaced"], "record")
        return f"stopped by you; {stored} stored so far. Import the same again to go on: nothing is stored twice."

    def result(self) -> ImportResult:
        refused = self.strict and self.refused.total > 0
        counts = {status: 0 if refused else self.counts[status] for status in ("stored", "known", "replaced", "kept")}
        return ImportResult(
            **counts,
            refused=self.refused.total,
            lines=self.lines,
            problems=self.refused.problems(),
            noted=0 if refused else self.noted.total,
            notes=() if refused else self.noted.problems(),
        )
