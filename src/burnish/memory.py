"""Memory between training and the operating system: kept while a step runs, given back between stages."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Return freed memory to the operating system, where the C library can (glibc; elsewhere nothing happens).

    glibc keeps what is freed, in pieces of the sizes that were asked for. Windows of texts of ever other lengths leave
    pieces that fit nothing, and a run's stages pile up on each other: gigabytes that hold nothing.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""glibc's names for mallopt's settings (malloc.h)."""
LARGEST = 32 * 2**20
"""Bytes: the most that glibc takes for MMAP_THRESHOLD; greater pieces go straight back when they are freed."""


def keep() -> None:
    """Keep freed memory for the next tensor, where the C library can (glibc; elsewhere nothing happens).

    A step makes and frees thousands of tensors of a few MB. Left alone, glibc hands them back to the system and asks
    for them again, and every page is cleared anew: a tenth of a GRPO step on two cores. `give_back` still returns what
    a stage leaves behind.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for name, value in ((MMAP_THRESHOLD, LARGEST), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 256 * 2**20)):
            set_option(name, value)
