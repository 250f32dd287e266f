"""A machine written down and read again is the same machine; anything else is refused with what to do."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.machine.description import Gpu, Load, Machine, Rate, Small, Speed, System

NAMES = st.text(max_size=12)
WHOLE = st.integers(min_value=0, max_value=2**50)
POSITIVE = st.floats(min_value=1e-6, max_value=1e9)

SYSTEMS = st.builds(
    System,
    name=NAMES,
    processor=NAMES,
    flags=st.lists(NAMES).map(tuple),
    logical_cores=WHOLE,
    physical_cores=st.none() | WHOLE,
    usable_cores=WHOLE,
    quota_cores=st.none() | POSITIVE,
    memory_bytes=st.none() | WHOLE,
    torch=NAMES,
)
SPEEDS = st.builds(
    Speed,
    products=st.lists(st.builds(Rate, NAMES, WHOLE, WHOLE, POSITIVE), max_size=3).map(tuple),
    copy_gb_s=st.none() | POSITIVE,
    gpu=st.none() | st.builds(Gpu, NAMES, NAMES, st.none() | WHOLE),
    measured_at=NAMES,
)
LOADS = st.builds(
    Load,
    busy_cores=st.none() | POSITIVE,
    busiest=NAMES,
    small=st.lists(st.builds(Small, WHOLE, POSITIVE), max_size=3).map(tuple),
    free_bytes=st.none() | WHOLE,
)


@settings(max_examples=50, deadline=None)
@given(st.builds(Machine, SYSTEMS, SPEEDS, LOADS))
def test_json_and_back(machine):
    assert Machine.from_json(machine.to_json()) == machine


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"system": {}, "speed": {}, "load": {}}',
        '{"system": 1, "speed": 2, "load": 3}',
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="not a description of a machine"):
        Machine.from_json(text)


def test_an_unknown_field_is_refused():
    text = Machine(System("Linux x86_64")).to_json().replace('"processor"', '"prozessor"')
    with pytest.raises(InputError, match="prozessor"):
        Machine.from_json(text)


def test_a_measurement_holds_for_the_same_kind_of_machine_only():
    machine = System("Linux x86_64", "AMD EPYC", ("avx2",), 2, 2, 2, None, 2**34, "2.9.0")
    assert machine.key == dataclasses.replace(machine).key
    assert machine.key == dataclasses.replace(machine, memory_bytes=2**33).key  # memory makes nothing faster
    others = {"processor": "Xeon", "usable_cores": 1, "quota_cores": 1.5, "torch": "2.10.0", "flags": ()}
    keys = {dataclasses.replace(machine, **{name: value}).key for name, value in others.items()}
    assert len(keys | {machine.key}) == 1 + len(others)


@pytest.mark.parametrize(
    ("usable", "quota", "most"),
    [(1, None, 1), (64, None, 64), (64, 4.0, 4), (64, 2.5, 2), (4, 0.5, 1), (2, 16.0, 2)],
)
def test_no_more_threads_than_run_at_once(usable, quota, most):
    assert System("x", usable_cores=usable, quota_cores=quota).most_threads == most


def test_gain_is_relative_to_one_thread():
    load = Load(small=(Small(1, 300.0), Small(2, 150.0), Small(4, 600.0)))
    assert [load.gain(threads) for threads in (1, 2, 4, 8)] == [1.0, 2.0, 0.5, None]
    assert Load().gain(1) is None
