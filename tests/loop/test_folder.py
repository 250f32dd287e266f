"""The run folder: a stage is done once, its time adds up, and a request to stop is heard where all is saved."""

from __future__ import annotations

import json
import os
import signal

import pytest

from burnish.errors import InputError, StoppedOnRequest
from burnish.loop.folder import RunFolder


def status_in(folder) -> dict:
    return json.loads((folder / "status.json").read_text("utf-8"))


def test_a_stage_is_done_once(tmp_path):
    done: list[str] = []
    for _ in range(2):
        RunFolder(tmp_path).stage("reward-0", lambda: done.append("x"))
    assert done == ["x"]
    assert status_in(tmp_path)["done"] == ["reward-0"]


def test_a_stage_that_failed_is_not_done_and_keeps_its_time(tmp_path):
    def fail() -> None:
        raise RuntimeError("a defect")

    folder = RunFolder(tmp_path)
    with pytest.raises(RuntimeError):
        folder.stage("reward-0", fail)
    status = status_in(tmp_path)
    assert status["done"] == []
    assert status["seconds"]["reward-0"] >= 0
    assert status["state"] == "reward-0"
    assert status["peak_memory_gib"] > 0


def test_time_adds_up_over_interruptions(tmp_path, monkeypatch):
    clock = iter([10.0, 12.0, 13.0, 15.0, 100.0, 101.0, 101.0, 101.0])
    monkeypatch.setattr("burnish.loop.folder.time.monotonic", lambda: next(clock))
    with pytest.raises(StoppedOnRequest):
        RunFolder(tmp_path).stage("train-0", lambda: (_ for _ in ()).throw(StoppedOnRequest("x")))
    first = status_in(tmp_path)["seconds"]["train-0"]
    RunFolder(tmp_path).stage("train-0", lambda: None)
    assert status_in(tmp_path)["seconds"]["train-0"] > first > 0


def test_a_file_named_stop_is_heard_once(tmp_path):
    folder = RunFolder(tmp_path)
    folder.check_stop()
    (tmp_path / "stop").touch()
    with pytest.raises(StoppedOnRequest, match="--resume"):
        folder.check_stop()
    assert status_in(tmp_path)["state"] == "stopped"
    assert not (tmp_path / "stop").exists()
    RunFolder(tmp_path).check_stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_next_saved_place(number, tmp_path):
    folder = RunFolder(tmp_path)
    before = signal.getsignal(number)
    with folder.listening():
        os.kill(os.getpid(), number)
        assert folder.wants_stop()
        with pytest.raises(StoppedOnRequest):
            folder.check_stop()
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_leaves_at_once(tmp_path):
    def press_twice() -> None:
        with RunFolder(tmp_path).listening():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedOnRequest, match="left at once; what was saved last"):
        press_twice()


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_a_damaged_status_is_told(content, tmp_path):
    (tmp_path / "status.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"status\.json: not what a run wrote there"):
        RunFolder(tmp_path)
