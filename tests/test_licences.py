"""The licence that the package states covers everything that is in it, and their texts come along."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FIRST_LINES = {
    "Apache License": "Apache-2.0",
    "The MIT License (MIT)": "MIT",
    "Zero-Clause BSD": "0BSD",
}
"""How a licence's text begins, and its SPDX identifier."""


def texts() -> list[Path]:
    """Licences that stand in what is packed: ours, and one beside each thing that somebody else made."""
    return [ROOT / "LICENSE", *sorted((ROOT / "src").rglob("*LICEN[CS]E*"))]


def test_every_licence_in_the_package_is_listed() -> None:
    assert sorted(PROJECT["license-files"]) == sorted(path.relative_to(ROOT).as_posix() for path in texts())


def test_the_stated_licence_names_each_of_them() -> None:
    found = {FIRST_LINES[path.read_text("utf-8").strip().splitlines()[0]] for path in texts()}
    assert set(PROJECT["license"].split(" AND ")) == found
    assert not [each for each in PROJECT["classifiers"] if each.startswith("License ::")]  # PEP 639 forbids both


def test_the_stated_licence_is_an_expression_that_indexes_accept() -> None:
    licenses = pytest.importorskip("packaging.licenses", reason="pip install 'packaging>=24.2'")
    assert licenses.canonicalize_license_expression(PROJECT["license"]) == PROJECT["license"]


def test_minified_scripts_of_others_have_their_licence_beside_them() -> None:
    scripts = list((ROOT / "src").rglob("*.min.js"))
    assert scripts
    for path in scripts:
        name = re.match(r"[a-z]+", path.name)
        assert name is not None
        assert path.with_name(f"{name[0]}.LICENSE").is_file()
