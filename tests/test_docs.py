"""Documents tell the truth: their code runs, their flags and keys exist, and every flag and key has its words.

In every page, each ```python block and each bash block headed `bash run` runs as it stands, in order, in one empty
folder, and prints what the ```text block right after it shows. In the other bash blocks every `burnish` command is read
by the real parser and every `make` target is looked up.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import inspect
import io
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from burnish import config, methods
from burnish.cli.main import VERBS, parser_of
from burnish.cli.run import settings
from burnish.loop.material import prompts_of, signals_of
from burnish.loop.train_settings import TrainSettings

ROOT = Path(__file__).resolve().parents[1]
METHODS = sorted(file.stem for file in ROOT.glob("src/burnish/methods/[a-z]*.py"))
PICTURES = {"which-method.svg", "which-method.zh.svg"}
GENERATED = {"cli.md", "config.md", "methods.md", *PICTURES, *(f"methods/{name}.md" for name in METHODS)}
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.joinpath("docs").rglob("*.md"))
    if page.name not in {"cli.md", "config.md", "methods.md"} and page.parent.name != "decisions"
)
TRANSLATED = sorted(page for page in PAGES if page.name.endswith(".zh.md"))


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    head: str
    code: str
    output: str | None
    """The text block that follows it directly."""


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = list(re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    result = []
    for match, after in itertools.zip_longest(found, found[1:]):
        follows = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        line = text.count("\n", 0, match.start()) + 1
        result.append(Block(page, line, match[1].strip(), match[2], after[2] if follows and after else None))
    return result


def of_kind(*heads: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.head in heads]


def name_of(item: object) -> str:
    page = item.page if isinstance(item, Block) else item
    assert isinstance(page, Path)
    where = str(page.relative_to(ROOT))
    return f"{where}:{item.line}" if isinstance(item, Block) else where


# ------------------------------------------------------------------------------------------------------ code blocks


@pytest.mark.parametrize("page", [page for page in PAGES if page not in TRANSLATED], ids=name_of)
def test_code_blocks_run_and_print_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        if block.head not in ("python", "bash run"):
            continue
        said = run_bash(block.code) if block.head == "bash run" else run_python(block, names)
        if block.output is not None:
            assert said == block.output, name_of(block)


def run_python(block: Block, names: dict[str, object]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile("\n" * block.line + block.code, str(block.page), "exec"), names)
    return said.getvalue()


def run_bash(code: str) -> str:
    """Run in the working folder, with the `burnish` of this interpreter first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command in a bash block, without what it is piped or redirected into."""
    for line in block.code.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||;|\|", line.split(" #")[0]):
            words = shlex.split(re.split(r"\s[0-9]?>", part)[0], comments=True)
            if words:
                yield words


@pytest.mark.parametrize("block", of_kind("bash", "bash run"), ids=name_of)
def test_commands_in_the_pages_are_ones_that_exist(block):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(block):
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, words
        if Path(words[0]).name == "burnish" and words[1:2] not in (["--help"], ["--version"], []):
            read_by_the_parser(words[1:])


def read_by_the_parser(words: list[str]) -> None:
    parser, _ = parser_of(words[0])
    if {"--help", "--help-config"} & set(words):
        return
    args = parser.parse_args(words[1:])
    if sets := {each.partition("=")[0] for each in getattr(args, "sets", [])}:
        assert sets <= settings_known(args), words


def settings_known(args: argparse.Namespace) -> set[str]:
    """Return what `--set` may name: of `burnish train` the method's own and every training run's, else a recipe's."""
    if not hasattr(args, "method"):
        return {key.name for key in config.describe(settings())}
    return {key.name for cls in (methods.load(args.method).Config, TrainSettings) for key in config.describe(cls)}


# --------------------------------------------------------------------------------------------- flags, keys and links


def flags_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from flags_of(below)
        elif not isinstance(action, argparse._HelpAction):
            yield f"{parser.prog} {'/'.join(action.option_strings) or action.dest}", action


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_has_its_words(verb):
    assert [name for name, action in flags_of(parser_of(verb)[0]) if not action.help] == []


def test_every_setting_has_its_words():
    assert [key.name for key in config.describe(settings()) if not key.doc] == []


@pytest.fixture(scope="module")
def generate() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        yield loaded("docs/generate.py")


