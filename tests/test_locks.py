from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from burnish import files, locks
from burnish.errors import BusyError, InputError


def in_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


HOLDER = """
    import sys, time
    from burnish import files
    with files.run_lock(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""
SECOND = """
    import sys
    from burnish import files
    from burnish.errors import BusyError
    try:
        with files.run_lock(sys.argv[1]):
            print("held", flush=True)
    except BusyError as error:
        print(error, flush=True)
"""


def test_the_second_process_leaves_at_once_and_names_the_first(tmp_path: Path) -> None:
    holder = in_python(HOLDER, tmp_path)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = (tmp_path / "lock.json").read_bytes()
        assert set(json.loads(before)) == {"pid", "host", "boot_id", "started"}
        said, _ = in_python(SECOND, tmp_path).communicate(timeout=30)
        assert f"process {holder.pid} on host {socket.gethostname()}" in said
        assert (tmp_path / "lock.json").read_bytes() == before  # the loser changed nothing
        with pytest.raises(BusyError, match=f"process {holder.pid} on host"), files.run_lock(tmp_path):
            pytest.fail("the block must not be entered")
    finally:
        holder.kill()
        holder.communicate()
    assert (tmp_path / "lock.json").exists()  # stale
    said, _ = in_python(SECOND, tmp_path).communicate(timeout=30)
    assert said == "held\n"
    assert not (tmp_path / "lock.json").exists()


def test_the_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), files.run_lock(tmp_path):
        raise ValueError("mine")
    with files.run_lock(tmp_path) as path, pytest.raises(BusyError, match=f"process {os.getpid()} "):  # noqa: SIM117 -- the inner refuses
        with files.run_lock(tmp_path):
            pytest.fail("the block must not be entered")
    assert not path.exists()


def test_taking_the_lock_sweeps_what_a_dead_run_left(tmp_path: Path) -> None:
    dead = tmp_path / ".status.json.0123456789ab.burnish-tmp"
    dead.write_text("half")
    with files.run_lock(tmp_path):
        assert not dead.exists()


def test_waiting_lets_one_in_after_the_other(tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from burnish import files
        for _ in range(20):
            with files.run_lock(sys.argv[1], name=".x.lock", wait=True):
                path = Path(sys.argv[1], "count")
                count = int(path.read_text())
                time.sleep(0.001)
                path.write_text(str(count + 1))
    """
    (tmp_path / "count").write_text("0")
    processes = [in_python(code, tmp_path) for _ in range(3)]
    for process in processes:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
    assert (tmp_path / "count").read_text() == "60"


def test_a_forked_worker_does_not_keep_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from burnish import files
        with files.run_lock(sys.argv[1]):
            if os.fork() == 0:
                print(os.getpid(), flush=True)
            time.sleep(60)
    """
    parent = in_python(code, tmp_path)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(BusyError), files.run_lock(tmp_path):
            pytest.fail("the block must not be entered")
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # lives on
        with files.run_lock(tmp_path):
            pass
    finally:
        parent.kill()
        os.kill(child, signal.SIGKILL)
        parent.communicate()


def test_a_file_system_without_locks_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "try_lock", lambda descriptor, wait=False: None)
    with pytest.raises(InputError, match=r"no file locks.*local disk"), files.run_lock(tmp_path):
        pytest.fail("the block must not be entered")
    with files.publish(tmp_path / "checkpoint") as folder:  # publication needs no lock, only sweeping does
        (folder / "weights").write_text("x")
    files.verify(tmp_path / "checkpoint")
