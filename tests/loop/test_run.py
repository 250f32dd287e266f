"""Settings and folders before a run begins: everything that is told without loading a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish import config
from burnish.cli.main import main
from burnish.errors import InputError
from burnish.loop.folder import RunFolder
from burnish.loop.recipe import Recipe
from burnish.loop.run import USERS_TEMPLATE, RunOptions, folder_of, plan, resolve
from burnish.tasks import reviews, smoke


def recipe_of(*sets: str, task=smoke, given=None, **options) -> Recipe:
    return resolve(RunOptions(recipe=task.NAME, sets=sets, **options), task, given or {})


def test_what_is_said_last_counts():
    assert recipe_of().rl.steps == smoke.recipe()["rl"]["steps"]
    assert recipe_of(given={"rl": {"steps": 7}}).rl.steps == 7
    assert recipe_of("rl.steps=9", given={"rl": {"steps": 7}}).rl.steps == 9
    assert recipe_of(given={"rl": {"steps": 7}}).rl.save_every == smoke.recipe()["rl"]["save_every"]
    assert recipe_of(given={"seed": 4}).seed == 4
    assert recipe_of(given={"seed": 4}, seed=5).seed == 5
    assert recipe_of("model=there", model="here").model == "there"


def test_the_users_feedback_is_judged_with_its_prompt():
    own = "{text}: how good?"
    assert recipe_of(feedback="mine.jsonl").reward_model.template == USERS_TEMPLATE
    assert recipe_of(feedback="mine.jsonl", mix=True).reward_model.template == Recipe().reward_model.template
    assert recipe_of(f"reward_model.template={own}", feedback="mine.jsonl").reward_model.template == own


def test_a_recipe_of_another_task_is_refused():
    with pytest.raises(InputError, match="task: 'reviews' is set, but the recipe 'smoke' is for 'smoke'"):
        recipe_of("task=reviews")


def test_the_folder_is_named_after_recipe_and_seed():
    assert folder_of(RunOptions(recipe="reviews"), Recipe(seed=2)) == Path("runs/reviews-2")
    assert folder_of(RunOptions(recipe="some/where/mine.toml"), Recipe()) == Path("runs/mine-0")
    assert folder_of(RunOptions(recipe="reviews", out=Path("there")), Recipe()) == Path("there")


def test_the_plan_tells_how_long_it_takes():
    assert "under a minute" in plan(recipe_of(), smoke, Path("x"))
    short, long = (plan(recipe_of(f"rl.steps={steps}", task=reviews), reviews, Path("x")) for steps in (40, 400))
    minutes = [int(text.split("about ")[1].split(" minutes")[0]) for text in (short, long)]
    assert 5 * minutes[0] < minutes[1]


# --------------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def begun(tmp_path) -> Path:
    """A run folder in which a run with 7 steps once began."""
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = recipe_of("rl.steps=7", "grpo.beta=0.25")
    (folder / "config.toml").write_text(config.to_toml(recipe), "utf-8")
    RunFolder(folder).update(state="train-0", options={"feedback": None, "mix": False})
    return folder


def told(capsys, *words: str) -> str:
    assert main(["run", *words]) == 2
    return capsys.readouterr().err


def test_resume_takes_its_settings_from_the_folder(begun):
    assert recipe_of(resume=True, out=begun).rl.steps == 7
    assert recipe_of("rl.steps=8", resume=True, out=begun).rl.steps == 8
    assert recipe_of(resume=False, out=begun).rl.steps == smoke.recipe()["rl"]["steps"]


def test_resume_with_other_settings_is_refused(begun, capsys):
    words = ("smoke", "--out", str(begun), "--resume", "--set", "rl.steps=8", "--set", "grpo.beta=0.5")
    said = told(capsys, *words)
    assert "grpo.beta (0.25 -> 0.5), rl.steps (7 -> 8) differ from" in said
    assert "leave these flags out" in said


def test_resume_with_other_feedback_is_refused(begun, capsys):
    said = told(capsys, "smoke", "--out", str(begun), "--resume", "--feedback", "new.jsonl", "--mix")
    assert "--feedback (none -> new.jsonl --mix)" in said


def test_resume_of_another_recipe_is_refused(begun, capsys):
    assert "recipe 'reviews' is for 'reviews'" in told(capsys, "reviews", "--out", str(begun), "--resume")


def test_an_unfinished_run_is_not_begun_over(begun, capsys):
    RunFolder(begun).update(state="train-0", done=["model", "feedback"])
    said = told(capsys, "smoke", "--out", str(begun))
    assert "holds an unfinished run (state: train-0)" in said
    assert "--resume" in said
    RunFolder(begun).update(state="done")
    assert "holds a finished run" in told(capsys, "smoke", "--out", str(begun))


def test_a_folder_with_other_peoples_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work", "utf-8")
    for words in ([], ["--resume"]):
        assert "holds files that no run of burnish wrote" in told(capsys, "smoke", "--out", str(tmp_path), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path, capsys):
    (tmp_path / "x").write_text("", "utf-8")
    assert "is a file. Give --out a folder" in told(capsys, "smoke", "--out", str(tmp_path / "x"))


@pytest.mark.parametrize("content", ["{", "[]", '"done"', ""])
def test_a_damaged_status_is_told(begun, content, capsys):
    (begun / "status.json").write_text(content, "utf-8")
    assert "status.json: not what a run wrote there" in told(capsys, "smoke", "--out", str(begun), "--resume")


def test_a_damaged_config_is_told(begun, capsys):
    (begun / "config.toml").write_text("[rl]\nsteps = = 7\n", "utf-8")
    assert "config.toml: line 2" in told(capsys, "smoke", "--out", str(begun), "--resume")


def test_nothing_can_be_made_below_a_file(tmp_path, capsys):
    (tmp_path / "x").write_text("", "utf-8")
    assert f"{tmp_path / 'x'} is a file." in told(capsys, "smoke", "--out", str(tmp_path / "x" / "run"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["smok"], "Did you mean 'smoke'?"),
        (["smoke", "--set", "rl.stesp=3"], "Did you mean 'rl.steps'?"),
        (["smoke", "--fedback", "x"], "Did you mean '--feedback'?"),
        (["smoke", "--set", "dtype=float16"], 'one of "auto", "bfloat16", "float32"'),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_word(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert said in told(capsys, *words)
    assert list(tmp_path.iterdir()) == []
