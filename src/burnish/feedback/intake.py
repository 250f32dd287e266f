"""Files of feedback into the store: a bad line is reported and never takes the good ones with it.

Identity: a row's own `id`; without one, the hash of the line, of how often that line came before in its file, and of
the author and the source that were given for lines that name none. So importing a file again adds nothing, equal
anonymous votes within one file all count, and one file imported for two people is two people's votes.
"""

from __future__ import annotations

import os
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

if TYPE_CHECKING:
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


def read_entries(path: FilePath, *, author: Author | None = None, source: str = "") -> Iterator[Entry | Problem]:
    """Yield an entry or a problem for each line of a JSONL file (`-` is standard input), without a database.

    `author` and `source` hold for lines that name none. Raises InputError at once when the file cannot be opened.
    """
    lines = _read(read_objects(path), Given(author or Author(), source))
    return (line.problem or line.entry for line in lines)


def import_file(
    store: Store,
    path: FilePath,
    *,
    strict: bool = False,
    on_duplicate: OnDuplicate = "error",
    author: Author | None = None,
    source: str = "",
) -> ImportResult:
    """Store what one file holds; see `import_files`."""
    return import_files(store, [path], strict=strict, on_duplicate=on_duplicate, author=author, source=source)


def import_files(
    store: Store,
    paths: Sequence[FilePath],
    *,
    strict: bool = False,
    on_duplicate: OnDuplicate = "error",
    author: Author | None = None,
    source: str = "",
) -> ImportResult:
    """Store what the files hold, line by line, in bounded memory.

    `strict`: where any line of any file is wrong or clashes, nothing at all is stored; the files are read twice.
    `on_duplicate`: an id that stands for other content is refused ("error"), passed over ("skip"), or replaced by a
    record that supersedes it ("replace"). `author` and `source` hold for lines that name none.
    Raises InputError at once when a file cannot be opened.
    """
    given = Given(author or Author(), source)
    need_files(paths)
    for path in paths if strict else ():
        if _is_pipe(os.fspath(path)):
            raise InputError(
                f"{os.fspath(path)}: --strict reads its input twice, which a pipe cannot. Save it to a file."
            )
    if strict:
        checked = _check_all(paths, given)
        if checked.refused:
            return checked
    tally = _Tally(store, on_duplicate, strict)
    entries = tally.passed(_read_all(paths, given, "importing"))
    try:
        for receipt in store.submit_many(entries, on_duplicate=on_duplicate, batch=_BATCH, all_or_nothing=strict):
            tally.count(receipt)
    except InputError as error:
        clash = tally.line_of(error) if strict else None
        if clash is None:
            raise
        return ImportResult(refused=1, lines=tally.lines, problems=(_problem(clash, str(error)),))
    return tally.result()


def need_files(paths: Sequence[FilePath]) -> None:
    """Raise InputError where a file cannot be opened: before a database is made for it, or another file is stored."""
    for path in paths:
        if not _is_pipe(os.fspath(path)):
            with closing(cast(Generator[Line, None, None], read_objects(path))) as lines:
                next(lines, None)  # begun, so that closing it closes the file


def _check_all(paths: Sequence[FilePath], given: Given) -> ImportResult:
    """Read everything and store nothing."""
    lines, problems, refused = 0, [], 0
    for read in _read_all(paths, given, "checking"):
        lines += 1
        if read.problem is not None:
            refused += 1
            if refused <= MOST_PROBLEMS:
                problems.append(read.problem)
    return ImportResult(refused=refused, lines=lines, problems=tuple(problems))


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


def _read(lines: Iterable[Line], given: Given) -> Iterator[_Read]:
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
            entry = to_entry(line.value, (line.digest, before), given)
            found: _Good | Problem = _Good(entry, check(entry))
        except InputError as error:
            found = _problem(line, str(error))
        yield _Read(line, found)


def _read_all(paths: Sequence[FilePath], given: Given, doing: str) -> Iterator[_Read]:
    """Yield the lines of all files, showing progress."""
    return (read for path in paths for read in _shown(os.fspath(path), given, doing))


def _is_pipe(name: str) -> bool:
    """Whether that input can be read only once."""
    return name == "-" or (os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name))


def _shown(name: str, given: Given, doing: str) -> Iterator[_Read]:
    size = os.path.getsize(name) // _KIB if os.path.isfile(name) and not name.endswith(".gz") else None
    with progress.bar(size, f"{doing} {os.path.basename(name)}", "KiB") as bar:
        for read in _read(read_objects(name), given):
            if (ahead := read.line.offset // _KIB - bar.done) > 0:
                bar.advance(ahead)
            yield read
        if size is not None:
            bar.advance(size - bar.done)


def _problem(line: Line, reason: str) -> Problem:
    return Problem(line.file, line.number, line.offset, reason)


@dataclass(slots=True)
class _Waiting:
    """A line whose receipts are still to come."""

    line: Line
    ids: tuple[str, ...]
    receipts: int = 0
    clash: str = ""


@dataclass(slots=True)
class _Tally:
    """Counts lines as they are read and receipts as they come back, and knows which line a receipt is for."""

    store: Store
    on_duplicate: OnDuplicate
    strict: bool
    counts: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    lines: int = 0
    problems: list[Problem] = field(default_factory=list)
    noted: int = 0
    notes: list[Problem] = field(default_factory=list)
    waiting: deque[_Waiting] = field(default_factory=deque)

    def passed(self, lines: Iterable[_Read]) -> Iterator[Checked]:
        """Yield what can be stored and take note of the rest."""
        for read in lines:
            self.lines += 1
            if isinstance(read.found, _Good):
                ids = tuple(record.id for record in read.found.entry.feedback)
                self.waiting.append(_Waiting(replace(read.line, value=None), ids))
                if self.strict and len(self.waiting) > 2 * _BATCH:  # receipts come at the end; only the last can clash
                    self.waiting.popleft()
                yield read.found.checked
            elif self.strict:
                raise InputError(f"{read.found} It was right a moment ago: the file changes. Nothing was stored.")
            else:
                self._note(read.found)

    def count(self, receipt: Receipt) -> None:
        """Take the next receipt, which is for the line that has waited longest."""
        if receipt.prompt_kept:
            self.noted += 1
            if len(self.notes) < MOST_PROBLEMS:
                reason = f"prompt_extra: the store has another {receipt.prompt_kept} of this prompt, which stays."
                self.notes.append(_problem(self.waiting[0].line, reason))
        if receipt.status != "conflict":
            self.counts[receipt.status] += 1
        elif self.on_duplicate == "skip" and self.store.feedback(receipt.feedback_id) is not None:
            self.counts["kept"] += 1
        else:
            self.waiting[0].clash = receipt.message
        if not self.strict:
            self._answered(self.waiting[0])

    def _answered(self, here: _Waiting) -> None:
        here.receipts += 1
        if here.receipts == len(here.ids):
            self.waiting.popleft()
            if here.clash:
                self._note(_problem(here.line, here.clash))

    def line_of(self, error: InputError) -> Line | None:
        """The line whose record a store's error names, among the last that were handed over."""
        said = str(error)
        return next((each.line for each in self.waiting if any(f"feedback {id!r}:" in said for id in each.ids)), None)

    def result(self) -> ImportResult:
        counts = {status: self.counts[status] for status in ("stored", "known", "replaced", "kept")}
        return ImportResult(
            **counts,
            refused=self.refused,
            lines=self.lines,
            problems=tuple(self.problems),
            noted=self.noted,
            notes=tuple(self.notes),
        )

    def _note(self, problem: Problem) -> None:
        self.refused += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
