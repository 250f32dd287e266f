"""Freed memory is given back: a process that has freed much holds little."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

CODE = """
from burnish import memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4 / 1024

before = resident()
pieces = [bytearray(60_000) for _ in range(3_000)]
kept = pieces[::20]  # what is kept in between holds the rest
del pieces
freed = resident()
memory.give_back()
print(before, freed, resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_freed_memory_goes_back():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, freed, after = map(float, done.stdout.split())
    assert freed > before + 100  # MiB: the C library had kept it
    assert after < before + 50
