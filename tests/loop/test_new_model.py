"""`--model new:KIND`: from a plain text file to a small model that other methods take, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish import methods
from burnish.cli.main import main
from burnish.errors import InputError, StoppedOnRequest
from burnish.loop import new_model, raw_text, ready, speaking, train
from burnish.loop.held_out import apart, key_of
from burnish.loop.train_options import TrainOptions
from burnish.loop.train_settings import settings_of
from burnish.models import small
from burnish.models.policy import Policy
from burnish.records import Preference, Prompt, Sampling

TEXT = "\n\n".join(
    f"In the {n}th house the lamp is {c} and the door is not." for n in range(20) for c in ("red", "old")
)
SIZES = ["new.hidden=16", "new.layers=1", "new.vocabulary=270"]
SHORT = ["course.steps=2", "save_every=2", "look.every=2", "course.examples_per_step=2", "sampling.max_new_tokens=4",
         "course.prompts_per_step=1", "course.group=2"]  # fmt: skip
PAIRS = [{"prompt": f"Say {n}.", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(3)]


@pytest.fixture
def corpus(tmp_path) -> Path:
    (tmp_path / "corpus.txt").write_text(TEXT, "utf-8")
    return tmp_path / "corpus.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A GRU that two steps were learned with."""
    where = tmp_path_factory.mktemp("made")
    (where / "corpus.txt").write_text(TEXT, "utf-8")
    assert typed("pretrain", where / "run", where / "corpus.txt", "--model", "new:gru") == 0
    return where / "run"


def typed(method, out, data, *more, sets=(*SIZES, *SHORT)) -> int:
    changes = [word for each in sets for word in ("--set", each)]
    return main(["train", method, "--data", str(data), "--out", str(out), *more, *changes])


def refused(capsys, *words) -> str:
    assert typed(*words) == 2
    return capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- what is made


def test_what_was_made_is_told_and_all_of_it_is_trained(corpus, tmp_path, capsys):
    sets = [*SIZES, *SHORT, "characters=60"]
    assert typed("pretrain", tmp_path / "run", corpus, "--model", "new:gru", sets=sets) == 0
    said = capsys.readouterr().err
    assert "a vocabulary of 270 tokens learned from 2,1" in said
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["held_out"] >= 1
    policy = Policy.load(tmp_path / "run" / "checkpoints" / report["checkpoint"])
    count = sum(parameter.numel() for parameter in policy.model.parameters())
    assert f"made new:gru: {count:,} weights" in said
    before = Policy.load(tmp_path / "run" / "model").model.state_dict()
    assert all(not tensor.equal(before[name]) for name, tensor in policy.model.state_dict().items())


@pytest.mark.parametrize("kind", ["decoder", "lstm", "encoder_decoder"])
def test_every_kind_that_speaks_can_be_made(kind, tmp_path):
    signals = raw_text.demonstrations(_written(tmp_path, TEXT), 500)
    size = new_model.NewModel(hidden=16, layers=1, heads=2 if kind == "decoder" else 4)
    new_model.check(f"new:{kind}", size)
    new_model.make(f"new:{kind}", size, signals, tmp_path / "model", data="a.txt", longest=64, seed=0)
    assert ready.small_kind(str(tmp_path / "model")) == kind
    Policy.load(tmp_path / "model")


def test_the_vocabulary_suits_the_text():
    assert new_model.vocabulary_for(["a" * 1_000]) == 320
    assert new_model.vocabulary_for(["é" * 50_000]) == 1_000
    assert new_model.vocabulary_for(["a" * 1_000_000]) == 4_096


def test_raw_texts_are_set_aside_one_by_one(tmp_path):
    signals = raw_text.demonstrations(_written(tmp_path, TEXT), 60)
    aside, rest = apart(signals, list(map(key_of, signals)), 0.25)
    assert 0 < len(aside) < len(rest)
    pair = Preference(Prompt.of("Which?"), (signals[0].completion, signals[1].completion), (0, 1))
    assert key_of(pair) == pair.prompt.id


# --------------------------------------------------------------------------------------------- what is done with it


@pytest.mark.parametrize("method", ["dpo", "seqgan", "reward"])
def test_other_methods_take_it_by_the_folder_of_its_run_and_train_all_of_it(method, made, tmp_path):
    shown = [{"prompt": f"Say {n}.", "completion": "the lamp"} for n in range(3)]
    rows = shown if method == "seqgan" else PAIRS
    data = _written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "rows.jsonl")
    out = tmp_path / "run"
    assert typed(method, out, data, "--model", str(made), sets=SHORT) == 0
    folder = ready.chosen(str(out))
    assert json.loads((Path(folder) / "adapter.json").read_text())["kind"] == "full"
    assert settings_of("sft", methods.load("sft"), {"model": folder}, [], "test").run.adapter.kind == "full"
    if method == "reward":  # whole weights and a head: it scores the next training
        assert typed("grpo", tmp_path / "next", data, "--model", str(made), "--reward", folder, sets=SHORT) == 0


