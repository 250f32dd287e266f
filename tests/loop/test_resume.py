"""K3: a run that was stopped, killed or damaged and gone on with is the run that was never interrupted, bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest

ADVANCE = "burnish.training.trainer:Trainer.advance"  # first the four windows of the reward model, then five of GRPO
KILLS = [
    ("the settings, before they are written", "burnish.files:write_atomic", 1),
    ("the first word of the status", "burnish.loop.folder:RunFolder.update", 1),
    ("the snapshot of the signals", "burnish.loop.evidence:write", 1),
    ("sampling before", "burnish.models.sampler:EngineSampler.sample", 1),
    ("a step of the reward model", ADVANCE, 3),
    ("measuring the reward model", "burnish.loop.reward_stage:_card", 1),
    ("the manifest of the reward model", "burnish.files:_seal", 2),
    ("the first look", "burnish.models.policy:Policy.save", 1),
    ("a rollout", "burnish.loop.reinforce:draw", 2),
    ("a step of the policy", ADVANCE, 2),
    ("the log", "burnish.loop.log:TrainingLog.add", 2),
    ("a saved state's weights", "burnish.loop.savepoint:save_file", 1),
    ("flushing a checkpoint to the disk", "burnish.files:_fsync", 9),
    ("renaming a checkpoint", "burnish.files:_move_into_place", 1),
    ("removing old states", "burnish.loop.savepoint:shutil.rmtree", 2),
    ("promoting", "burnish.loop.reinforce:Reinforcement.best", 1),
    ("sampling after", "burnish.models.sampler:EngineSampler.sample", 1),
    ("learning the judge", "burnish.loop.gold:_blend", 1),
    ("comparing", "burnish.loop.report_stage:compare", 1),
    ("the samples side by side", "burnish.files:os.replace", 2),
    ("the page", "burnish.evaluation.report:write_atomic", 1),
    ("the figures", "burnish.evaluation.report:write_atomic", 2),
]


def test_killed_at_every_named_moment_one_after_the_other(start, finished, resume, tmp_path):
    """One run is killed at each of these moments in turn (kill -9) and gone on with after each."""
    for moment, target, times in KILLS:
        run = start(tmp_path, "--resume", hooks=[(target, times, "SIGKILL")])
        assert run.wait() == -signal.SIGKILL, f"{moment}: not killed; it said: {run.said}"
    last = start(tmp_path, "--resume", bare=True)
    assert last.wait() == 0, last.said
    assert resume.essence(last.folder) == resume.essence(finished.folder)


def test_stopped_in_every_way_one_after_the_other(start, finished, resume, tmp_path):
    """Each stop exits 3, says how to go on, and leaves everything saved."""
    stops = [
        ("SIGTERM while the reward is learned", [(ADVANCE, 2, "SIGTERM")]),
        ("Ctrl-C at its last step", [(ADVANCE, 2, "SIGINT")]),
        ("Ctrl-C while the policy is trained", [(ADVANCE, 3, "SIGINT")]),
        ("a file named stop", [(ADVANCE, 1, "touch run/stop")]),
        ("Ctrl-C twice", [(ADVANCE, 1, "SIGINT"), ("burnish.loop.log:TrainingLog.add", 1, "SIGINT")]),
        ("SIGTERM while sampling", [("burnish.loop.measure:write", 2, "SIGTERM")]),
    ]
    for number, (stop, hooks) in enumerate(stops):
        run = start(tmp_path, *(["--resume"] if number else []), hooks=hooks)
        assert run.wait() == 3, f"{stop}: {run.said}"
        assert "Go on with the same command and --resume." in run.said, stop
        assert "Traceback" not in run.said, stop
        assert not (run.folder / "stop").exists()
        assert not list(run.folder.glob("lock.json"))
    last = start(tmp_path, "--resume", bare=True)
    assert last.wait() == 0, last.said
    assert resume.essence(last.folder) == resume.essence(finished.folder)


def test_in_bfloat16_too(start, resume, tmp_path):
    whole = start(tmp_path / "whole", dtype="bfloat16")
    assert whole.wait() == 0, whole.said
    for hooks in ([(ADVANCE, 3, "SIGINT")], [(ADVANCE, 4, "SIGKILL")]):
        cut = start(tmp_path / "cut", "--resume", hooks=hooks, dtype="bfloat16")
        assert cut.wait() in (3, -signal.SIGKILL), cut.said
    last = start(tmp_path / "cut", "--resume", bare=True)
    assert last.wait() == 0, last.said
    assert resume.essence(last.folder) == resume.essence(whole.folder)


def test_the_comparison_can_fail(start, finished, resume, tmp_path):
    """A run with one step taken differently is not taken for the same."""
    other = start(tmp_path, grpo__beta=0.07)
    assert other.wait() == 0, other.said
    mine, theirs = resume.essence(other.folder), resume.essence(finished.folder)
    assert mine["samples/before.jsonl"] == theirs["samples/before.jsonl"]
    assert mine["metrics.jsonl without seconds"] != theirs["metrics.jsonl without seconds"]


# ------------------------------------------------------------------------------------------------------------ damage


@pytest.fixture(scope="module")
def killed(start, tmp_path_factory):
    """A run that was killed in its fifth step of training: states of steps 2 and 4 are saved."""
    run = start(tmp_path_factory.mktemp("killed"), hooks=[(ADVANCE, 4 + 5, "SIGKILL")])
    assert run.wait() == -signal.SIGKILL, run.said
    assert sorted(path.name for path in states(run.folder)) == ["state-000002", "state-000004"]
    return run


def states(folder):
    return sorted((folder / "state" / "train-0").glob("state-*"))


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def damage_newest(folder):
    flip(states(folder)[-1] / "policy.safetensors")


def cut_manifest(folder):
    cut(states(folder)[-1] / "manifest.json")


def damage_both(folder):
    for state in states(folder):
        cut(state / "optimiser.safetensors")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage_newest, ["skipped state-000004", "SHA-256 differs", "going on from step 2"]),
        (cut_manifest, ["skipped state-000004", "going on from step 2"]),
        (damage_both, ["skipped state-000004", "skipped state-000002", "no saved state is whole"]),
    ],
    ids=["a bit", "a manifest", "both states"],
)
def test_a_damaged_state_is_told_and_the_last_good_one_used(harm, said, killed, start, finished, resume, tmp_path):
    shutil.copytree(killed.folder, tmp_path / "run")
    harm(tmp_path / "run")
    run = start(tmp_path, "--resume", bare=True)
    assert run.wait() == 0, run.said
    assert all(words in run.said for words in said), run.said
    assert resume.essence(run.folder) == resume.essence(finished.folder)


def undo(folder, *stages):
    """Make a finished run forget that it did these stages."""
    status = json.loads((folder / "status.json").read_text("utf-8"))
    status["done"] = [stage for stage in status["done"] if stage not in stages]
    (folder / "status.json").write_text(json.dumps(status), "utf-8")
    return status


def test_a_damaged_checkpoint_is_never_used(finished, start, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    status = undo(tmp_path / "run", "after", "gold", "report")
    flip(tmp_path / "run" / "checkpoints" / status["promoted-0"] / "adapter_model.safetensors")
    run = start(tmp_path, "--resume", bare=True)
    assert run.wait() == 2, run.said
    assert f"{status['promoted-0']}/adapter_model.safetensors: its content changed" in run.said
    assert "begin the run again with another --out" in run.said


def test_a_damaged_reward_model_is_never_used(finished, start, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    undo(tmp_path / "run", "train-0", "after", "gold", "report")
    cut(tmp_path / "run" / "checkpoints" / "reward-0" / "model.safetensors")
    run = start(tmp_path, "--resume", bare=True)
    assert run.wait() == 2, run.said
    assert "reward-0/model.safetensors" in run.said
    assert "bytes long, but" in run.said


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(start, finished, resume, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        run = start(tmp_path, out="disk/run")
        assert run.wait() == 2, run.said
        assert "the disk is full" in run.said
        assert "Traceback" not in run.said
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        last = start(tmp_path, "--resume", out="disk/run", bare=True)
        assert last.wait() == 0, last.said
        assert resume.essence(last.folder) == resume.essence(finished.folder)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ------------------------------------------------------------------------------------------------- two on one folder


def test_a_second_run_leaves_at_once_and_names_the_first(start, finished, resume, tmp_path):
    first = start(tmp_path, hooks=[(ADVANCE, 1, "SIGSTOP")])
    first.until(lambda: _is_stopped(first.pid))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    for words in ([], ["--resume"]):
        second = start(tmp_path, *words)
        assert second.wait() == 2, second.said
        assert f"in use by process {first.pid} on host" in second.said
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait() == 0, first.said
    assert resume.essence(first.folder) == resume.essence(finished.folder)


def _is_stopped(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"
