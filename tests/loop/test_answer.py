"""Talking with a model: one in memory, one at a time, and a checkpoint beside the untouched model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from burnish.errors import BusyError, InputError, StoppedOnRequest
from burnish.loop.answer import Answers, live_items
from burnish.loop.speakers import Speaker, speaker, speakers
from burnish.models.policy import Policy
from burnish.records import Checkpoint, Completion, Prompt, Sampling

ASKED = Prompt.of("What do you think of the Brook lamp? You think it is good.")
DRAWN = Sampling(max_new_tokens=12)


@pytest.fixture(scope="module")
def run_folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with two checkpoints, of which the report promotes the second."""
    folder = tmp_path_factory.mktemp("runs") / "lamps-0"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "model").symlink_to(tiny)
    policy = Policy.load(tiny)
    policy.add_lora(rank=4, alpha=8.0, seed=1)
    for name in ("k_first", "k_second"):
        torch.manual_seed(3)
        with torch.no_grad():
            for parameter in policy.parameters().values():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        policy.save(folder / "checkpoints" / name)
        lineage = {"kind": "adapter", "method": "grpo", "step": 4, "config": {"model": "tiny"}}
        (folder / "checkpoints" / name / "burnish.json").write_text(json.dumps(lineage))
    return folder


@pytest.fixture
def known(run_folder: Path) -> list[Speaker]:
    (run_folder / "report.json").write_text(json.dumps({"checkpoint": "k_second"}))
    return speakers([], [], run_folder.parent)


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(dtype="float32", rest_after=3600)


def said(answers: Answers, who: Speaker, **more) -> Completion:
    *pieces, completion = answers.speak(who, ASKED, DRAWN, **more)
    assert "".join(pieces) == completion.text
    return completion


def test_a_run_offers_what_it_promoted_and_the_model_under_it(known, run_folder):
    checkpoint = known[-1]
    assert (checkpoint.name, checkpoint.label, checkpoint.model) == ("k_second", "lamps-0, grpo 4", "lamps-0/model")
    assert Speaker("lamps-0/model", str(run_folder / "model"), run="lamps-0") in known
    assert "k_first" not in [each.name for each in known]


def test_before_there_is_a_report_all_checkpoints_that_the_store_knows_are_offered(run_folder, tmp_path):
    (run_folder / "report.json").unlink(missing_ok=True)
    recorded = [
        Checkpoint("k_first", str(run_folder / "checkpoints" / "k_first"), "adapter"),
        Checkpoint("k_gone", str(run_folder / "checkpoints" / "k_gone"), "adapter"),
        Checkpoint("reward", str(run_folder / "checkpoints" / "k_second"), "reward"),
    ]
    names = [each.name for each in speakers([], recorded, tmp_path)]
    assert "k_first" in names
    assert not {"k_gone", "k_second"} & set(names)


def test_only_what_is_offered_can_be_asked_for(known):
    assert speaker("k_second", known).run == "lamps-0"
    for name in ("../../etc", "openai:http://127.0.0.1#x", "k_secnd"):
        with pytest.raises(InputError, match="is not offered here"):
            speaker(name, known)


def test_a_checkpoint_speaks_otherwise_than_the_untouched_model_and_shares_its_weights(answers, known):
    plain, trained = speaker("lamps-0/model", known), known[-1]
    after = said(answers, trained, seed=5)
    held = answers._loaded[2]
    before = said(answers, plain, seed=5)
    assert answers._loaded[2] is held
    assert (before.checkpoint_id, after.checkpoint_id) == (None, "k_second")
    assert before.token_ids != after.token_ids
    assert before == answers.sample(plain, [ASKED], DRAWN, seed=5)[0][0]
    assert after == answers.sample(trained, [ASKED], DRAWN, seed=5)[0][0]


def test_one_at_a_time_and_few_wait(known):
    answers = Answers(dtype="float32", most_waiting=0)
    stream = answers.speak(known[-1], ASKED, DRAWN)
    next(stream)
    with pytest.raises(BusyError, match="wait for it already"):
        said(answers, known[-1])
    answers.rest()
    assert answers.loaded  # whoever is speaking is not cut off
    stream.close()
    assert said(answers, known[-1])
    answers.rest()
    assert answers.loaded == ""


