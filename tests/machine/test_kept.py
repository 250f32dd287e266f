"""A measurement is remembered for machines of its kind while it is young, and never taken on trust."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from burnish.machine import kept, speed, system
from burnish.machine.description import Load, Machine, Rate, Speed, System

NOW = dt.datetime(2026, 1, 20, 12, tzinfo=dt.UTC)
SYSTEM = System("Linux x86_64", "AMD EPYC", usable_cores=2, torch="2.9.0")
SPEED = Speed((Rate("float32", 1, 1024, 60.0),), 20.0, None, "2026-01-20T11:00:00+00:00")
OTHER = replace(SPEED, copy_gb_s=10.0)


@pytest.fixture
def measures(monkeypatch):
    """Count the measurements; they give what is set here."""
    made: list[int] = []
    load = Load(busy_cores=0.0)

    def measure(machine, *, size=speed.SIZE):
        made.append(size)
        return OTHER

    monkeypatch.setattr(system, "read", lambda: SYSTEM)
    monkeypatch.setattr(speed, "measure", measure)
    monkeypatch.setattr(speed, "load", lambda machine, seconds=0.3: load)
    return made


def test_measured_once_then_remembered(measures, tmp_path):
    first = kept.current(tmp_path, now=NOW)
    assert kept.current(tmp_path, now=NOW) == first == Machine(SYSTEM, OTHER, Load(busy_cores=0.0))
    assert measures == [speed.SIZE]


def test_the_doctor_measures_again_and_with_larger_matrices(measures, tmp_path):
    kept.remember(tmp_path, Machine(SYSTEM, SPEED))
    assert kept.measured(tmp_path).speed == OTHER
    assert measures == [speed.LARGE]
    assert kept.remembered(tmp_path, SYSTEM, now=NOW) == OTHER


@pytest.mark.parametrize(
    ("later", "known"),
    [
        (dt.timedelta(), True),
        (dt.timedelta(days=13, hours=22), True),
        (dt.timedelta(days=13, hours=23), False),
        (dt.timedelta(hours=-2), False),  # from the future: a clock was wrong
    ],
)
def test_it_is_measured_again_when_it_is_old(later, known, tmp_path):
    kept.remember(tmp_path, Machine(SYSTEM, SPEED))
    assert kept.remembered(tmp_path, SYSTEM, now=NOW + later) == (SPEED if known else None)


def test_machines_that_share_a_cache_keep_apart(tmp_path):
    other = replace(SYSTEM, processor="Xeon")
    kept.remember(tmp_path, Machine(SYSTEM, SPEED))
    assert kept.remembered(tmp_path, other, now=NOW) is None
    kept.remember(tmp_path, Machine(other, OTHER))
    assert [kept.remembered(tmp_path, each, now=NOW) for each in (SYSTEM, other)] == [SPEED, OTHER]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00"])
def test_a_damaged_file_is_measured_over(text, measures, tmp_path):
    kept.remember(tmp_path, Machine(SYSTEM, SPEED))
    (path,) = tmp_path.glob("machine-*.json")
    path.write_text(text, "utf-8")
    assert kept.current(tmp_path, now=NOW).speed == OTHER
    assert kept.remembered(tmp_path, SYSTEM, now=NOW) == OTHER


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-01-20T11:00:00"])
def test_a_moment_that_cannot_be_read_counts_as_old(moment, tmp_path):
    kept.remember(tmp_path, Machine(SYSTEM, replace(SPEED, measured_at=moment)))
    assert kept.remembered(tmp_path, SYSTEM, now=NOW) is None


def test_what_is_measured_beside_other_work_is_not_kept(measures, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "load", lambda machine, seconds=0.3: Load(busy_cores=1.0))
    assert kept.current(tmp_path).speed == OTHER
    assert kept.measured(tmp_path).speed == OTHER
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_every_run_measures(measures, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    for _ in range(2):
        assert kept.current(tmp_path / "file" / "cache").speed == OTHER
    assert len(measures) == 2


def test_without_torch_nothing_is_measured(measures, monkeypatch, tmp_path):
    bare = replace(SYSTEM, torch="")
    monkeypatch.setattr(system, "read", lambda: bare)
    for found in (kept.current(tmp_path), kept.measured(tmp_path)):
        assert (found.system, found.speed, found.load.small) == (bare, Speed(), ())
    assert measures == []
