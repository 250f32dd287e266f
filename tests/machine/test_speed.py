"""Measuring gives sensible numbers and leaves no trace in the process; how large they are is nobody's promise."""

from __future__ import annotations

import itertools

import pytest
import torch

from burnish.machine import speed, system
from burnish.machine.description import System

TWO = System("Linux x86_64", usable_cores=2, physical_cores=2, torch="x")


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Make everything small: what is checked here does not depend on how long it takes."""
    for name, value in {"_SECONDS": 0.0, "_SMALL_SECONDS": 0.001, "_COPY_BYTES": 1 << 16}.items():
        monkeypatch.setattr(speed, name, value)


@pytest.mark.parametrize(
    ("usable", "physical", "quota", "counts"),
    [
        (1, 1, None, [1]),
        (2, 2, None, [1, 2]),
        (3, None, None, [1, 2, 3]),
        (12, 6, None, [1, 2, 4, 6, 8, 12]),
        (64, 32, None, [1, 2, 4, 8, 16, 32, 64]),
        (64, 32, 6.5, [1, 2, 4, 6]),
        (4, 2, 0.5, [1]),
    ],
)
def test_numbers_of_threads_worth_trying(usable, physical, quota, counts):
    machine = System("x", usable_cores=usable, physical_cores=physical, quota_cores=quota)
    assert speed.thread_counts(machine) == counts


def test_every_number_format_is_measured_with_every_number_of_threads():
    found = speed.measure(TWO, size=64)
    wanted = {(dtype, threads) for dtype in ("float32", "bfloat16") for threads in (1, 2)}
    assert {(each.dtype, each.threads) for each in found.products} == wanted
    assert all(each.gflops > 0 and each.size == 64 for each in found.products)
    assert found.copy_gb_s is not None
    assert found.copy_gb_s > 0
    assert found.measured_at.endswith("+00:00")


def test_a_slow_machine_gets_smaller_matrices(monkeypatch):
    monkeypatch.setattr(speed, "_TOO_SLOW", 0.0)
    assert speed.rate("float32", 1, 512).size == 128


def test_the_load_is_measured_with_the_same_numbers_of_threads():
    found = speed.load(TWO, seconds=0.01)
    assert [each.threads for each in found.small] == [1, 2]
    assert all(each.microseconds > 0 for each in found.small)
    assert found.gain(1) == 1.0
    assert (found.busy_cores is None) == (system.ticks() is None)


def test_a_process_that_is_kept_waiting_is_measured_all_the_same(monkeypatch):
    """A second passes between any two looks at the clock."""
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert [each.microseconds for each in speed.small_products([1])] == [1e6]


def test_measuring_leaves_no_trace():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    speed.measure(TWO, size=32)
    speed.load(TWO, seconds=0.0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_number_of_threads_is_put_back_after_an_error():
    threads = torch.get_num_threads()
    with pytest.raises(KeyError):
        speed.rate("float16", threads + 1, 32)
    assert torch.get_num_threads() == threads


def test_a_gpu_is_described_and_none_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert speed.gpu() is None
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = speed.gpu()
    assert found is not None
    assert (found.kind, found.memory_bytes) == ("mps", None)
