"""`burnish doctor` on machines made up here: what it prints, what it asks to be mended, and its exit status."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from burnish.cli import doctor
from burnish.cli.main import main
from burnish.machine import kept
from burnish.machine.description import Gpu, Load, Machine, Rate, Small, Speed, System
from burnish.machine.fit import fit

GIB = 2**30
SYSTEM = System("Linux x86_64", "AMD EPYC", ("avx2", "avx512_bf16"), 4, 2, 2, 2.0, 16 * GIB, "2.9.0")
RATES = tuple(Rate(d, t, 2048, r * t) for d, r in (("float32", 61.0), ("bfloat16", 193.0)) for t in (1, 2))
QUIET = Machine(SYSTEM, Speed(RATES, 28.4), Load(0.02, "", (Small(1, 311), Small(2, 160)), 12 * GIB))
BUSY = replace(QUIET, load=Load(0.87, "python (pid 7)", (Small(1, 300), Small(2, 3000)), 12 * GIB))
BARE = Machine(replace(SYSTEM, torch="", memory_bytes=None, physical_cores=None), load=Load())
HERE = doctor.Here(
    python="3.12.1",
    burnish="0.1.0",
    packages=dict.fromkeys(doctor.PACKAGES, "1.0"),
    sqlite="3.53.0",
    sqlite_fault="",
    cache="/cache",
    fetched={"minilm": True, "smollm2-135m": True},
    free_disk_bytes=50 * GIB,
)


@pytest.fixture
def at(monkeypatch):
    """Choose the machine, and what is on it."""

    def on(machine: Machine, here: doctor.Here = HERE) -> None:
        monkeypatch.setattr(kept, "measured", lambda cache: machine)
        monkeypatch.setattr(doctor, "look", lambda: here)
        monkeypatch.setenv("COLUMNS", "160")

    return on


def test_a_quiet_machine(at, capsys):
    at(QUIET)
    assert main(["doctor", "--quiet"]) == 0
    out = capsys.readouterr().out
    for words in (
        "AMD EPYC (Linux x86_64; avx2 avx512_bf16)",
        "4 in all; usable here 2, 2 physical; a control group grants 2.0",
        "16.0 GiB, of which 12.0 GiB free",
        "0.02 cores",
        "products of 2048 x 2048, GFLOP/s",
        "copying within memory: 28 GB/s",
        "its products are 3.2 times as fast as float32's: 193 against 61 GFLOP/s on one thread",
        "2.0 times as fast as one",
        "3.53.0, safe to share",
        "smollm2-135m: fetched",
        "50.0 GiB free",
    ):
        assert words in out
    rows = [line.split() for line in out.splitlines() if line.strip().endswith("µs each")]
    assert rows == [["1", "61", "193", "311", "µs", "each"], ["2", "122", "386", "160", "µs", "each"]]
    assert out.endswith("burnish can run here.\n")
    assert "note:" not in out


def test_beside_other_work(at, capsys):
    at(BUSY)
    assert main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "note: other processes use 87% of a core, python (pid 7) most of it: 2 threads take 10.0" in said.out
    assert "timings will not hold" in said.out
    assert said.out.endswith("burnish can run here, though not at its best.\n")
    assert "measuring this machine" in said.err


def test_json_is_one_object_alone(at, capsys):
    at(BUSY)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["fit"], found["faults"]) == (True, [])
    assert found["settings"]["threads"]["value"] == 1
    assert found["settings"]["dtype"]["value"] == "bfloat16"
    assert Machine.from_json(json.dumps(found["machine"])) == BUSY
    assert found["here"]["fetched"] == HERE.fetched
    assert found["notes"] == list(fit(BUSY).warnings)


@pytest.mark.parametrize(
    ("machine", "here", "said"),
    [
        (BARE, replace(HERE, packages={}), "not installed: torch, transformers, peft, scikit-learn."),
        (
            QUIET,
            replace(HERE, sqlite=None, sqlite_fault="db: SQLite 3.40 can corrupt."),
            "db: SQLite 3.40 can corrupt.",
        ),
        (QUIET, replace(HERE, free_disk_bytes=GIB // 2), "disk: 0.5 GiB are free in /cache or the working folder"),
        (replace(QUIET, system=replace(SYSTEM, memory_bytes=GIB)), HERE, "memory: this process may use 1.0 GiB"),
    ],
)
def test_what_must_be_mended_is_told_and_ends_in_2(machine, here, said, at, capsys):
    at(machine, here)
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert f"!! {said}" in out
    assert out.endswith("Something must be mended first.\n")


@pytest.mark.parametrize(
    ("machine", "here", "said"),
    [
        (QUIET, replace(HERE, fetched={"minilm": False, "ratings": True}), "or: burnish fetch minilm"),
        (replace(QUIET, speed=replace(QUIET.speed, gpu=Gpu("cuda", "H100", 80 * GIB))), HERE, "device=cuda"),
        (
            replace(QUIET, speed=Speed((Rate("float32", 1, 512, 20.0), Rate("bfloat16", 1, 512, 4.0)))),
            HERE,
            "bfloat16: this processor has no fast products of it",
        ),
    ],
)
def test_what_is_slow_or_still_to_come_is_a_note_and_ends_in_0(machine, here, said, at, capsys):
    at(machine, here)
    assert main(["doctor"]) == 0
    assert said in capsys.readouterr().out


def test_what_is_not_known_is_said_to_be_unknown(at, capsys):
    at(BARE)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "unknown, of which unknown free" in out
    assert "GFLOP/s" not in out  # nothing was measured


def test_looking_around_finds_what_the_tests_themselves_need(monkeypatch, tmp_path):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    here = doctor.look()
    assert here.packages["torch"]
    assert here.sqlite
    assert here.cache == str(tmp_path / "cache")
    assert set(here.fetched.values()) == {False}
    assert here.free_disk_bytes > 0
    assert not (tmp_path / "cache").exists()
