"""`burnish train` as typed: the list, the settings, and what is said of a slip."""

import json

import pytest

from burnish import methods
from burnish.cli.main import main


def test_the_list_names_every_method_with_what_it_learns_from(capsys):
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == methods.names()
    assert next(line for line in lines if line.startswith("dpo")).split()[1] == "preferences"
    assert main(["train", "--list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ppo"]["needs"] == "prompts, a reward, reference, value head"
    assert "discriminator beside it" in rows["seqgan"]["needs"]
    assert {name for name, row in rows.items() if "an encoder will do" in row["needs"]} == set(methods.readers())


def test_the_settings_of_a_method_and_of_all_are_told(capsys):
    assert main(["train", "dpo", "--help-config"]) == 0
    told = capsys.readouterr().out
    assert "label_smoothing" in told
    assert "course.steps" in told
    assert "adapter.kind" in told
    assert told.startswith("dpo trains a model that speaks\n")
    assert main(["train", "reward", "--help-config"]) == 0
    assert capsys.readouterr().out.startswith("reward trains a model that speaks, or an encoder\n")


def test_a_slip_is_answered_in_one_line(capsys):
    assert main(["train", "dpoo", "--data", "x.jsonl"]) == 2
    assert "Did you mean 'dpo'" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "--list" in capsys.readouterr().err
    assert main(["train", "dpo", "--dta", "x"]) == 2
    assert "Did you mean '--data'" in capsys.readouterr().err
    assert main(["train", "dpo", "--data", "nothing.jsonl", "--model", "nowhere/at/all"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "setting", "said"), [
    ("grpo", "course.group=1", "course.group: 1, and grpo compares"),
    ("online_dpo", "course.group=1", "course.group: 1, and online_dpo compares"),
    ("dpo", "course.kl_target_nats=0.1", "dpo has no KL to steer"),
    ("reinforce", "walk.passes=2", "walk.passes: reinforce takes one step"),
    ("inverse_rl", "partner.beta=-1", "beta: -1"),
    ("grpo", "minibatches=2", "minibatches is walk.parts here"),
])  # fmt: skip
def test_what_would_be_passed_over_is_refused_and_nothing_is_made(method, setting, said, tiny_folder, tmp_path, capsys):
    out = tmp_path / "run"
    asked = ["train", method, "--model", str(tiny_folder), "--out", str(out), "--set", setting]
    assert main(asked) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()
