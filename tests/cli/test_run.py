"""`burnish run`: every word reaches the loop as it was meant, and wrong words are told before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish import config
from burnish.cli.main import main
from burnish.cli.run import settings
from burnish.loop import run as loop


@pytest.fixture
def called(monkeypatch):
    """Return the (options, task, recipe) of each call that would have started the loop."""
    calls: list[tuple[loop.RunOptions, object, object]] = []

    def record(options, task, recipe):
        calls.append((options, task, recipe))
        return loop.RunResult(Path("runs/x"), {"schema": 1, "seed": recipe.seed})

    monkeypatch.setattr(loop, "run", record)
    return calls


def test_every_flag_reaches_the_loop(called):
    words = [
        "run", "reviews", "--feedback", "mine.jsonl", "--mix", "--model", "folder", "--out", "there", "--seed", "3",
        "--resume", "--set", "rl.steps=7", "--set", "dtype=float32", "--db", "sqlite:///x.db", "--quiet",
    ]  # fmt: skip
    assert main(words) == 0
    options, task, recipe = called[0]
    assert options == loop.RunOptions(
        recipe="reviews",
        out=Path("there"),
        feedback="mine.jsonl",
        mix=True,
        seed=3,
        resume=True,
        sets=("rl.steps=7", "dtype=float32"),
        model="folder",
        db="sqlite:///x.db",
        quiet=True,
    )
    assert task.NAME == "reviews"
    assert (recipe.seed, recipe.model, recipe.rl.steps, recipe.dtype) == (3, "folder", 7, "float32")


def test_flags_override_the_file_and_the_file_the_defaults(called, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('task = "reviews"\nseed = 4\n[rl]\nsteps = 5\ngroup_size = 6\n', encoding="utf-8")
    assert main(["run", str(path), "--set", "rl.steps=9"]) == 0
    recipe = called[0][2]
    assert (recipe.seed, recipe.rl.steps, recipe.rl.group_size) == (4, 9, 6)


def test_json_prints_the_report_alone_on_standard_output(called, capsys):
    assert main(["run", "reviews", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "seed": 0}


def test_a_dry_run_shows_the_plan_and_settings_that_can_be_read_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "reviews", "--dry-run", "--seed", "5"]) == 0
    said = capsys.readouterr()
    assert "minutes" in said.err
    (tmp_path / "again.toml").write_text(said.out, encoding="utf-8")
    assert config.build(settings(), config.parse_toml(tmp_path / "again.toml")).seed == 5
    assert not (tmp_path / "runs").exists()


def test_help_config_lists_every_setting(capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "--help-config"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert all(key.name in out and key.doc in out for key in config.describe(settings()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reveiws"], "'reveiws' is neither a task nor a TOML file. Did you mean 'reviews'?"),
        (["none.toml"], "none.toml: there is no such file."),
        (["reviews", "--set", "rl.stps=3"], "unknown key 'rl.stps'. Did you mean 'rl.steps'?"),
        (["reviews", "--set", "rl.steps=many"], 'rl.steps = "many"; expected a whole number.'),
        (["reviews", "--set", "rl.steps=0"], "rl.steps: 0"),
        (["reviews", "--set", "grpo.scale=sd"], 'expected one of "none", "std", "batch_std"'),
        (["broken.toml"], "broken.toml: line 2"),
        (["unknown.toml"], "unknown.toml: unknown key 'rl.stpes'. Did you mean 'rl.steps'?"),
    ],
)
def test_wrong_words_are_told_and_nothing_starts(words, message, called, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.toml").write_text("[rl]\nsteps = = 3\n", encoding="utf-8")
    (tmp_path / "unknown.toml").write_text("[rl]\nstpes = 3\n", encoding="utf-8")
    assert main(["run", *words]) == 2
    assert message in capsys.readouterr().err
    assert called == []


@pytest.mark.parametrize(
    ("line", "said"),
    [("task = 3", "task = 3; expected the name of a task"), ('task = "smok"', "Did you mean 'smoke'?")],
)
def test_a_recipe_file_with_a_wrong_task_is_named(line, said, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(line, "utf-8")
    assert main(["run", str(path)]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert said in told
