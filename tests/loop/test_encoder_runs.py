"""`--model new:encoder`: from feedback to a reward that other runs are paid by, as typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish import methods
from burnish.cli.main import main
from burnish.loop import ready
from burnish.loop.rewards_by_name import reward_of
from burnish.records import Completion, Prompt

SIZES = ["new.hidden=16", "new.layers=1", "new.vocabulary=270"]
SHORT = ["course.steps=2", "save_every=1", "look.every=0", "course.examples_per_step=4", "sampling.max_new_tokens=4",
         "course.prompts_per_step=1", "course.group=2"]  # fmt: skip
GOOD, BAD = "the lamp is good and the door is red", "the lamp is bad and the door is red"
ROWS = [{"prompt": f"Say {n}.", "chosen": f"{GOOD} {n}", "rejected": f"{BAD} {n}"} for n in range(40)]
SPANS = [{"prompt": f"Say {n}.", "completion": f"{BAD} {n}", "spans": [{"start": 12, "end": 15, "label": "wrong"}]}
         for n in range(40)]  # fmt: skip
SHOWN = [{"prompt": f"Say {n}.", "completion": f"{GOOD} {n}"} for n in range(40)]


def written(folder: Path, rows) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(folder / "rows.jsonl")


def typed(method, out, *words, sets=(*SIZES, *SHORT)) -> int:
    return main(["train", method, "--out", str(out), *map(str, words), *(w for each in sets for w in ("--set", each))])


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Memory is not given back between these runs: asking takes longer than all else that they do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("burnish.memory.give_back", lambda: None)
        yield


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    return written(tmp_path_factory.mktemp("pairs"), ROWS)


@pytest.fixture(scope="module")
def judge(tmp_path_factory, pairs) -> Path:
    """A run of `reward` on an encoder that it made."""
    out = tmp_path_factory.mktemp("judge") / "run"
    assert typed("reward", out, "--data", pairs, "--model", "new:encoder", sets=(*SIZES, *SHORT, "heads=3")) == 0
    return out


@pytest.fixture(scope="module")
def speaker(tmp_path_factory) -> Path:
    """A run of `sft` on a GRU that it made, with a vocabulary of its own."""
    where = tmp_path_factory.mktemp("speaker")
    sets = ("new.hidden=16", "new.layers=1", "new.vocabulary=265", *SHORT)
    assert typed("sft", where / "run", "--data", written(where, SHOWN), "--model", "new:gru", sets=sets) == 0
    return where / "run"


# ------------------------------------------------------------------------------------------------ a reward like others


def test_it_is_a_reward_with_all_its_members_and_the_same_at_each_load(judge):
    prompt = Prompt.of("Say 3.")
    folder = ready.chosen(str(judge))
    scores = [reward_of(folder, "float32").score([prompt], [Completion(prompt.id, GOOD)])[0] for _ in range(2)]
    assert scores[0] == scores[1]
    assert len(scores[0].members) == 3
    assert ready.is_encoder(folder)


def test_a_policy_is_paid_by_it_and_the_doctor_visits_it(judge, speaker, pairs, tmp_path, capsys):
    words = ("--data", pairs, "--model", speaker, "--reward", ready.chosen(str(judge)))
    assert typed("grpo", tmp_path / "run", *words, sets=SHORT) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["unscored"] for line in lines] == [0.0, 0.0]
    assert main(["doctor", "--reward", ready.chosen(str(judge)), "--data", pairs]) in (0, 2)  # fair or not, it is told
    assert "fair is a mean shift" in capsys.readouterr().out


def test_span_reward_pays_the_tokens_of_a_new_text(tmp_path):
    out = tmp_path / "run"
    assert typed("span_reward", out, "--data", written(tmp_path, SPANS), "--model", "new:encoder") == 0
    prompt = Prompt.of("Say it.")
    (score,) = reward_of(ready.chosen(str(out)), "float32").score([prompt], [Completion(prompt.id, GOOD)])
    assert "".join(GOOD[part.start : part.end] for part in score.token_rewards) == GOOD


def test_other_reward_methods_train_it_further_by_the_folder_of_its_run(judge, pairs, tmp_path):
    """With an adapter beside its weights, which the next run merges."""
    sets = (*SHORT, "adapter.kind=lora", "adapter.rank=2")
    assert typed("ranking_reward", tmp_path / "one", "--data", pairs, "--model", judge, sets=sets) == 0
    assert typed("reward", tmp_path / "two", "--data", pairs, "--model", tmp_path / "one", sets=SHORT) == 0


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(judge, pairs, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "lock.json").write_text("{}")
    (out / "stop").touch()
    assert typed("reward", out, "--data", pairs, "--model", "new:encoder", sets=(*SIZES, *SHORT, "heads=3")) == 3
    assert typed("reward", out, "--data", pairs, "--resume", sets=()) == 0
    found, expected = (json.loads((each / "report.json").read_text()) for each in (out, judge))
    assert found["looks"] == expected["looks"]
    assert found["checkpoint"] == expected["checkpoint"]


# ---------------------------------------------------------------------------------------------- beside a policy


@pytest.mark.parametrize("method", ["inverse_rl", "discriminator"])
def test_a_reward_on_an_encoder_is_trained_in_turn_with_a_policy_that_speaks(method, judge, speaker, tmp_path):
    out, data = tmp_path / "run", written(tmp_path, SHOWN)
    model, sizes = ("new:encoder", SIZES) if method == "inverse_rl" else (judge, [])
    sets = (*sizes, *SHORT, f"partner_model={speaker}")
    assert typed(method, out, "--data", data, "--model", model, sets=sets) == 0
    (first, _) = (json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines())
    assert first["partner_reward"] == first["partner_reward"]  # a number: the policy's own draws were read and paid
    checkpoint = Path(ready.chosen(str(out)))
    assert ready.is_encoder(str(checkpoint))
    assert json.loads((checkpoint / "burnish.json").read_text())["config"]["partner_model"] == str(speaker)


def test_a_policy_is_trained_in_turn_with_a_discriminator_on_an_encoder(judge, speaker, tmp_path):
    sets = (*SHORT, f"partner_model={judge}")
    out, data = tmp_path / "run", written(tmp_path, SHOWN)
    assert typed("seqgan", out, "--data", data, "--model", speaker, sets=sets) == 0
    assert not ready.is_encoder(ready.chosen(str(out)))


@pytest.mark.parametrize(
    ("method", "words", "said"),
    [
        ("discriminator", ("--model", "new:encoder"), "Name the policy's model: --set partner_model=FOLDER"),
        ("discriminator", ("--set", "partner_model=new:gru"), "is made by a run of its own"),
        ("discriminator", ("--set", "partner_model=JUDGE"), "grpo: JUDGE is an encoder"),
        ("discriminator", ("--set", "partner_model=JUDGE", "--reward", "chrf"), "--reward pays in its place"),
        ("reward", ("--set", "partner_model=JUDGE"), "reward has no partner"),
        ("dpo", ("--model", "JUDGE"), "is an encoder, which reads and never speaks"),
        (
            "inverse_rl",
            ("--model", "JUDGE", "--set", "partner_model=SPEAKER", "--set", "base=reference"),
            "as it is set",
        ),
    ],
)
def test_models_that_cannot_be(method, words, said, judge, speaker, pairs, tmp_path, capsys):
    words = [word.replace("JUDGE", str(judge)).replace("SPEAKER", str(speaker)) for word in words]
    assert typed(method, tmp_path / "run", "--data", pairs, *words, sets=()) == 2
    assert said.replace("JUDGE", str(judge)) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# --------------------------------------------------------------------------------------------------- who refuses it


@pytest.mark.parametrize("method", [name for name in methods.names() if name not in methods.readers()])
def test_a_method_of_what_speaks_refuses_it_before_anything_is_made(method, pairs, tmp_path, capsys):
    assert typed(method, tmp_path / "run", "--data", pairs, "--model", "new:encoder", sets=()) == 2
    said = capsys.readouterr().err
    assert f"{method}: new:encoder is an encoder, which reads and never speaks" in said
    assert ", ".join(methods.readers()) in said
    assert not (tmp_path / "run").exists()
