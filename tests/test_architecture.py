"""The house keeps its shape: imports point down, neighbours do not know each other, files stay readable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import burnish

SOURCE = Path(burnish.__file__).parent
ROOT = SOURCE.parent.parent
FILES = sorted(SOURCE.rglob("*.py"))
IDS = [str(path.relative_to(SOURCE)) for path in FILES]

FLOORS: tuple[set[str], ...] = (
    {"errors", "peers"},
    {"identities", "locks", "memory"},
    {"records", "config", "files", "progress"},
    {"plain", "maths", "machine"},
    {"examples"},
    {"models", "store", "corpora"},
    {"feedback", "judges"},
    {"methods", "rewards"},
    {"training", "evaluation"},
    {"loop", "tasks", "conformance"},
    {"studio", "gateway", "bench"},
    {"cli"},
)
"""From the ground up; docs/rooms.md says what each room is for. The ground floor has steps of its own.

`peers` is `bench/peers/`: run by another environment's Python, it must not import anything of ours."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

ONLY_IN = {
    "transformers": {"models", "peers"},
    "peft": {"models", "peers"},
    "trl": {"peers"},
    "datasets": {"peers"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "pysqlite3": {"store"},
    "sqlite3": {"store"},
    "psycopg": {"store"},
    "rich": {"progress", "cli"},
}
"""Libraries that one room wraps for all the others."""

WITHOUT_TORCH = {
    "errors",
    "identities",
    "records",
    "plain",
    "config",
    "files",
    "locks",
    "memory",
    "progress",
    "store",
    "feedback",
    "judges",
    "studio",
    "cli",
}

METHODS_MAY_USE = {"methods", "maths", "records", "examples", "errors"}

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("", "eval"), ("", "exec")}
FORBIDDEN_SWITCHES = {"trust_remote_code", "allow_pickle"}

LINES_AT_MOST = 500


def room_of(path: Path) -> str:
    """Return the first folder or module below `burnish`; empty for the package's own `__init__`."""
    first, *more = path.relative_to(SOURCE).parts
    first = "peers" if (first, more[:1]) == ("bench", ["peers"]) else first.removesuffix(".py")
    return {"__init__": "", "__main__": "cli"}.get(first, first)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted module) of every import, also those inside functions and those by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{name.name}") for name in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func)[1] == "import_module" and node.args:
            yield node.lineno, literal_start(node.args[0])


def dotted(node: ast.expr) -> tuple[str, str]:
    """Return (`torch`, `load`) of `torch.load`, (``, `eval`) of `eval`."""
    if isinstance(node, ast.Attribute):
        return (node.value.id if isinstance(node.value, ast.Name) else "?", node.attr)
    return ("", node.id) if isinstance(node, ast.Name) else ("?", "?")


def literal_start(node: ast.expr) -> str:
    """Return the literal text a string begins with."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return str(node.value) if isinstance(node, ast.Constant) else ""


def own_rooms(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, room) of every import from our own package."""
    for line, module in imported(tree):
        parts = module.split(".")
        if parts[0] == "burnish" and len(parts) > 1 and not parts[1].startswith("__"):
            yield line, parts[1]


