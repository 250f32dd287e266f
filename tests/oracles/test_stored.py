"""Our losses are what other libraries say they are: against their answers, kept in theirs.json with versions.

`make oracles` asks them anew (compare.py); nothing of them is needed here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from burnish import methods

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from oracles import by_method, compare, ours  # noqa: E402 -- its folder is on the path only now

THEIRS = json.loads(compare.KEPT.read_text("utf-8"))
LINES = list(compare.lines(THEIRS))


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.case}-{line.oracle}-{line.dtype}")
def test_a_loss_and_its_gradient_are_theirs(line):
    assert line.difference <= line.near


@pytest.mark.parametrize("line", [line for line in LINES if line.case == "dpo"], ids=lambda line: line.dtype)
def test_a_loss_that_is_a_little_off_would_be_found(line):
    off = replace(line, ours=tuple(number * (1 + 3 * line.near) + 3 * line.near for number in line.ours))
    assert not off.is_equal


def test_what_goes_by_the_same_name_and_is_another_loss_differs():
    for line, why in compare.others(THEIRS):
        assert line.difference > 1e-3, why


def test_every_case_has_an_oracle_and_every_remark_a_case():
    asked = {line.case for line in LINES}
    assert asked == set(ours.ANSWERS)
    assert set(ours.WHY) <= asked
    assert set(ours.LOOSE) <= {(line.case, line.oracle) for line in LINES}
    unheard = {(oracle, case) for oracle, told in THEIRS.items() for case in told["float64"]} - {
        (line.oracle, line.case) for line in LINES
    }
    assert unheard <= set(ours.OTHER)


def test_every_method_has_a_case_or_an_exact_test():
    assert sorted([*by_method.CASES, *by_method.EXACT]) == sorted(methods.names())
    assert {case for cases in by_method.CASES.values() for case in cases} <= set(ours.ANSWERS)
    assert [each for each in by_method.EXACT.values() if not by_method.is_there(*each[:2])] == []


def test_the_versions_are_those_the_environments_are_made_of():
    made = (HERE / "packages.txt").read_text("utf-8").split()
    peers = (HERE.parents[1] / "benchmarks" / "peers.txt").read_text("utf-8").split()
    for oracle, told in THEIRS.items():
        assert f"{oracle.split()[0]}=={told['version']}" in (peers if oracle == "trl" else made)


def test_every_oracle_reads_the_folder_that_is_made_for_it():
    lines = (HERE / "packages.txt").read_text("utf-8").splitlines()
    made = {line.split()[0].replace("==", "-") for line in lines if not line.startswith("#")}
    assert made == {folder for _, folder in compare.ORACLES.values() if folder}
