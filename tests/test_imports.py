"""What collects feedback starts at once: nothing heavy is loaded until it is needed."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import burnish
from burnish.cli.main import VERBS

HEAVY = ("torch", "transformers", "peft", "sklearn", "matplotlib", "tensorboard")
NOT_FOR_HELP = (*HEAVY, "numpy", "scipy", "sqlalchemy", "alembic", "httpx", "rich")
LIGHT_ROOMS = ("records", "config", "errors", "files", "progress", "feedback", "store", "judges", "corpora", "cli")

CALL = """
from burnish.cli.main import main
try:
    main({argv!r})
except SystemExit:
    pass
"""


def light_modules() -> list[str]:
    """Return every module of the rooms that must start at once, as far as they exist."""
    names = [module.name for module in pkgutil.walk_packages(burnish.__path__, "burnish.")]
    light = [name for name in names if name.split(".")[1] in LIGHT_ROOMS and not name.endswith(".__main__")]
    others = ["loop.recipe", "machine.fit", "machine.kept", "bench.run", "bench.page"]
    return ["burnish", *(f"burnish.{name}" for name in others), *light]


def loaded_by(code: str, watched: tuple[str, ...]) -> list[str]:
    """Return which of the watched packages a fresh interpreter has loaded after the code."""
    report = f"\nimport sys\nprint('\\n' + ' '.join(name for name in {watched!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_the_light_rooms_import_nothing_heavy():
    modules = light_modules()
    assert "burnish.records" in modules
    assert loaded_by("\n".join(f"import {name}" for name in modules), HEAVY) == []


def test_the_studio_waits_for_no_model():
    pytest.importorskip("fastapi", reason="needs the studio extra")
    assert loaded_by("import burnish.studio.app", HEAVY) == []


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_help_loads_nothing_it_does_not_need(argv):
    assert loaded_by(CALL.format(argv=argv), NOT_FOR_HELP) == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_loads_nothing_heavy(verb):
    assert loaded_by(CALL.format(argv=[verb, "--help"]), HEAVY) == []


def test_the_check_sees_what_is_loaded():
    assert loaded_by("import numpy", NOT_FOR_HELP) == ["numpy"]
