"""The training log: lines of steps that are done again go, half lines too, and TensorBoard shows the rest."""

from __future__ import annotations

import json
import math

import pytest

from burnish.loop.log import TrainingLog


def line(round: int, step: int, **more: float) -> dict:
    return {"round": round, "step": step, "reward": step / 10, **more}


def steps_in(folder) -> list[tuple[int, int]]:
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [(found["round"], found["step"]) for found in map(json.loads, lines)]


def drawn_in(folder, name: str) -> list[tuple[int, float]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = accumulator.EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    return [(each.step, each.value) for each in board.Scalars(name)]


def test_a_step_is_a_line_and_a_point(tmp_path):
    with TrainingLog(tmp_path, round=0, step=0) as log:
        for step in (1, 2, 3):
            log.add(line(0, step))
    assert steps_in(tmp_path) == [(0, 1), (0, 2), (0, 3)]
    assert drawn_in(tmp_path, "round-0/reward") == [(step, pytest.approx(step / 10)) for step in (1, 2, 3)]


def test_what_is_done_again_is_dropped_first(tmp_path):
    """As after a kill between the log and the saved state, with half a line at the end."""
    with TrainingLog(tmp_path, round=0, step=0) as log:
        for step in (1, 2, 3, 4):
            log.add(line(0, step, reward=99.0) if step > 2 else line(0, step))
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"round": 0, "st')
    with TrainingLog(tmp_path, round=0, step=2) as log:
        log.add(line(0, 3))
    assert steps_in(tmp_path) == [(0, 1), (0, 2), (0, 3)]
    assert [value for _, value in drawn_in(tmp_path, "round-0/reward")] == pytest.approx([0.1, 0.2, 0.3])


def test_former_rounds_stay(tmp_path):
    with TrainingLog(tmp_path, round=0, step=0) as log:
        log.add(line(0, 7))
    with TrainingLog(tmp_path, round=1, step=0) as log:
        log.add(line(1, 1))
    with TrainingLog(tmp_path, round=1, step=0) as log:
        log.add(line(1, 1))
    assert steps_in(tmp_path) == [(0, 7), (1, 1)]
    assert [step for step, _ in drawn_in(tmp_path, "round-0/reward")] == [7]


def test_a_number_that_is_none_is_null_and_not_drawn(tmp_path):
    with TrainingLog(tmp_path, round=0, step=0) as log:
        log.add(line(0, 1, kl_nats=math.nan))
        log.add(line(0, 2, kl_nats=math.inf))
        log.add(line(0, 3, kl_nats=0.5))
    lines = [json.loads(each) for each in (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [each["kl_nats"] for each in lines] == [None, None, 0.5]
    assert drawn_in(tmp_path, "round-0/kl_nats") == [(3, 0.5)]


def test_what_was_added_is_on_the_disk_at_once(tmp_path):
    with TrainingLog(tmp_path, round=0, step=0) as log:
        log.add(line(0, 1))
        assert steps_in(tmp_path) == [(0, 1)]
