"""What the operating system says of the machine and of this process's share of it.

Everything is read from files below `root`, so that tests can hand in a machine of their own. Where there are no such
files (macOS, Windows) the answer is None.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from burnish.machine.description import System

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "bf16", "sve")
"""Names as in /proc/cpuinfo; the last three are ARM's."""
ROOT = Path("/")
_UNLIMITED = 1 << 60  # version 1 writes "no limit" as the largest number of pages


def read(root: Path = ROOT) -> System:
    """Return what the machine is."""
    cores = usable()
    return System(
        name=f"{platform.system()} {platform.machine()}",
        processor=processor(root),
        flags=flags(root),
        logical_cores=os.cpu_count() or 1,
        physical_cores=physical(root, cores),
        usable_cores=len(cores),
        quota_cores=quota_cores(root),
        memory_bytes=memory_bytes(root),
        torch=_version("torch"),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


# -------------------------------------------------------------------------------------------------------- processor


def usable() -> frozenset[int]:
    """Return the numbers of the logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))  # macOS and Windows have no such limit


def processor(root: Path = ROOT) -> str:
    """Return the processor's own name; empty when the system does not tell."""
    names = [each.get("model name") or each.get("Processor", "") for each in _cpuinfo(root)]
    return next(filter(None, names), "") or platform.processor()


def flags(root: Path = ROOT) -> tuple[str, ...]:
    """Return those of `FLAGS` that the processor has."""
    first = next(iter(_cpuinfo(root)), {})
    has = set((first.get("flags") or first.get("Features") or "").split())
    return tuple(flag for flag in FLAGS if flag in has)


def physical(root: Path, cores: Iterable[int]) -> int | None:
    """Return how many physical cores these logical ones are; None when the system does not tell."""
    places = {each.get("processor"): (each.get("physical id"), each.get("core id")) for each in _cpuinfo(root)}
    found = [places.get(str(core), (None, None)) for core in cores]
    return None if any(core is None for _, core in found) else len(set(found))


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """Return the lines of /proc/cpuinfo, one mapping for each logical core."""
    parts = (_text(root / "proc/cpuinfo") or "").split("\n\n")
    pairs = [[line.partition(":") for line in part.splitlines() if ":" in line] for part in parts]
    return [{name.strip(): value.strip() for name, _, value in part} for part in pairs if part]


# --------------------------------------------------------------------------------------------- control groups, memory


def quota_cores(root: Path = ROOT) -> float | None:
    """Return the cores' worth of time that the narrowest control group grants; None: no limit known."""
    granted = []
    for folder in _groups(root, "cpu"):
        words = (_text(folder / "cpu.max") or "").split()
        if not words:
            words = [_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
        quota, period = [*map(_whole, words), None, None][:2]
        if quota and period and quota > 0:
            granted.append(quota / period)
    return min(granted, default=None)


def memory_bytes(root: Path = ROOT) -> int | None:
    """Return the memory of the machine, or what the narrowest control group grants of it."""
    known = [_meminfo(root, "MemTotal"), *(limit for limit, _ in _limits(root))]
    if known[0] is None and root == ROOT:
        known.append(_pages())
    return min((each for each in known if each is not None), default=None)


def free_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that can be taken without swapping: of the machine, of every control group above us, and of
    what this process alone is granted."""
    known = [_meminfo(root, "MemAvailable"), _addresses_left(root)]
    for limit, folder in _limits(root):
        used = _whole(_text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes"))
        if used is not None:
            known.append(max(0, limit - used + _file_cache(folder)))
    return min((each for each in known if each is not None), default=None)


def _addresses_left(root: Path) -> int | None:
    """Return what `ulimit -v` leaves this process; None: it has no such limit, or the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _whole((_text(root / "proc/self/statm") or "").partition(" ")[0])
    if limit == resource.RLIM_INFINITY or pages is None:
        return None
    return max(0, limit - pages * resource.getpagesize())


def _limits(root: Path) -> Iterator[tuple[int, Path]]:
    """Yield (limit in bytes, folder) of every control group that grants less than everything."""
    for folder in _groups(root, "memory"):
        limit = _whole(_text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes"))
        if limit is not None and limit < _UNLIMITED:
            yield limit, folder


def _file_cache(folder: Path) -> int:
    """Return the bytes of files that the kernel would drop before it refuses memory."""
    found = re.search(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat") or "", re.MULTILINE)
    return int(found[1]) if found else 0


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of this process's control group and of all above it, in version 2 and in version 1.

    In a container the path in /proc/self/cgroup may be the host's, which is not there: then the root counts.
    """
    base = root / "sys/fs/cgroup"
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if number == "0":
            mounts = [base, base / "unified"]
        elif controller in names.split(","):
            mounts = [base / names, base / controller]
        else:
            continue
        inside = Path(path.lstrip("/"))
        if ".." in inside.parts:
            inside = Path()
        for mount in mounts:
            yield from (mount / each for each in (inside, *inside.parents) if (mount / each).is_dir())


def _meminfo(root: Path, name: str) -> int | None:
    found = re.search(rf"^{name}: *(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _pages() -> int | None:
    """Return the memory as POSIX tells it (macOS); None on Windows."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# -------------------------------------------------------------------------------------------------- other processes


@dataclass(frozen=True)
class Ticks:
    """Time taken so far, in seconds, at one moment; the difference of two moments is a load."""

    moment: float
    taken: float
    """By all processes, on the cores that this one may use."""
    own: float
    """By this process."""
    processes: dict[int, float]
    """By each process that can be seen."""


def ticks(root: Path = ROOT) -> Ticks | None:
    """Return what has been taken so far; None where the system does not tell."""
    wanted = {f"cpu{core}" for core in usable()}
    lines = [line.split() for line in (_text(root / "proc/stat") or "").splitlines()]
    rows = [[_whole(word) or 0 for word in line[1:]] for line in lines if line and line[0] in wanted]
    if not rows or any(len(row) < 8 for row in rows):
        return None
    hertz = os.sysconf("SC_CLK_TCK")
    # user, nice, system, (idle, iowait), irq, softirq, steal
    taken = sum(sum(row[:3]) + sum(row[5:8]) for row in rows) / hertz
    return Ticks(time.monotonic(), taken, time.process_time(), dict(_processes(root, hertz)))


def others(before: Ticks | None, after: Ticks | None, root: Path = ROOT) -> tuple[float | None, str]:
    """Return the cores' worth of time that other processes took between two moments, and the one that took most."""
    if before is None or after is None or after.moment <= before.moment:
        return None, ""
    seconds = after.moment - before.moment
    cores = max(0.0, (after.taken - before.taken - (after.own - before.own)) / seconds)
    grown = {pid: now - before.processes.get(pid, now) for pid, now in after.processes.items() if pid != os.getpid()}
    pid = max(grown, key=lambda each: grown[each], default=0)
    if not pid or grown[pid] < 0.2 * seconds:
        return cores, ""
    return cores, f"{(_text(root / f'proc/{pid}/comm') or 'a process').strip()} (pid {pid})"


def _processes(root: Path, hertz: int) -> Iterator[tuple[int, float]]:
    """Yield (pid, seconds taken) of every process that can be seen."""
    for path in (root / "proc").glob("[0-9]*/stat"):
        words = (_text(path) or "").rpartition(")")[2].split()  # a command's name may hold anything, blanks too
        if len(words) > 12:
            yield int(path.parent.name), (int(words[11]) + int(words[12])) / hertz


# ------------------------------------------------------------------------------------------------------------- files


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d+\s*", text) else None
