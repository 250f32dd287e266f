"""`burnish train` as typed: the list, the settings, and what is said of a slip."""

import json

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


def test_the_settings_of_a_method_and_of_all_are_told(capsys):
    assert main(["train", "dpo", "--help-config"]) == 0
    told = capsys.readouterr().out
    assert "label_smoothing" in told
    assert "course.steps" in told
    assert "adapter.kind" in told


def test_a_slip_is_answered_in_one_line(capsys):
    assert main(["train", "dpoo", "--data", "x.jsonl"]) == 2
    assert "Did you mean 'dpo'" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "--list" in capsys.readouterr().err
    assert main(["train", "dpo", "--dta", "x"]) == 2
    assert "Did you mean '--data'" in capsys.readouterr().err
    assert main(["train", "dpo", "--data", "nothing.jsonl", "--model", "nowhere/at/all"]) == 2
    assert "nowhere" in capsys.readouterr().err