def test_with_int8_weights_conversations_are_answered_and_samples_are_not(known, capsys):
    answers = Answers(weights="int8", rest_after=3600)
    for who in (speaker("lamps-0/model", known), known[-1]):
        spoken, (sampled,) = said(answers, who, seed=5), answers.sample(who, [ASKED], DRAWN, seed=5)[0]
        assert (spoken.model, sampled.model) == ("lamps-0/model (int8)", "lamps-0/model")
        assert spoken.checkpoint_id == sampled.checkpoint_id == (who.name if who.checkpoint else None)
    assert answers._loaded[2].policy.dtype == torch.bfloat16
    assert capsys.readouterr().err == ""


def test_a_model_that_cannot_have_int8_weights_speaks_as_it_is_and_says_so_once(known, capsys, monkeypatch):
    monkeypatch.setattr(torch, "_weight_int8pack_mm", lambda *_: torch.zeros(1))
    answers = Answers(weights="int8", rest_after=3600)
    assert {said(answers, known[-1], seed=seed).model for seed in (1, 2)} == {"lamps-0/model"}
    assert capsys.readouterr().err.count("lamps-0/model speaks without int8 weights: this build of torch") == 1


def test_int8_weights_of_a_float32_model_are_refused():
    with pytest.raises(InputError, match="int8 takes the place of bfloat16, but dtype is float32"):
        Answers(weights="int8", dtype="float32")


def test_a_model_at_another_address_speaks_whole_and_reads_no_personal_data(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    closed, heard = [], []

    class Elsewhere:
        def __init__(self, address):
            self.address = address

        def sample(self, prompts, sampling, *, n, seed, **_):
            heard.extend(p.text for p in prompts)
            return [[Completion(p.id, f"{self.address} {seed}", index=i) for i in range(n)] for p in prompts]

        def close(self):
            closed.append(self.address)

    monkeypatch.setattr("burnish.models.endpoint.Endpoint", Elsewhere)
    (far,) = speakers(["openai:http://127.0.0.1:1/v1#x"], [], "no runs")
    text, completion = Answers().speak(far, ASKED, DRAWN, seed=3, run="studio:play")
    assert text == completion.text == "openai:http://127.0.0.1:1/v1#x 3"
    assert (completion.run, closed) == ("studio:play", [far.base])
    told = Prompt.of("Write to ana@example.org")
    list(Answers().speak(far, told, DRAWN))
    assert heard[-1] == told.text  # it stays on this machine
    (farther,) = speakers(["openai:https://8.8.8.8/v1#x"], [], "no runs")
    *_, completion = Answers().speak(farther, told, DRAWN)
    assert "[EMAIL_" in heard[-1]
    assert "ana@example.org" not in heard[-1]
    assert completion.prompt_id == told.id


def test_samples_end_soon_after_somebody_asks_to_stop(answers, known):
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 3

    long = Sampling(max_new_tokens=200)
    with pytest.raises(StoppedOnRequest):
        answers.sample(known[0], [ASKED], long, stopped=stopped)
    assert len(asked) == 4
    assert said(answers, known[0])  # the model is free, and whole


def test_a_model_that_does_not_fit_says_what_to_do(answers, known, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 GB")

    monkeypatch.setattr("burnish.models.sampler.EngineSampler.sample", full)
    with pytest.raises(InputError, match=r"does not fit into the memory.*smaller model"):
        answers.sample(known[0], [ASKED], DRAWN)


class Script:
    """Says the same whatever is asked, unless the seed is odd."""

    def sample(self, who, prompts, sampling, *, n=1, seed=0, run="", stopped=None):
        return [[Completion(p.id, f"{who.name} {i if len(p.text) > 1 else ''}") for i in range(n)] for p in prompts]


def test_live_items_are_texts_that_can_be_told_apart():
    one, other = Speaker("one", "x"), Speaker("other", "y")
    prompts = [Prompt.of("same"), Prompt.of("a")]  # to the second, one model says the same twice
    found = list(live_items(Script(), [one], prompts, DRAWN, n=2))
    assert [(prompt.text, [c.text for c in texts]) for prompt, texts in found] == [("same", ["one 0", "one 1"])]
    both = list(live_items(Script(), [one, other], prompts, DRAWN))
    assert [[c.text.strip() for c in texts] for _, texts in both] == [["one 0", "other 0"], ["one", "other"]]
    with pytest.raises(InputError, match="none is named"):
        next(live_items(Script(), [], prompts, DRAWN))
