"""Memory that is free goes back to the operating system."""

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
