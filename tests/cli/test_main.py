"""The face: help without weight, the nearest word offered, statuses as promised."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

import burnish
from burnish.cli import main as face
from burnish.errors import InputError, StoppedOnRequest
from burnish.store import open_store


@pytest.fixture
def verb(monkeypatch):
    """Return a function that makes `burnish try` do what it is given."""

    def make(run, arguments=lambda parser: parser.add_argument("--seed", type=int)):
        module = types.ModuleType("burnish.cli.try")
        module.add_arguments = arguments
        module.run = run
        monkeypatch.setitem(sys.modules, "burnish.cli.try", module)
        monkeypatch.setitem(face.VERBS, "try", "a verb of this test")

    return make


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb_with_its_line(argv, capsys):
    assert face.main(argv) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and line in out for name, line in face.VERBS.items())


def test_the_version_is_the_package_s(capsys):
    assert face.main(["--version"]) == 0
    assert capsys.readouterr().out == f"burnish {burnish.__version__}\n"


def test_every_verb_in_the_table_has_its_module_and_its_help(capsys):
    for name in face.VERBS:
        with pytest.raises(SystemExit) as left:
            face.main([name, "--help"])
        assert left.value.code == 0
        assert f"usage: burnish {name}" in capsys.readouterr().out


def test_every_module_of_the_folder_is_a_verb_or_the_face_itself():
    modules = {path.stem for path in Path(face.__file__).parent.glob("*.py")}
    parts = {name for name in modules if name.split("_")[0] in face.VERBS and "_" in name}  # as feedback_mask
    assert modules - {"__init__", "main"} - parts == set(face.VERBS)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rnu"], "unknown command 'rnu'. Did you mean 'run'?"),
        (["xyzzy"], "unknown command 'xyzzy'. Known: "),
        (["--verson"], "unknown flag '--verson'. Did you mean '--version'?"),
        (["run", "--sed", "3"], "burnish run: unknown flag '--sed'. Did you mean '--seed'?"),
        (["run", "--sed"], "Did you mean '--seed'?"),
        (["run", "reviews", "--se=3"], "unknown flag '--se'."),
        (["run", "reviews", "reviews"], "'reviews' is one word too many"),
        (["run", "reviews", "--seed", "many"], "--seed"),
        (["run"], "RECIPE"),
    ],
)
def test_a_wrong_word_is_named_and_the_nearest_offered(argv, message, capsys):
    assert face.main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert "--help" in said.err
    assert "Traceback" not in said.err
    assert said.err.startswith("burnish")
    assert "burnish: burnish" not in said.err


LONG = "x" * 300


@pytest.mark.parametrize(
    "argv",
    [
        ["feedback", "import", LONG],
        ["feedback", "import", __file__ + "/rows.jsonl"],
        ["feedback", "import", "/proc/self/mem"],
        ["feedback", "stats", "--db", f"sqlite:///{LONG}"],
        ["feedback", "stats", "--db", f"sqlite:///{__file__}/burnish.db"],
        ["feedback", "stats", "--db", "sqlite:///loop"],
        ["feedback", "stats", "--db", "sqlite:///a%00b.db"],
        ["feedback", "stats", "--db", "postgresql://ana:secret@localhost:abc/x"],
        ["feedback", "stats", "--db", "postgresql://[::1/x"],
        ["feedback", "export", "--db", "sqlite:///here.db", "--out", LONG],
        ["feedback", "export", "--db", "sqlite:///here.db", "--out", __file__ + "/rows.jsonl"],
        ["fetch", LONG],
        ["fetch", "./" + LONG],
        ["run", "smoke", "--out", LONG],
        ["run", "smoke", "--out", "runs", "--feedback", LONG],
        ["run", "smoke", "--dry-run", "--model", "./" + LONG],
        ["run", LONG + ".toml"],
    ],
)
def test_a_name_that_cannot_be_a_file_s_is_told_without_a_traceback(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    open_store("sqlite:///here.db").close()
    assert face.main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "secret" not in said.err
    assert "\0" not in said.err
    assert said.err.startswith("burnish: ")


def test_a_subcommand_offers_its_own_flags_and_choices(verb, capsys):
    def arguments(parser: argparse.ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("import").add_argument("--strict", action="store_true")
        actions.add_parser("export").add_argument("--out")

    verb(lambda args: 0, arguments)
    assert face.main(["try", "import", "--strct"]) == 2
    assert "burnish try import: unknown flag '--strct'. Did you mean '--strict'?" in capsys.readouterr().err
    assert face.main(["try", "imprt"]) == 2
    assert "'imprt' is not one of the choices. Did you mean 'import'?" in capsys.readouterr().err


def test_a_negative_number_and_a_value_with_dashes_are_not_taken_for_flags(verb):
    seen = []
    verb(
        lambda args: seen.append(args) or 0,
        lambda parser: (parser.add_argument("--n", type=int), parser.add_argument("w")),
    )
    assert face.main(["try", "--n", "-3", "--", "--w"]) == 0
    assert (seen[0].n, seen[0].w) == (-3, "--w")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("f.toml: line 3: wrong"), 2, "burnish: f.toml: line 3: wrong\n"),
        (StoppedOnRequest("saved; go on with --resume"), 3, "burnish: saved; go on with --resume\n"),
        (KeyboardInterrupt(), 3, "before there was anything to save"),
        (OSError(errno.ENOSPC, "No space left on device", "/runs/x"), 2, "burnish: /runs/x: the disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 2, "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "burnish: /x: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/x"), 2, "/x: File name too long. Check the name"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), 2, "/x/y: Not a directory. Check the name"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/x"), 2, "/x: Is a directory. Check the name"),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "/x"), 2, "symbolic links. Check the name"),
        (OSError(errno.EIO, "Input/output error"), 2, "a file: Input/output error. Check the disk"),
        (ModuleNotFoundError("no torch", name="torch"), 2, "pip install 'burnish[train]'"),
    ],
)
def test_what_a_person_can_mend_is_one_message_without_traceback(error, status, message, verb, capsys):
    verb(raising(error))
    assert face.main(["try"]) == status
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("x"),
        OSError(errno.EBADF, "Bad file descriptor"),
        ModuleNotFoundError("x", name="burnish.nothing"),
    ],
)
def test_anything_else_is_a_defect_of_ours_with_its_traceback(error, verb, capsys):
    verb(raising(error))
    assert face.main(["try"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "a defect of ours" in said


def test_the_status_of_the_verb_is_the_status_of_the_command(verb):
    verb(lambda args: 3 if args.seed == 7 else 0)
    assert face.main(["try", "--seed", "7"]) == 3
    assert face.main(["try"]) == 0


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "burnish", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"burnish {burnish.__version__}\n"


PRINTS_FOR_EVER = """
import sys, types
from burnish.cli import main as face
module = types.ModuleType("burnish.cli.try")
module.add_arguments = lambda parser: None
def run(args):
    while True:
        print("x" * 1000)
module.run = run
sys.modules["burnish.cli.try"] = module
face.VERBS["try"] = "prints"
sys.exit(face.main(["try"]))
"""


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen([sys.executable, "-c", PRINTS_FOR_EVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert said == b""


# a shell starts background jobs with Ctrl-C ignored, and children inherit that: the handler is set by hand
WAITS = PRINTS_FOR_EVER.replace('print("x" * 1000)', 'print("on", flush=True); time.sleep(60)').replace(
    "import sys,", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nimport time, sys,"
)


def test_control_c_tells_what_whoever_was_at_work_has_noted(verb, capsys):
    stop = KeyboardInterrupt()
    stop.add_note("stopped by you; 3 records stored so far.")
    verb(raising(stop))
    assert face.main(["try"]) == 3
    assert capsys.readouterr().err == "burnish: stopped by you; 3 records stored so far.\n"


def test_control_c_before_anything_was_saved_is_told_in_a_sentence():
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert b"before there was anything to save" in said
    assert b"Traceback" not in said
