"""Threads wait awake where the cores are free, and give way where somebody else wants one."""

import os
import subprocess
import sys

import pytest

from burnish.bench import plan, run
from burnish.machine import spinning


@pytest.fixture
def free_to_choose(monkeypatch):
    """Nobody has said anything, and what is chosen is forgotten afterwards."""
    monkeypatch.setattr(os, "environ", {key: value for key, value in os.environ.items() if key not in CHOSEN})
    monkeypatch.setattr(spinning, "_chosen", False)
    monkeypatch.setattr(spinning, "PAUSE", 0)


CHOSEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.mark.parametrize(("busy", "count"), [(True, "2000"), (False, "10000")])
def test_the_number_follows_from_who_else_runs(free_to_choose, monkeypatch, busy, count):
    monkeypatch.setattr(spinning, "is_busy", lambda: busy)
    spinning.choose()
    assert os.environ["GOMP_SPINCOUNT"] == count
    assert spinning.is_ours()


@pytest.mark.parametrize("name", CHOSEN)
def test_what_the_user_said_stays(free_to_choose, monkeypatch, name):
    os.environ[name] = "7"
    spinning.choose()
    assert {key: os.environ.get(key) for key in CHOSEN} == {**dict.fromkeys(CHOSEN), name: "7"}
    assert not spinning.is_ours()


@pytest.mark.parametrize(
    ("told", "usable", "cores", "busy"),
    [
        (["2/300"] * 4, 2, 2, True),
        (["1/300"] * 4, 2, 2, False),
        (["3/300", "2/300", "1/300", "2/300"], 2, 2, False),  # it ran for a moment
        (["9/300"] * 4, 2, 64, False),  # on cores that are not ours to use
        (["64/300"] * 4, 2, 64, True),
        (["nonsense"] * 4, 2, 2, False),
    ],
)
def test_busy_is_who_keeps_a_core_that_we_would_use(monkeypatch, tmp_path, told, usable, cores, busy):
    looks = iter(told)

    class File:
        def read_text(self, encoding):
            return f"0.31 0.28 0.26 {next(looks)} 6789\n"

    monkeypatch.setattr(spinning, "LOADAVG", File())
    monkeypatch.setattr(spinning, "PAUSE", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(usable)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert spinning.is_busy() is busy


def test_where_the_system_does_not_tell_nobody_else_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(spinning, "LOADAVG", tmp_path / "nothing")
    assert spinning.others_running() == 0


def test_a_process_that_keeps_a_core_is_seen():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            seen = [spinning.others_running() for _ in range(200)]
        finally:
            other.kill()
    if not spinning.LOADAVG.exists():
        pytest.skip("this system has no /proc/loadavg")
    assert max(seen) >= 1


def test_a_peer_is_measured_without_the_number_chosen_for_us(free_to_choose, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    options = run.Options(peer="trl", peers=tmp_path)

    def told():
        sides = dict(run._jobs(plan.bench("dpo"), tmp_path, options))
        return [sides[side][2].get("GOMP_SPINCOUNT") for side in ("burnish", "trl bfloat16")]

    spinning.choose()
    assert told() == [os.environ["GOMP_SPINCOUNT"], None]
    os.environ["GOMP_SPINCOUNT"] = "7"
    monkeypatch.setattr(spinning, "_chosen", False)
    assert told() == ["7", "7"]
