"""Measures: matrix products by dtype and threads, copying, small products. The only file of this room with torch.

Nothing here touches torch's own random numbers, and the number of threads is put back: a run that measures first is the
run that did not.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from burnish.machine import system
from burnish.machine.description import Gpu, Load, Rate, Small, Speed, System

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SIZE, LARGE = 1024, 2048
"""Rows of the square matrices: for a run that starts, and for `burnish doctor`."""
_SECONDS = 0.1  # for each dtype and number of threads
_LEAST, _MOST = 3, 25  # products of which the median is taken
_TOO_SLOW = 0.5  # seconds for one product: then matrices of half the rows say as much
_COPY_BYTES = 1 << 27  # more than any cache holds
_SMALL = (16, 576, 1536)  # 16 rows through a feed-forward layer of SmolLM2-135M
_SMALL_SECONDS = 0.06
_SMALL_ROUNDS = 2


def measure(machine: System, *, size: int = SIZE) -> Speed:
    """Return how fast this machine computes: a second on 2 cores, 3 on 64; with `LARGE` matrices a few more."""
    counts = thread_counts(machine)
    products = [rate(dtype, threads, size) for threads in counts for dtype in DTYPES]
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Speed(tuple(products), copy_rate(counts[-1]), gpu(), now)


def thread_counts(machine: System) -> list[int]:
    """Return numbers of threads worth trying, ascending: 1, 2, 4, ..., the physical cores, all that can run at once."""
    most = machine.most_threads
    doubled = {2**power for power in range(most.bit_length()) if 2**power < most}
    return sorted({*doubled, most, min(machine.physical_cores or most, most)})


def rate(dtype: str, threads: int, size: int) -> Rate:
    """Return the rate of square products: the median of several, after one that warms up."""
    with _threads(threads):
        while True:
            a, b = (_numbers(size, size, seed).to(DTYPES[dtype]) for seed in (1, 2))
            out = torch.empty_like(a)
            first = _seconds(lambda: torch.mm(a, b, out=out))  # noqa: B023  (called before a and b change)
            if first <= _TOO_SLOW or size <= 128:
                break
            size //= 2
        taken = _several(lambda: torch.mm(a, b, out=out))
    return Rate(dtype, threads, size, _short(2 * size**3 / statistics.median(taken) / 1e9))


def copy_rate(threads: int) -> float:
    """Return 10⁹ bytes read and written a second."""
    source = torch.ones(_COPY_BYTES // 4)
    target = torch.empty_like(source)
    with _threads(threads):
        target.copy_(source)
        taken = _several(lambda: target.copy_(source))
    return _short(2 * _COPY_BYTES / statistics.median(taken) / 1e9)


def gpu() -> Gpu | None:
    """Return the graphics processor that torch can use; None without one."""
    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        return Gpu("cuda", found.name, found.total_memory)
    if torch.backends.mps.is_available():
        return Gpu("mps", "Apple GPU")
    return None


def load(machine: System, *, seconds: float = 0.3) -> Load:
    """Return how busy the machine is now: first watched idly for so many seconds, then tried with small products."""
    before = system.ticks()
    time.sleep(seconds)
    busy, busiest = system.others(before, system.ticks())
    return Load(busy, busiest, small_products(thread_counts(machine)), system.free_bytes())


def small_products(counts: Sequence[int]) -> tuple[Small, ...]:
    """Return the mean time of small products with each number of threads, tried in turn so that all see the same load.

    The mean, not the median: threads wait for each other at the end of every product, so when another process holds a
    core, now and then a product takes as long as the system lets that process run, a hundred times as long as usual.
    """
    rows, width, out = _SMALL
    a, b = _numbers(rows, width, 1), _numbers(out, width, 2)
    taken = dict.fromkeys(counts, 0.0)
    done = dict.fromkeys(counts, 0)
    for _ in range(_SMALL_ROUNDS):
        for threads in counts:
            with _threads(threads):
                torch.nn.functional.linear(a, b)
                began, passed = time.perf_counter(), 0.0
                while not passed or passed < _SMALL_SECONDS:  # once at least, however long the process was kept waiting
                    torch.nn.functional.linear(a, b)
                    done[threads] += 1
                    passed = time.perf_counter() - began
                taken[threads] += passed
    return tuple(Small(threads, _short(1e6 * taken[threads] / done[threads])) for threads in counts)


def _short(number: float) -> float:
    """Return three digits of a number: more are noise."""
    return float(f"{number:.3g}")


def _numbers(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _several(work: Callable[[], object]) -> list[float]:
    """Return how long it took each time, as often as there is time for."""
    taken: list[float] = []
    while len(taken) < _LEAST or (sum(taken) < _SECONDS and len(taken) < _MOST):
        taken.append(_seconds(work))
    return taken


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
