"""`burnish train` in a folder: it learns, keeps the best, goes on exactly, and says what is wrong before it begins."""

import json

import pytest
import torch
from safetensors.torch import load_file

from burnish import methods
from burnish.errors import InputError, StoppedOnRequest
from burnish.loop import material, train
from burnish.loop.train_options import TrainOptions, began_with
from burnish.loop.train_settings import settings_of
from burnish.models.headed import HEADS_FILE, HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Demonstration, Preference, Prompt

SETS = ["course.steps=4", "look.every=2", "save_every=1", "optimiser.warmup_steps=1", "sampling.max_new_tokens=6",
        "course.prompts_per_step=2", "course.group=2", "adapter.rank=4"]  # fmt: skip


@pytest.fixture
def pairs(tmp_path):
    rows = [
        {"prompt": f"Say {n}.", "chosen": f"the good {n}", "rejected": f"a bad {n}", "author": "ana"} for n in range(24)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def go(method, model, out, *, sets=(), resume=False, **options):
    module = methods.load(method)
    given = {**(began_with(out) if resume else {}), "model": str(model)}
    settings = settings_of(method, module, given, [*SETS, *sets], "test")
    return train.train(TrainOptions(out=out, resume=resume, **options), settings, module)


def weights(out, report):
    return load_file(out / "checkpoints" / report["checkpoint"] / "adapter_model.safetensors")


def test_it_learns_looks_and_keeps_what_did_best(tiny_folder, pairs, tmp_path):
    out = tmp_path / "run"
    report = go("dpo", tiny_folder, out, data=str(pairs), sets=["optimiser.learning_rate=0.01"])
    values = [look["value"] for look in report["looks"]]
    assert [look["step"] for look in report["looks"]] == [0, 2, 4]
    assert values[-1] < values[0]
    assert values[report["best_step"] // 2] == min(values)
    assert report["held_out"] + report["learned_from"]["examples"] == 24
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    lineage = json.loads((out / "checkpoints" / report["checkpoint"] / "burnish.json").read_text())
    assert lineage["method"] == "dpo"
    assert lineage["snapshot"]


def test_a_partner_has_its_own_settings_and_what_was_left_out_is_reported(tiny_folder, tmp_path):
    shown, asked = tmp_path / "shown.jsonl", tmp_path / "asked.txt"
    shown.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": "good"}) + "\n" for n in range(4)))
    asked.write_text("Say 1.\nSay 2.\n")
    out = tmp_path / "run"
    sets = ["course.steps=1", "look.every=0", "partner=raft", "partner.threshold=1e9"]
    report = go("discriminator", tiny_folder, out, data=str(shown), prompts=str(asked), sets=sets)
    lineage = json.loads((out / "checkpoints" / report["checkpoint"] / "burnish.json").read_text())
    assert lineage["config"]["partner"]["threshold"] == 1e9
    assert report["left_out"] == {"discriminator": {}, "raft": {"below the threshold": 4}}
    (line,) = (json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines())
    assert line["partner_left_out"] == 4.0


@pytest.mark.parametrize("method", ["dpo", "ppo", "discriminator"])
def test_it_goes_on_from_a_stop_as_if_there_had_been_none(method, tiny_folder, pairs, tmp_path, monkeypatch):
    shown = tmp_path / "shown.jsonl"
    shown.write_text("".join(json.dumps({"prompt": f"Say {n}.", "completion": "good"}) + "\n" for n in range(4)))
    how = {"data": str(pairs if method == "dpo" else shown)}
    if method == "ppo":
        how["reward"] = "length:2-9"
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    expected = go(method, tiny_folder, whole, **how)

    class Stopped(Exception):
        pass

    def stop_after_two(run, due, began, keep=train._Run._save_or_stop):
        keep(run, due, began)
        if run.course.step == 2:
            raise Stopped

    monkeypatch.setattr(train._Run, "_save_or_stop", stop_after_two)
    with pytest.raises(Stopped):
        go(method, tiny_folder, cut, **how)
    monkeypatch.undo()
    found = go(method, tiny_folder, cut, resume=True, **how)
    assert found["looks"] == expected["looks"]
    assert found["checkpoint"] == expected["checkpoint"]
    for key, tensor in weights(whole, expected).items():
        assert torch.equal(tensor, weights(cut, found)[key]), key


def test_the_mean_of_the_last_looks_is_looked_at_and_kept_where_it_does_best(tiny_folder, pairs, tmp_path):
    """Adapter and head alike."""
    out, method = tmp_path / "run", "reward"
    sets = ["look.average=2", "optimiser.learning_rate=0.01"]
    report = go(method, tiny_folder, out, data=str(pairs), sets=sets)
    assert [(look["step"], look["averaged"]) for look in report["looks"]] == [(0, 0), (2, 0), (4, 0), (4, 2)]
    numbers = json.loads((out / "state" / "state-000004" / "state.json").read_text())
    first, second, mean = (weights(out, look) for look in numbers["looks"][1:])
    assert all(torch.allclose(mean[name], (first[name] + second[name]) / 2, atol=1e-7) for name in mean)
    values = [look["value"] for look in report["looks"]]
    assert report["checkpoint"] == numbers["looks"][values.index(min(values))]["checkpoint"]
    assert go(method, tiny_folder, out, data=str(pairs), sets=sets, resume=True)["looks"] == report["looks"]


def test_no_mean_is_taken_where_nothing_could_tell_whether_it_is_better(tiny_folder, pairs, tmp_path):
    report = go("dpo", tiny_folder, tmp_path / "run", data=str(pairs), sets=["look.average=2", "look.share=0"])
    assert [look["averaged"] for look in report["looks"]] == [0, 0, 0]
    with pytest.raises(InputError, match=r"look.average: 2 .*AdaLoRA"):
        go(
            "dpo",
            tiny_folder,
            tmp_path / "other",
            sets=["look.average=2", "adapter.kind=adalora", "adapter.target_rank=2"],
        )


def test_memory_is_tried_before_the_first_step(tiny_folder, pairs, tmp_path, monkeypatch):
    """By the heaviest slice of what is learned: nothing is written of a training that could not be (trap T40)."""
    seen = []
    monkeypatch.setattr("burnish.training.course.rehearse", lambda network, rows, needs, apart: seen.extend(rows))
    monkeypatch.setattr(train._Run, "_advance", lambda run: pytest.fail("a step came first") if not seen else {})
    monkeypatch.setattr(train._Run, "_look", lambda run: seen.append("look"))
    monkeypatch.setattr(train._Run, "_report", lambda run, seconds: (run.path / train.REPORT).write_text("{}"))
    monkeypatch.setattr(train._Run, "_is_over", lambda run: run._advance() == {})
    go("dpo", tiny_folder, tmp_path / "run", data=str(pairs), sets=["walk.rows_per_slice=2"])
    assert len(seen[:-1]) == 2
    assert {row.prompt.text for row in seen[:-1]} <= {f"Say {n}." for n in range(10, 24)}


def test_a_stop_file_saves_and_says_how_to_go_on(tiny_folder, pairs, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "lock.json").write_text("{}")
    (out / "stop").touch()
    with pytest.raises(StoppedOnRequest, match="--resume"):
        go("dpo", tiny_folder, out, data=str(pairs))
    assert go("dpo", tiny_folder, out, data=str(pairs), resume=True)["steps"] == 4


def test_a_reward_that_was_trained_scores_the_next_training(tiny_folder, pairs, tmp_path):
    report = go("reward", tiny_folder, tmp_path / "judge", data=str(pairs))
    judge = tmp_path / "judge" / "checkpoints" / report["checkpoint"]
    assert (judge / HEADS_FILE).exists()
    asked = tmp_path / "asked.txt"
    asked.write_text("Say one.\nSay two.\n")
    found = go("grpo", tiny_folder, tmp_path / "policy", prompts=str(asked), reward=str(judge))
    assert found["steps"] == 4


def test_a_reward_that_was_trained_on_steps_pays_steps(tiny_folder, tmp_path, monkeypatch):
    marked, asked = tmp_path / "marked.jsonl", tmp_path / "asked.txt"
    span = {"start": 0, "end": 3, "label": "wrong"}
    rows = [{"prompt": f"Say {n}.", "completion": "the good", "spans": [span], "author": "ana"} for n in range(12)]
    marked.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked.write_text("Say one.\nSay two.\n")
    report = go("process_reward", tiny_folder, tmp_path / "steps", data=str(marked))
    reward = tmp_path / "steps" / "checkpoints" / report["checkpoint"]
    paid = []

    def seen(self, prompts, completions):
        paid.extend(found := score(self, prompts, completions))
        return found

    score = HeadedPolicy.score
    monkeypatch.setattr(HeadedPolicy, "score", seen)
    go("grpo", tiny_folder, tmp_path / "policy", prompts=str(asked), reward=str(reward), sets=['credit="process"'])
    known = [each for each in paid if each.value is not None]
    assert known
    assert all(each.token_rewards for each in known)


# ----------------------------------------------------------------------------------------------------- what is wrong


def test_a_checkpoint_that_learned_a_condition_is_sampled_under_it(tiny_folder, tmp_path):
    """Trained behind control tokens, it is asked behind the good one by whoever loads it, and in further training."""
    rated = tmp_path / "rated.jsonl"
    rows = [{"prompt": f"Say {n}.", "completion": f"the {n}", "rating": 1 + n % 5, "scale": [1, 5]} for n in range(12)]
    rated.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = go("conditional", tiny_folder, tmp_path / "run", data=str(rated))
    folder = tmp_path / "run" / "checkpoints" / report["checkpoint"]
    policy = Policy.load(tiny_folder)
    bare, prompt = policy.encode(Prompt.of("<|good|>Say 1.")), Prompt.of("Say 1.")
    policy.load_tuned(folder)
    assert policy.encode(prompt) == bare
    more = go("grpo", folder, tmp_path / "more", reward="length:2-9", data=str(rated))
    lineage = tmp_path / "more" / "checkpoints" / more["checkpoint"] / "burnish.json"
    assert json.loads(lineage.read_text())["config"]["asked"] == "<|good|>{asked}"


def test_a_folder_that_holds_a_run_is_not_written_over(tiny_folder, pairs, tmp_path):
    out = tmp_path / "run"
    go("dpo", tiny_folder, out, data=str(pairs))
    with pytest.raises(InputError, match="holds a run"):
        go("dpo", tiny_folder, out, data=str(pairs))
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(InputError, match="no run of burnish wrote"):
        go("dpo", tiny_folder, other, data=str(pairs))


def test_a_model_or_a_file_that_is_not_there_is_named(tiny_folder, pairs, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        go("dpo", tmp_path / "nowhere", tmp_path / "run", data=str(pairs))
    with pytest.raises(InputError, match="there is no such file"):
        go("dpo", tiny_folder, tmp_path / "run", data=str(tmp_path / "no.jsonl"))
    with pytest.raises(InputError, match="holds no reward model"):
        go("grpo", tiny_folder, tmp_path / "run2", data=str(pairs), reward=str(tmp_path))
    assert not (tmp_path / "run2").exists()


def test_a_key_without_a_section_is_the_method_s_own():
    module = methods.load("dpo")
    found = settings_of("dpo", module, {}, ["beta=0.3", "dpo.label_smoothing=0.1", "seed=7"], "test")
    assert (found.method.beta, found.method.label_smoothing, found.run.seed) == (0.3, 0.1, 7)
    with pytest.raises(InputError, match="Did you mean 'beta'"):
        settings_of("dpo", module, {}, ["bta=0.3"], "test")


# ----------------------------------------------------------------------------------------------------- what it is given


def test_rows_that_show_are_demonstrations_and_rows_that_say_are_feedback(pairs, tmp_path):
    shown = tmp_path / "shown.jsonl"
    rows = [
        {"prompt": "Say it.", "completion": "good"},
        {"messages": [{"role": "user", "content": "Say it."}, {"role": "assistant", "content": "bad"}]},
        {"text": "raw words"},
    ]
    shown.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = material.signals_of(str(shown), None)
    assert [type(each) for each in found] == [Demonstration] * 3
    assert [each.completion.text for each in found] == ["good", "bad", "raw words"]
    assert found[0].prompt == found[1].prompt
    assert not found[2].prompt.messages
    assert all(isinstance(each, Preference) for each in material.signals_of(str(pairs), None))


def test_a_text_is_cut_at_its_paragraphs(tmp_path):
    text = tmp_path / "corpus.txt"
    text.write_text("\n\n".join(["word " * 100] * 9), "utf-8")
    found = [each.completion.text for each in material.signals_of(str(text), None)]
    assert [len(piece.split()) for piece in found] == [300, 300, 300]


def test_prompts_come_from_lines_or_json(tmp_path):
    lines, rows = tmp_path / "a.txt", tmp_path / "b.jsonl"
    lines.write_text("One?\n\nTwo?\nOne?\n")
    rows.write_text('{"prompt": "One?", "reference": "1"}\n{"prompt": [{"role": "user", "content": "Two?"}]}\n')
    one, two = material.prompts_of(str(lines), []), material.prompts_of(str(rows), [])
    assert [prompt.id for prompt in one] == [prompt.id for prompt in two]
    assert two[0].reference == "1"
    rows.write_text('{"prompt": "One?"}\n{"ask": 1}\n')
    with pytest.raises(InputError, match="line 2"):
        material.prompts_of(str(rows), [])