def test_it_speaks_from_its_run(made):
    (drawn,) = speaking.sampler_in(made).sample([Prompt(())], Sampling(max_new_tokens=3), n=2)
    assert len(drawn) == 2


def test_what_is_set_wins_over_the_defaults_of_a_new_model():
    found = settings_of("pretrain", methods.load("pretrain"), {"model": "new:gru"}, ["adapter.kind=lora"], "test")
    assert (found.run.adapter.kind, found.run.max_tokens, found.method.characters) == ("lora", 2_000, 500)
    plain = settings_of("pretrain", methods.load("pretrain"), {}, ["model=smollm2-135m"], "test")
    assert (plain.run.adapter.kind, plain.run.max_tokens, plain.method.characters) == ("lora", 512, 2_000)


def test_a_stop_goes_on_with_the_model_that_was_made(corpus, made, tmp_path):
    module, cut = methods.load("pretrain"), tmp_path / "cut"
    settings = settings_of("pretrain", module, {"model": "new:gru"}, [*SIZES, *SHORT], "test")
    cut.mkdir()
    (cut / "lock.json").write_text("{}")
    (cut / "stop").touch()
    with pytest.raises(StoppedOnRequest, match="--resume"):
        train.train(TrainOptions(out=cut, data=str(corpus)), settings, module)
    inode = (cut / "model" / "model.safetensors").stat().st_ino
    assert typed("pretrain", cut, corpus, "--resume", sets=["new.hidden=32"]) == 2
    assert typed("pretrain", cut, corpus, "--resume", sets=[]) == 0
    assert (cut / "model" / "model.safetensors").stat().st_ino == inode
    reports = [json.loads((each / "report.json").read_text()) for each in (made, cut)]
    assert reports[0]["looks"] == reports[1]["looks"]
    assert reports[0]["checkpoint"] == reports[1]["checkpoint"]


# ----------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("new:rnn", "Did you mean 'new:gru'?"),
        ("new:decodr", "Did you mean 'new:decoder'?"),
        ("new:", "no such kind of small model (decoder, gru, lstm, encoder_decoder, encoder)"),
        ("new:bert", "Did you mean 'new:encoder'?"),
        ("new:encoder", "reads and never speaks"),
    ],
)
def test_a_kind_that_is_not_there(model, said, corpus, tmp_path, capsys):
    assert said in refused(capsys, "pretrain", tmp_path / "run", corpus, "--model", model)
    assert not (tmp_path / "run").exists()


def test_the_same_command_begins_anew_once_its_text_is_mended(tmp_path, capsys):
    out, data = tmp_path / "run", _written(tmp_path, "one line\n")
    assert "9 characters are too little text" in refused(capsys, "pretrain", out, data, "--model", "new:gru")
    data.write_text(TEXT)
    assert typed("pretrain", out, data, "--model", "new:gru", sets=[*SIZES[:2], "new.vocabulary=999", *SHORT]) == 2
    assert "bring more text" in capsys.readouterr().err
    assert typed("pretrain", out, data, "--model", "new:gru") == 0
    assert "nothing is held out of so few" in capsys.readouterr().err
    assert "holds a run" in refused(capsys, "pretrain", out, data, "--model", "new:gru")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "the file is empty"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0", "byte 0 is not UTF-8"),
        ("text", b"\x89PNG\r\n\x1a\n\0", "byte 0 is not UTF-8"),
        ("a.jsonl", b"\x89PNG\r\n\x1a\n\0", "bad line"),
    ],
)
def test_a_file_that_is_no_text_leaves_no_folder(name, content, said, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    assert said in refused(capsys, "pretrain", tmp_path / "run", tmp_path / name, "--model", "new:gru")
    assert not (tmp_path / "run" / "config.toml").exists()


def test_sizes_that_nothing_would_have(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"new: its sizes are those of a model that is made"):
        settings_of("sft", methods.load("sft"), {}, ["new.hidden=8"], "test")
    wrong = ["new.teacher_forcing=0.5"]
    assert typed("pretrain", out, corpus, "--model", "new:gru", sets=wrong) == 2
    assert "a setting of new:encoder_decoder" in capsys.readouterr().err
    assert main(["train", "seqgan", "--model", "new:gru", "--out", str(out)]) == 2
    assert "Give text with --data" in capsys.readouterr().err


def test_the_help_of_a_new_model_tells_its_defaults(capsys):
    assert main(["train", "pretrain", "--model", "new:gru", "--help-config"]) == 0
    told = capsys.readouterr().out
    assert "adapter.kind = full" in told.rpartition("defaults on new:gru")[2]
    assert set(new_model.MEANT.values()) < set(small.KINDS)


def _written(tmp_path: Path, text: str, name: str = "a.txt") -> Path:
    (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / name
