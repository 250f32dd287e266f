"""`burnish doctor --model M --data D`: its table, its JSON and its exit status."""

from __future__ import annotations

import json
import shutil

import pytest

from burnish.cli.main import main

PAIRS = [{"prompt": f"Name thing {n}.", "chosen": "the good lamp " * 3, "rejected": "a"} for n in range(21)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS), encoding="utf-8")
    return path


def test_a_table_with_the_template_and_what_to_do(tiny_folder, file, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["doctor", "--model", str(tiny_folder), "--data", str(file), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "<|im_start|>assistant\n>>>the good lamp" in out
    assert "<|im_end|><<<" in out
    assert "note: length bias: the longer text is chosen in 21 of 21 pairs (100%). Remedy: length alone" in out
    assert out.endswith("no fault: this model can be trained on this data.\n")


@pytest.mark.parametrize("kind", ["gru", "encoder_decoder"])
def test_small_models_of_our_own_are_looked_at_by_the_folder_of_their_run(kind, tmp_path, capsys):
    corpus, run = tmp_path / "corpus.txt", tmp_path / "run"
    corpus.write_text("the good lamp stands on the table, and nobody asks.\n\n" * 40, encoding="utf-8")
    steps = ["--set", "course.steps=1", "--set", "course.examples_per_step=4"]
    main(["train", "pretrain", "--data", str(corpus), "--model", f"new:{kind}", *steps, "--out", str(run), "--quiet"])
    capsys.readouterr()
    assert main(["doctor", "--model", str(run), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["fit"] is True


def test_a_fault_ends_in_2_and_json_is_one_object(tiny_folder, tmp_path, capsys):
    folder = tmp_path / "broken"
    shutil.copytree(tiny_folder, folder)
    template = folder / "chat_template.jinja"
    settings = folder / "tokenizer_config.json"
    plain = json.loads(settings.read_text("utf-8"))
    settings.write_text(json.dumps({**plain, "bos_token": "<|im_start|>"}), encoding="utf-8")
    template.write_text("{{ bos_token }}{{ bos_token }}hello", encoding="utf-8")
    assert main(["doctor", "--model", str(folder), "--json", "--quiet"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["fit"] is False
    assert [each["check"] for each in found["findings"] if each["result"] == "fault"] == ["T3"]
    assert found["preview"]["shown"] == "<|im_start|><|im_start|>hello"


def test_data_without_a_model_is_refused(file, capsys):
    assert main(["doctor", "--data", str(file), "--quiet"]) == 2
    assert "which --model is to learn from it" in capsys.readouterr().err
