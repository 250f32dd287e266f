"""Every mutation still fits the source it is put into; whether its test fails is what `make mutations` shows."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = tomllib.loads((ROOT / "benchmarks" / "mutations.toml").read_text("utf-8"))["mutation"]


def test_the_text_that_a_mutation_changes_stands_once_in_its_file():
    stale = [
        f"T{each['trap']}: {each['what']}"
        for each in MUTATIONS
        if (ROOT / "src" / "burnish" / each["file"]).read_text("utf-8").count(each["old"]) != 1
    ]
    assert stale == []


def test_every_known_trap_has_a_mutation():
    assert {each["trap"] for each in MUTATIONS} == set(range(1, 41))