def loaded(path: str) -> ModuleType:
    """Return a file of the repository that is in no package as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(GENERATED))
def test_generated_pages_are_up_to_date(page, generate):
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == generate.PAGES[page](), f"docs/{page} is out of date: make docs"


def test_every_method_has_a_page_and_no_page_is_left_of_one_that_is_gone(generate):
    assert set(generate.PAGES) == GENERATED
    assert sorted(page.stem for page in ROOT.glob("docs/methods/*.md")) == METHODS


MEASURED = {
    "before": 0.51,
    "reached": 0.972,
    "low": 0.961,
    "high": 0.983,
    "optimum": 1.0,
    "optimum_is": "the best completion to every prompt",
    "share": 0.972,
    "measure": "reward",
    "seeds": 5,
    "completions": 28_800,
    "kl_nats": 3.25,
}
"""What benchmarks/toys.py writes of a method into docs/toys.json; the numbers are made up."""


def test_a_method_page_shows_what_was_measured_and_nothing_where_nothing_was(generate):
    page = generate.method_page("dpo", {"dpo": MEASURED})
    assert "| 0.510 | 0.972 | 0.961 to 0.983 | 1.000 | 97.2% | 5 | 28,800 | 3.25 |" in page
    assert "known exactly: the best completion to every prompt." in page
    assert "## Measured" not in generate.method_page("ipo", {"dpo": MEASURED})
    index = generate.index_page({"dpo": MEASURED})
    assert next(line for line in index.splitlines() if line.startswith("| [`dpo`]")).endswith("| 97.2% |")


def test_a_method_page_links_the_lines_that_compute_its_formula(generate):
    code = (ROOT / "src/burnish/methods/dpo.py").read_text(encoding="utf-8").splitlines()
    [row] = [line for line in generate.method_page("dpo", {}).splitlines() if "`loss_N = " in line]
    [number] = re.findall(r"\.\./\.\./src/burnish/methods/dpo\.py#L(\d+)", row)
    assert row.split("`")[1] == code[int(number) - 1].strip()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_repository_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|href)=\"([^\"#]+)\"", text)
    targets = [first or second for first, second in links]
    lost = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert lost == []


@pytest.mark.parametrize("page", TRANSLATED, ids=name_of)
def test_a_translation_shows_the_same_commands(page):
    original = page.with_name(page.name.replace(".zh.md", ".md"))
    assert shown(page) == shown(original)


def shown(page: Path) -> list[tuple[str, str]]:
    """Return heads and code of a page's blocks, comments left out: those are translated."""
    return [
        (block.head, re.sub(r"\s*#.*", "", block.code))
        for block in blocks(page)
        if block.head.startswith(("bash", "python"))
    ]


def test_the_numbers_told_of_what_is_drawn_are_the_ones_the_loop_tells(generate):
    from burnish.training import course

    told = set(course._of_groups([])) | {"left_out"}  # what `choose` leaves out is told where there is a `choose`
    assert set(sys.modules["method_pages"].OF_DRAWN) == told


@pytest.mark.parametrize("name", METHODS)
def test_the_rows_of_a_method_page_are_signals_that_its_command_can_use(name, generate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = generate.method_page(name, {})
    for file, row in re.findall(
        r"^(?:where|and) `(\S+)` holds, line by line,\n\n```text\n(.*?)\n```$", page, re.M | re.S
    ):
        assert file in page.split("```bash")[1].split("```")[0]
        Path(file).write_text(row, encoding="utf-8")
        if file.startswith("asked"):
            assert prompts_of(file, ()), file
        else:
            needs = methods.load(name).needs(methods.load(name).Config())
            eaten = needs.eats or methods.load(needs.partner).needs(methods.load(needs.partner).Config()).eats
            assert any(isinstance(signal, eaten) for signal in signals_of(file, None))


# ------------------------------------------------------------------------------------------------- a method is added


@pytest.fixture
def added(tmp_path, monkeypatch) -> Iterator[Path]:
    """The files of docs/adding-a-method.md in an empty folder, its method found among all others."""
    for block in blocks(ROOT / "docs" / "adding-a-method.md"):
        language, _, file = block.head.partition(" ")
        if language == "python" and file:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(block.code, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path / "src/burnish/methods")])
    yield tmp_path
    sys.modules.pop("burnish.methods.slic", None)
    del methods.slic


def test_the_method_of_the_page_keeps_the_contract(added, tmp_path):
    contract = loaded("tests/methods/test_contract.py")
    assert "slic" in contract.NAMES
    checked = 0
    for name, check in {**vars(contract), **vars(loaded("tests/methods/test_gradients.py"))}.items():
        if not name.startswith("test_"):
            continue
        for words in cases(check, contract, tmp_path):
            check(**words)
            checked += 1
    assert checked > 15


def cases(check: Any, contract: ModuleType, folder: Path) -> Iterator[dict[str, object]]:
    """Yield the arguments with which the contract suite would call a check on this method."""
    wanted = list(inspect.signature(check).parameters)
    configs = contract.every_config("slic") if "config" in wanted else [None]
    marks = [mark.args for mark in getattr(check, "pytestmark", ()) if mark.args[0] == "value"]
    for each in configs if "name" in wanted else []:
        for value in marks[0][1] if marks else [None]:
            words = {"name": "slic", "config": each, "value": value, "tmp_path": folder}
            yield {key: word for key, word in words.items() if key in wanted}


def test_the_test_of_the_page_passes(added):
    spec = importlib.util.spec_from_file_location("test_slic", added / "tests/methods/test_slic.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checks = [check for name, check in vars(module).items() if name.startswith("test_")]
    assert len(checks) == 5
    for check in checks:
        check()
