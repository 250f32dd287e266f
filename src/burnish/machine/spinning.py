"""How long OpenMP's threads wait for each other awake before they sleep: decided before torch is first imported.

To sleep and be woken takes tens of microseconds, as long as a small product: where the cores are free, threads that
stay awake between products take a seventh less time to sample and to train. Where another process wants the core, one
that stays awake takes it from the thread it waits for, and everything takes several times as long (docs/log.md).
libgomp reads the number when it is loaded; other builds of OpenMP pass it over.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

NAME = "GOMP_SPINCOUNT"
SHORT, LONG = 2_000, 10_000
LOOKS, PAUSE = 4, 0.004
"""How often, and how many seconds apart, is looked who else runs: what runs for a moment does not count."""
LOADAVG = Path("/proc/loadavg")

_chosen = False


def choose() -> None:
    """Set the number for this process and its children, unless the user has said how threads wait."""
    global _chosen
    if NAME in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ[NAME] = str(SHORT if is_busy() else LONG)
    _chosen = True


def is_ours() -> bool:
    """Return whether the number was chosen here, not by the user: other programs are measured without it."""
    return _chosen


def is_busy() -> bool:
    """Return whether other processes run on cores that this one would use; False where the system does not tell."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    free = (os.cpu_count() or usable) - usable
    for look in range(LOOKS):
        if look:
            time.sleep(PAUSE)
        if others_running() <= free:
            return False
    return True


def others_running() -> int:
    """Return how many threads of the system run or wait for a core at this moment, beside the one that asks."""
    try:
        running = LOADAVG.read_text("ascii").split()[3].partition("/")[0]  # 0.31 0.28 0.26 2/345 6789
        return int(running) - 1
    except (OSError, ValueError, IndexError):
        return 0
