"""Does a test notice when the bug is put in? For every trap T1 to T40 at least one mutation, and the test that fails.

python benchmarks/mutations.py [--only T5 --only T20] [--docs]

src/ and tests/ are copied into a temporary folder. There one mutation of mutations.toml at a time is made (an exact
text of a file becomes another), the named test is run on the copy, and the file is put back. Printed are trap, outcome,
mutation, file and test, with the words the test failed with; a test that cannot be run counts as broken. --docs writes
the table to docs/traps.md. Exit status 1 if one survived, is broken, or if an old text is not found exactly once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "mutations.toml"


@dataclass(frozen=True)
class Mutation:
    """A bug: in `file` (below src/burnish), `old` becomes `new`."""

    trap: int
    what: str
    file: str
    old: str
    new: str
    test: str
    """Id, for pytest, of the test that fails then."""

    @property
    def name(self) -> str:
        return f"T{self.trap}"


def mutations() -> list[Mutation]:
    """Return the table, each test by its whole id."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    tests: dict[str, str] = table["tests"]
    return [
        Mutation(**{**row, "test": tests[row["test"]].replace("[T]", f"[T{row['trap']}]")}) for row in table["mutation"]
    ]


@dataclass(frozen=True)
class Found:
    """What became of one mutation."""

    mutation: Mutation
    outcome: str
    """"caught", "survived", "broken" (the test cannot be run) or "not found" (the old text)."""
    words: str = ""
    """What the test failed with."""


class Watcher:
    """A plugin of pytest that remembers what a test failed with."""

    def __init__(self) -> None:
        self.passed, self.failed, self.broken = 0, "", ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = crash.message.splitlines()[0] if crash is not None else "failed"
            if report.when == "call":
                self.failed = said
            else:
                self.broken = said
        elif report.when == "call":
            self.passed += 1


def copied(folder: Path) -> None:
    """Put what tests need into the folder."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def warm() -> None:
    """Import what takes long and is not ours, so that a forked child begins at once."""
    import torch
    import transformers

    for name in ("peft", "pytest"):
        importlib.import_module(name)
    for name in ("AutoModelForCausalLM", "AutoTokenizer", "GPT2LMHeadModel", "LlamaForCausalLM"):
        getattr(transformers, name)  # its package reads a class's file when the class is asked for
    torch.set_num_threads(1)  # a fork does not take threads with it


def run(folder: Path, nodes: Sequence[str]) -> Watcher:
    """Return what became of these tests on the copy, in a child of this process that has not seen burnish yet."""
    assert "burnish" not in sys.modules
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            _run_here(folder, nodes, result)
        finally:  # never up into the parent's own code
            os._exit(0)
    os.waitpid(child, 0)
    found = Watcher()
    if result.exists():
        vars(found).update(json.loads(result.read_text("utf-8")))
    else:
        found.broken = "the process died"
    return found


def _run_here(folder: Path, nodes: Sequence[str], result: Path) -> None:
    """Run the tests, write what became of them, and leave the process."""
    import pytest

    log = os.open(folder / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins want to be there before what `warm` imported
    sys.path.insert(0, str(folder / "src"))
    watcher = Watcher()
    status = pytest.main([*nodes, "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "tmp")], plugins=[watcher])
    import burnish

    if not str(burnish.__file__).startswith(str(folder)):
        watcher.broken = f"the tests ran on {burnish.__file__}, not on the copy"
    elif status not in (0, 1):
        watcher.broken = f"pytest ended with {status}"
    result.write_text(json.dumps(vars(watcher)), encoding="utf-8")


def tried(folder: Path, mutation: Mutation) -> Found:
    """Return what became of one mutation; the copy is afterwards what it was."""
    path = folder / "src" / "burnish" / mutation.file
    before = path.read_text("utf-8")
    if before.count(mutation.old) != 1:
        return Found(mutation, "not found", f"{mutation.old!r} stands {before.count(mutation.old)} times in the file")
    path.write_text(before.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        watcher = run(folder, [mutation.test])
    finally:
        path.write_text(before, encoding="utf-8")
    if watcher.failed:
        return Found(mutation, "caught", watcher.failed)
    if watcher.broken or not watcher.passed:
        return Found(mutation, "broken", watcher.broken or "no test ran")
    return Found(mutation, "survived")


def page(found: Sequence[Found]) -> str:
    """Return docs/traps.md."""
    from burnish.conformance.traps import traps

    caught = sum(each.outcome == "caught" for each in found)
    lines = [
        "# Traps, and what is done about each",
        "",
        "Forty known ways to train something else than was meant while every curve looks healthy. Each has a check in",
        "`burnish.conformance.traps`, which our own tests run on two tiny models, and which `burnish doctor --model M",
        "--data D` runs on yours where it looks at a model (marked *). For each the bug was put into a copy of the",
        f"source and the named test run: {caught} of {len(found)} were caught.",
        "",
        "Written by `python benchmarks/mutations.py --docs`.",
        "",
        "| trap | what its check holds to | bug put in | in | caught by |",
        "|---|---|---|---|---|",
    ]
    for trap in traps():
        mine = [each for each in found if each.mutation.trap == trap.number]
        for number, each in enumerate(mine):
            name = f"{trap.name}{'*' if trap.takes_model else ''}" if number == 0 else ""
            says = trap.says if number == 0 else ""
            test = each.mutation.test.rpartition("::")[2]
            outcome = f"`{test}`" if each.outcome == "caught" else f"**{each.outcome}**: `{test}`"
            lines.append(f"| {name} | {says} | {each.mutation.what} | `{each.mutation.file}` | {outcome} |")
    lines += ["", "The mutations themselves (old text, new text) stand in `benchmarks/mutations.toml`."]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Try every mutation, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="T", action="append", default=[], help="a trap's name; may be repeated")
    parser.add_argument("--docs", action="store_true", help="write docs/traps.md")
    args = parser.parse_args(words)
    if args.docs and args.only:
        parser.error("--docs writes the table of all: leave --only out")
    every = mutations()
    chosen = [each for each in every if not args.only or each.name in args.only]
    sys.dont_write_bytecode = True  # else a mutation as long as the old text, made in the same second, goes unseen
    began = time.monotonic()
    warm()
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as name:
        folder = Path(name).resolve()
        copied(folder)
        healthy = run(folder, sorted({each.test for each in chosen}))
        if healthy.failed or healthy.broken:
            print(f"without any mutation a test fails: {healthy.failed or healthy.broken}")
            print((folder / "pytest.log").read_text("utf-8")[-3000:])
            return 1
        for mutation in chosen:
            each = tried(folder, mutation)
            found.append(each)
            test = mutation.test.rpartition("::")[2]
            print(f"{mutation.name:4} {each.outcome:9} {mutation.what} ({mutation.file})", flush=True)
            print(f"               {test}: {each.words[:200]}", flush=True)
    caught = sum(each.outcome == "caught" for each in found)
    bare = sorted({f"T{n}" for n in range(1, 41)} - {each.name for each in every})
    print(f"{caught} of {len(found)} mutations caught, of {len({e.mutation.trap for e in found})} traps")
    print(f"traps without a mutation: {', '.join(bare) or 'none'}; {time.monotonic() - began:.0f} s")
    if args.docs:
        sys.path.insert(0, str(ROOT / "src"))
        (ROOT / "docs" / "traps.md").write_text(page(found), encoding="utf-8")
    return 0 if caught == len(found) and not bare else 1


if __name__ == "__main__":
    raise SystemExit(main())
