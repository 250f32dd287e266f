"""The machine as it is now: its speed measured once and remembered, its load measured anew.

One file for each kind of machine, `machine-KEY.json` in burnish's cache, so that machines may share the cache. A file
that is old, damaged or of another machine is measured over. What is measured beside other work is used and not kept;
where nothing can be written, every run measures.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

from burnish import files
from burnish.errors import InputError
from burnish.machine import system
from burnish.machine.description import Load, Machine, Speed, System

DAYS = 14
"""A measurement older than this is made again: a virtual machine may have moved to another host."""


def current(cache: Path, *, now: dt.datetime | None = None) -> Machine:
    """Return the machine as it is; half a second when its speed is known, else some seconds."""
    found = system.read()
    if not found.torch:
        return Machine(found, load=Load(free_bytes=system.free_bytes()))
    from burnish.machine import speed  # torch: only where it is installed, and only when a measurement is wanted

    load = speed.load(found)
    known = remembered(cache, found, now=now)
    if known is None:
        made = Machine(found, speed.measure(found), load)
        if load.is_quiet:
            remember(cache, made)
        return made
    return Machine(found, known, load)


def measured(cache: Path) -> Machine:
    """Return the machine measured again, with larger matrices and a longer look at its load; remembered when quiet."""
    found = system.read()
    if not found.torch:
        return Machine(found, load=Load(free_bytes=system.free_bytes()))
    from burnish.machine import speed

    made = Machine(found, speed.measure(found, size=speed.LARGE), speed.load(found, seconds=1.0))
    if made.load.is_quiet:
        remember(cache, made)
    return made


def remembered(cache: Path, machine: System, *, now: dt.datetime | None = None) -> Speed | None:
    """Return the speed that was measured on such a machine; None when there is none, or it is too old or damaged."""
    try:
        found = Machine.from_json(_path(cache, machine).read_text(encoding="utf-8"))
        age = (now or dt.datetime.now(dt.UTC)) - dt.datetime.fromisoformat(found.speed.measured_at)
    except (OSError, ValueError, TypeError, InputError):  # a time without its zone cannot be subtracted
        return None
    fresh = dt.timedelta(0) <= age < dt.timedelta(days=DAYS)
    return found.speed if fresh and found.system.key == machine.key else None


def remember(cache: Path, machine: Machine) -> None:
    """Write a machine down; where nothing can be written it is measured again another time."""
    with contextlib.suppress(OSError, InputError):
        files.write_atomic(_path(cache, machine.system), machine.to_json())


def _path(cache: Path, machine: System) -> Path:
    return cache / f"machine-{machine.key}.json"