def complaints_about(path: Path, source: str) -> list[str]:
    """Return every import of a file that the house does not allow."""
    tree, room = ast.parse(source), room_of(path)
    found = []
    for line, module in imported(tree):
        if module.startswith("."):
            found.append(f"line {line}: relative import {module!r}")
        library = module.split(".")[0]
        if room not in ONLY_IN.get(library, {room}):
            found.append(f"line {line}: {library} belongs to {sorted(ONLY_IN[library])}")
        if library == "torch" and room in WITHOUT_TORCH:
            found.append(f"line {line}: {room} works without torch")
        if library in FORBIDDEN_MODULES:
            found.append(f"line {line}: {library} is promised not to be used")
    for line, other in own_rooms(tree):
        if room == "":
            found.append(f"line {line}: the package itself imports {other}")
        elif other not in HEIGHT:
            found.append(f"line {line}: {other} has no floor")
        elif other != room and HEIGHT[other] >= HEIGHT.get(room, -1):
            found.append(f"line {line}: {room} (floor {HEIGHT.get(room)}) imports {other} (floor {HEIGHT[other]})")
        elif room == "methods" and other not in METHODS_MAY_USE:
            found.append(f"line {line}: a method uses {sorted(METHODS_MAY_USE)} only, not {other}")
    return found


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_are_absolute_and_point_down(path):
    assert complaints_about(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("maths/kl.py", "from burnish.store import open_store"),
        ("store/check.py", "from burnish.corpora import resolve"),
        ("store/check.py", "from burnish import models"),
        ("store/check.py", "import burnish.cli.main"),
        ("store/check.py", "from .entry import Entry"),
        ("store/check.py", "import torch"),
        ("records.py", "from burnish import config"),
        ("methods/grpo.py", "from burnish.models import policy"),
        ("methods/grpo.py", "from burnish.records import Score\ndef f():\n    from burnish.corpora import resolve"),
        ("loop/run.py", "import transformers"),
        ("loop/run.py", "import importlib\nimportlib.import_module('burnish.cli.run')"),
        ("loop/run.py", "import importlib\nimportlib.import_module(f'burnish.cli.{name}')"),
        ("rewards/x.py", "import joblib"),
        ("rewards/x.py", "from burnish.attic import x"),
        ("__init__.py", "from burnish.records import Prompt"),
        ("bench/peers/trl_grpo.py", "from burnish.records import Prompt"),
        ("bench/run.py", "import transformers"),
    ],
)
def test_the_test_above_can_fail(place, line):
    assert len(complaints_about(SOURCE / place, line)) == 1


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in FILES} - {""}
    assert rooms <= set(HEIGHT)


def unsafe_calls(tree: ast.AST) -> list[str]:
    """Return every call that could run code out of a file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in FORBIDDEN_CALLS:
            found.append(f"line {node.lineno}: {'.'.join(filter(None, dotted(node.func)))}()")
        elif isinstance(node, ast.keyword) and node.arg in FORBIDDEN_SWITCHES and ast.unparse(node.value) != "False":
            found.append(f"line {node.value.lineno}: {node.arg}")
    return found


SILENCED = re.compile(r"#\s*(?:type:\s*ignore(?:\[[\w, -]+\])?|noqa(?::\s*[A-Z]+\d+(?:, ?[A-Z]+\d+)*)?)(?P<more>.*)")
"""A rule switched off on a line, and what else the line's comment says."""


def without_a_reason(source: str) -> list[int]:
    """Return the lines on which a rule is switched off and neither the rest of it nor a comment above says why."""
    found, above = [], ""
    for number, line in enumerate(source.splitlines(), 1):
        silenced = SILENCED.search(line)
        if silenced and not re.search(r"[a-z]{2}", silenced["more"]) and not above.lstrip().startswith("#"):
            found.append(number)
        above = line
    return found


@pytest.mark.parametrize("room", ["src", "tests", "benchmarks", "docs", "examples"])
def test_a_rule_is_switched_off_with_a_reason(room):
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    assert {path.name: lines for path in paths if (lines := without_a_reason(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("rule", ["type: ignore", "type: ignore[arg-type]", "noqa: E731", "noqa: E731, F401"])
def test_a_reason_is_looked_for_on_the_line_and_above_it(rule):
    assert without_a_reason(f"x = 1\nf(x)  # {rule}") == [2]
    assert without_a_reason(f"f(x)  # {rule} -- x is what f takes") == []
    assert without_a_reason(f"    # x is what f takes\n    f(x)  # {rule}") == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_read_from_a_file_can_run(path):
    assert unsafe_calls(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line", ["torch.load(p)", "eval('1')", "yaml.load(f)", "f(trust_remote_code=True)", "np.load(p, allow_pickle=x)"]
)
def test_the_unsafe_is_found(line):
    assert len(unsafe_calls(ast.parse(line))) == 1


def test_calling_a_model_s_eval_is_not_the_unsafe_one():
    assert unsafe_calls(ast.parse("model.eval()\nnp.load(p, allow_pickle=False)")) == []


@pytest.mark.parametrize("path", FILES + sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_no_file_is_too_long_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_AT_MOST
