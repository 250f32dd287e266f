"""What the operating system says, read from files laid out as Linux has them."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from burnish.machine import system
from burnish.machine.system import Ticks

GIB = 2**30


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


# ------------------------------------------------------------------------------------------------------- processor

TWO_CORES_FOUR_THREADS = "\n".join(
    f"processor\t: {number}\nmodel name\t: Some CPU @ 2 GHz\nphysical id\t: 0\ncore id\t\t: {number // 2}\n"
    "flags\t\t: fpu sse avx2 avx512f avx512_bf16 amx_tile sse4_2\n"
    for number in range(4)
)


def test_the_processor_is_read(tmp_path):
    root = lay(tmp_path, {"proc/cpuinfo": TWO_CORES_FOUR_THREADS})
    assert system.processor(root) == "Some CPU @ 2 GHz"
    assert system.flags(root) == ("avx2", "avx512f", "avx512_bf16", "amx_tile")


@pytest.mark.parametrize(
    ("cores", "physical"), [((0, 1, 2, 3), 2), ((0, 1), 1), ((0, 2), 2), ((3,), 1), ((0, 9), None)]
)
def test_threads_of_one_core_count_once(cores, physical, tmp_path):
    assert system.physical(lay(tmp_path, {"proc/cpuinfo": TWO_CORES_FOUR_THREADS}), cores) == physical


def test_an_arm_processor_tells_its_features_and_not_its_cores(tmp_path):
    root = lay(tmp_path, {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd bf16 sve\n"})
    assert system.flags(root) == ("asimd", "bf16", "sve")
    assert system.physical(root, (0,)) is None


def test_a_system_without_such_files_knows_nothing_and_does_not_fail(tmp_path):
    assert system.flags(tmp_path) == ()
    assert system.physical(tmp_path, (0,)) is None
    assert system.quota_cores(tmp_path) is None
    assert system.memory_bytes(tmp_path) is None
    assert system.free_bytes(tmp_path) is None
    assert system.ticks(tmp_path) is None
    assert system.read(tmp_path).usable_cores >= 1


def test_without_affinity_all_cores_are_usable(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.usable() == frozenset(range(6))
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.usable() == frozenset({0})


def test_affinity_limits_what_is_usable(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3}, raising=False)
    assert system.read().usable_cores == 2


def test_this_machine_is_read():
    found = system.read()
    assert 1 <= found.most_threads <= found.usable_cores <= max(found.logical_cores, found.usable_cores)
    assert found.torch  # the tests need it


# --------------------------------------------------------------------------------------------------- control groups

QUOTAS = {
    "version 2": ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, 1.5),
    "version 2, the group above is narrower": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
        },
        2.0,
    ),
    "version 2, no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "in a container the host's path is not there": (
        {"proc/self/cgroup": "0::/kubepods/pod1\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        0.5,
    ),
    "a path above the container's root": (
        {"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "300000 100000\n", "sys/x/cpu.max": "1 1\n"},
        3.0,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/m\n2:cpu,cpuacct:/docker/1\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n",
        },
        2.5,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        None,
    ),
    "nonsense": ({"proc/self/cgroup": "::\nx\n0:\n", "sys/fs/cgroup/cpu.max": "a b c\n"}, None),
    "a period of nothing": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5 0\n"}, None),
    "empty": ({"proc/self/cgroup": "", "sys/fs/cgroup/cpu.max": ""}, None),
}


@pytest.mark.parametrize(("files", "cores"), QUOTAS.values(), ids=QUOTAS)
def test_the_quota_of_the_control_group(files, cores, tmp_path):
    assert system.quota_cores(lay(tmp_path, files)) == cores


MEMINFO = f"MemTotal:       {16 * 2**20} kB\nMemFree:        1 kB\nMemAvailable:   {10 * 2**20} kB\n"


def test_memory_without_a_limit_is_the_machines(tmp_path):
    root = lay(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{9 * GIB}\n",
        },
    )
    assert (system.memory_bytes(root), system.free_bytes(root)) == (16 * GIB, 10 * GIB)


@pytest.mark.parametrize(
    ("limit", "usage", "stat", "cgroup", "below"),
    [
        ("memory.max", "memory.current", "inactive_file", "0::/job\n", ""),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "4:memory:/job\n", "memory/"),
    ],
)
def test_a_limit_counts_and_cached_files_are_free(limit, usage, stat, cgroup, below, tmp_path):
    folder = f"sys/fs/cgroup/{below}job/"
    root = lay(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": cgroup,
            folder + limit: f"{4 * GIB}\n",
            folder + usage: f"{3 * GIB}\n",
            folder + "memory.stat": f"anon 5\n{stat} {GIB}\n",
        },
    )
    assert (system.memory_bytes(root), system.free_bytes(root)) == (4 * GIB, 2 * GIB)


def test_a_limit_that_is_overdrawn_leaves_nothing(tmp_path):
    files = {"memory.max": "100", "memory.current": "300"}
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    root = lay(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", **files})
    assert system.free_bytes(root) == 0


def test_what_the_process_alone_is_granted_counts(tmp_path, monkeypatch):
    """`ulimit -v`: a machine's gigabytes are nothing to a process that may not have them."""
    page = resource.getpagesize()
    root = lay(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/statm": f"{GIB // page} 500 200 1 0 300 0\n"})
    for limit, free in ((3 * GIB, 2 * GIB), (GIB // 2, 0), (resource.RLIM_INFINITY, 10 * GIB)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limit=limit: (limit, limit))
        assert system.free_bytes(root) == free


# ------------------------------------------------------------------------------------------------- other processes

TICKS = os.sysconf("SC_CLK_TCK")


def stat_of(pid: int, name: str, seconds: float) -> str:
    return f"{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {round(seconds * TICKS)} 0 0 0 20 0 1 0"


def test_time_is_counted_on_our_cores_only(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "usable", lambda: frozenset({1}))
    row = " ".join(str(each * TICKS) for each in (1, 2, 4, 100, 100, 8, 16, 32, 0, 0))
    root = lay(tmp_path, {"proc/stat": f"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 7 7 7 7 7 7 7 7 7 7\ncpu1 {row}\nintr 5\n"})
    lay(root, {"proc/12/stat": stat_of(12, "a (b) c", 3.0), "proc/13/stat": "broken"})
    found = system.ticks(root)
    assert found is not None
    assert found.taken == 1 + 2 + 4 + 8 + 16 + 32  # neither idle nor waiting for a disk
    assert found.processes == {12: 3.0}


def test_what_others_took_is_all_but_our_own(tmp_path):
    root = lay(tmp_path, {"proc/7/comm": "python\n"})
    before = Ticks(moment=10.0, taken=100.0, own=5.0, processes={7: 40.0, 8: 1.0, os.getpid(): 5.0})
    after = Ticks(moment=12.0, taken=103.5, own=6.5, processes={7: 41.9, 8: 1.1, os.getpid(): 6.5})
    assert system.others(before, after, root) == (pytest.approx(1.0), "python (pid 7)")


def test_nobody_is_named_who_took_little(tmp_path):
    before = Ticks(10.0, 100.0, 5.0, {7: 40.0})
    after = Ticks(12.0, 100.1, 5.2, {7: 40.1, 9: 900.0})  # 9 is new: what it took before is not known
    assert system.others(before, after, tmp_path) == (0.0, "")


def test_without_two_moments_nothing_is_known():
    moment = Ticks(10.0, 100.0, 5.0, {})
    assert system.others(None, moment) == (None, "")
    assert system.others(moment, None) == (None, "")
    assert system.others(moment, moment) == (None, "")
