"""Runs: read while they are written, watched live, stopped by their owner and nobody else."""

from __future__ import annotations

import html
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.studio import answered

from burnish.studio import run_folders
from burnish.studio.settings import StudioSettings

ClientAs = Callable[..., TestClient]


@pytest.fixture
def runs(settings: StudioSettings) -> Path:
    root = Path(settings.runs)
    root.mkdir()
    return root


def live(folder: Path) -> Path:
    """Make a run folder look as if this very process worked on it."""
    lock = {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": "", "started": ""}
    (folder / "lock.json").write_text(json.dumps(lock), "utf-8")
    return folder


def test_a_run_is_read_although_its_last_line_is_cut_off(runs: Path) -> None:
    answered.run_folder(runs, steps=12)
    (run,) = run_folders.runs(runs)
    assert run.series("reward", 0)[0] == list(range(1, 13))
    assert [look.step for look in run.looks(3)] == [0, 6]
    assert [len(look.answers) for look in run.looks(3)] == [3, 3]
    assert run.report == {}


def test_only_folders_of_runs_are_found(runs: Path, tmp_path: Path) -> None:
    answered.run_folder(runs, "good")
    (runs / "not a run").mkdir()
    (runs / "file").touch()
    outside = answered.run_folder(tmp_path / "elsewhere", "outside")
    (runs / "link").symlink_to(outside)
    assert [run.name for run in run_folders.runs(runs)] == ["good"]
    for name in ("..", ".", "../elsewhere/outside", "link", "", "a/b", "x" * 200, "good\0"):
        assert run_folders.load(runs, name) is None
    assert run_folders.runs(tmp_path / "nothing") == []


def test_a_finished_run_shows_verdict_curves_and_samples(client_as: ClientAs, runs: Path) -> None:
    answered.run_folder(runs, **answered.REPORT)
    client = client_as("rev", role="reviewer")
    assert "reviews-0" in client.get("/results/runs").text
    raw = client.get("/results/runs/reviews-0").text
    page = html.unescape(raw)
    for told in ("finished", "rose by 0.31", "KL to the untouched model", "square root of KL", "step 6 says"):
        assert told in page
    assert "Reward over 12 steps, from 0.100 to 1.20" in page
    assert "<script>alert" not in raw
    assert "style=" not in raw
    assert "hx-trigger" not in raw
    assert "Stop and save" not in page


def test_a_living_run_asks_for_its_own_figures(client_as: ClientAs, runs: Path) -> None:
    live(answered.run_folder(runs, state="train-0"))
    client = client_as("rev", role="reviewer")
    page = client.get("/results/runs/reviews-0").text
    assert "running: training" in page
    assert 'hx-trigger="every 3s"' in page
    part = client.get("/results/runs/reviews-0", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="live"')


def test_the_budget_of_a_living_run_is_that_of_its_settings(client_as: ClientAs, runs: Path) -> None:
    folder = live(answered.run_folder(runs, state="train-0"))
    client = client_as("rev", role="reviewer")
    assert ">budget</text>" not in client.get("/results/runs/reviews-0").text
    (folder / "config.toml").write_text("[rl]\nkl_budget_nats = 12.0\n", "utf-8")
    assert ">budget</text>" in client.get("/results/runs/reviews-0").text


def test_a_run_whose_process_is_gone_is_not_called_running(client_as: ClientAs, runs: Path) -> None:
    folder = live(answered.run_folder(runs, state="train-0"))
    dead = {"pid": 2**22 + 1, "host": socket.gethostname()}  # above Linux's largest process id
    (folder / "lock.json").write_text(json.dumps(dead), "utf-8")
    assert "broken off" in client_as("rev", role="reviewer").get("/results/runs/reviews-0").text


def test_the_owner_stops_a_living_run_and_nobody_else(client_as: ClientAs, runs: Path) -> None:
    folder = live(answered.run_folder(runs, state="train-0"))
    assert client_as("rev", role="reviewer").post("/results/runs/reviews-0/stop").status_code == 403
    assert not (folder / "stop").exists()
    owner = client_as("olga", role="owner")
    assert "Stop and save" in owner.get("/results/runs/reviews-0").text
    assert owner.post("/results/runs/reviews-0/stop").status_code == 303
    assert (folder / "stop").exists()
    page = owner.get("/results/runs/reviews-0").text
    assert "It was asked to stop" in page
    assert "Stop and save" not in page


def test_a_finished_run_is_left_alone(client_as: ClientAs, runs: Path) -> None:
    folder = answered.run_folder(runs, **answered.REPORT)
    client_as("olga", role="owner").post("/results/runs/reviews-0/stop")
    assert not (folder / "stop").exists()


def test_the_report_is_shown_as_a_strangers_page(client_as: ClientAs, runs: Path) -> None:
    answered.run_folder(runs, **answered.REPORT)
    answered.run_folder(runs, "without")
    client = client_as("rev", role="reviewer")
    found = client.get("/results/runs/reviews-0/report")
    assert found.status_code == 200
    assert "sandbox" in found.headers["content-security-policy"]
    assert "script-src" not in found.headers["content-security-policy"]
    assert client.get("/results/runs/without/report").status_code == 404
    assert client.get("/results/runs/nothing").status_code == 404
    assert client.get("/results/runs/..%2f..%2fetc").status_code == 404
