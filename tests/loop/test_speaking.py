"""A checkpoint speaks as it was trained to speak, wherever it does, and nobody speaks for it who cannot."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from burnish import methods
from burnish.errors import InputError
from burnish.examples import Row
from burnish.loop import train
from burnish.loop.answer import Answers
from burnish.loop.headed_folder import headed_in
from burnish.loop.rewards_by_name import reward_of
from burnish.loop.speakers import speaker, speakers
from burnish.loop.speaking import sampler_in
from burnish.loop.train_options import TrainOptions
from burnish.loop.train_settings import settings_of
from burnish.models.headed import HEADS_FILE, HeadedPolicy
from burnish.models.merge import merge_adapter
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.tuning import TuningConfig
from burnish.records import Prompt, Sampling

ASKED = [Prompt.of("Say 3."), Prompt.of("the good")]
DRAWN = Sampling(max_new_tokens=8)
SETS = ["course.steps=2", "look.every=0", "optimiser.warmup_steps=1", "optimiser.learning_rate=0.02",
        "sampling.max_new_tokens=4", "course.prompts_per_step=2", "course.group=2", "adapter.rank=4"]  # fmt: skip
OWN = {"ilql": ["tilt=20.0", "slow=0.5"], "dqn": ["backup=soft", "temperature=0.05"]}
PAGES = Path(__file__).resolve().parents[2] / "docs" / "methods"


@pytest.fixture(scope="module")
def runs(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/ilql-0 and runs/dqn-0, each two steps on the tiny model."""
    where = tmp_path_factory.mktemp("trained")
    rows = [{"prompt": f"Say {n}.", "completion": f"the good {n}", "rating": n % 5 + 1, "scale": [1, 5]}
            for n in range(12)]  # fmt: skip
    (where / "rated.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (where / "asked.txt").write_text("".join(f"Say {n}.\n" for n in range(12)), "utf-8")
    given = {
        "ilql": {"data": str(where / "rated.jsonl")},
        "dqn": {"prompts": str(where / "asked.txt"), "reward": "length:2-9"},
    }
    for name, how in given.items():
        settings = settings_of(name, methods.load(name), {"model": str(tiny_folder)}, [*SETS, *OWN[name]], "test")
        train.train(TrainOptions(out=where / "runs" / f"{name}-0", **how), settings, methods.load(name))
    return where / "runs"


def checkpoint_of(runs: Path, name: str) -> Path:
    report = json.loads((runs / f"{name}-0" / "report.json").read_text("utf-8"))
    return runs / f"{name}-0" / "checkpoints" / report["checkpoint"]


def by_hand(name: str, checkpoint: Path, base: Path, completion, **changes: float) -> torch.Tensor:
    """Return the log-prob of each token under the method's formula, from the heads and logits that training reads."""
    network = headed_in(checkpoint, base, name="t", dtype="float32")
    settings = json.loads((checkpoint / "burnish.json").read_text("utf-8"))["config"][name] | changes
    ids = torch.tensor(completion.token_ids)
    prompt = next(prompt for prompt in ASKED if prompt.id == completion.prompt_id)
    inputs = network.inputs([Row(prompt, completion, fresh=True)], len(ids))
    with torch.no_grad():
        logits_TV = network.policy.states(inputs.rows) @ network.policy.output_matrix().T
        read = network.outputs(inputs)
    if name == "ilql":
        advantage_TV = read.q_BTKV[0].amin(1) - read.values_BT[0][:, None]
        logits_TV = logits_TV.log_softmax(-1) + settings["tilt"] * advantage_TV
    else:
        logits_TV = read.q_BTKV[0][:, 0] / settings["temperature"]
    return logits_TV.log_softmax(-1).gather(1, ids[:, None])[:, 0]


@pytest.mark.parametrize("name", ["ilql", "dqn"])
def test_a_checkpoint_says_how_it_is_decoded_and_the_studio_decodes_it_so(name, runs, tiny_folder):
    checkpoint = checkpoint_of(runs, name)
    assert json.loads((checkpoint / "burnish.json").read_text("utf-8"))["config"]["decoded"] == name
    answers, known = Answers(dtype="float32", rest_after=3600), speakers([], [], runs)
    trained, untouched = speaker(checkpoint.name, known), speaker(tiny_folder.name, known)
    groups = answers.sample(trained, ASKED, DRAWN, n=2, seed=5)
    for said in (each for group in groups for each in group):
        assert said.logprobs == pytest.approx(by_hand(name, checkpoint, tiny_folder, said).tolist(), abs=1e-4)
        assert said.checkpoint_id == checkpoint.name
    *pieces, streamed = answers.speak(trained, ASKED[0], DRAWN, seed=5)
    assert ("".join(pieces), streamed.token_ids) == (groups[0][0].text, groups[0][0].token_ids)
    plain = EngineSampler(Policy.load(tiny_folder)).sample(ASKED, DRAWN, n=2, seed=5)
    before = answers.sample(untouched, ASKED, DRAWN, n=2, seed=5)
    assert [c.token_ids for g in before for c in g] == [c.token_ids for g in plain for c in g]
    assert [c.token_ids for g in groups for c in g] != [c.token_ids for g in plain for c in g]


def test_weights_that_were_trained_with_heads_speak_on_the_model_that_they_were(runs, tiny_folder, tmp_path):
    """Whole weights look like a model of their own; named to the studio, they are still a checkpoint."""
    whole = tmp_path / "k_whole"
    trained = Policy.load(tiny_folder)
    trained.adapt(TuningConfig("full"))
    whole.mkdir()
    HeadedPolicy(trained, heads={"value": 1, "q": 2}, seed=1).save(whole)
    shutil.copy(checkpoint_of(runs, "ilql") / "burnish.json", whole)
    who = speaker("k_whole", speakers([str(whole)], [], tmp_path / "no runs"))
    assert (who.base, who.checkpoint) == (str(tiny_folder), str(whole))
    assert Answers(dtype="float32").sample(who, ASKED[:1], DRAWN)[0][0].checkpoint_id == "k_whole"


def test_from_python_a_run_s_folder_is_enough_and_the_tilt_is_chosen_there(runs, tiny_folder):
    checkpoint = checkpoint_of(runs, "ilql")
    (said,) = sampler_in(runs / "ilql-0").sample(ASKED[:1], DRAWN, seed=1)[0]
    assert said == sampler_in(checkpoint).sample(ASKED[:1], DRAWN, seed=1)[0][0]
    (imitated,) = sampler_in(checkpoint, tilt=0.0).sample(ASKED[:1], DRAWN, seed=1)[0]
    alone = by_hand("ilql", checkpoint, tiny_folder, imitated, tilt=0.0)
    assert imitated.logprobs == pytest.approx(alone.tolist(), abs=1e-4)
    assert imitated.logprobs != pytest.approx(by_hand("ilql", checkpoint, tiny_folder, imitated).tolist(), abs=1e-2)
    with pytest.raises(InputError, match="tlt"):
        sampler_in(checkpoint, tlt=2.0)


def test_who_cannot_decode_it_refuses_it(runs, tiny_folder, tmp_path):
    checkpoint = checkpoint_of(runs, "ilql")
    wanted = "speaks by the values that ilql has taught its heads"
    policy = Policy.load(tiny_folder)
    policy.load_tuned(checkpoint)
    with pytest.raises(InputError, match=wanted):
        EngineSampler(policy)
    assert EngineSampler(policy, adapter=False).sample(ASKED[:1], DRAWN)
    with pytest.raises(InputError, match=wanted):
        merge_adapter(tiny_folder, checkpoint, tmp_path)
    with pytest.raises(InputError, match=wanted):
        Policy.load(checkpoint)
    settings = settings_of("sft", methods.load("sft"), {"model": str(checkpoint)}, [], "test")
    with pytest.raises(InputError, match=wanted):
        train.train(TrainOptions(out=tmp_path / "on", data="x.jsonl"), settings, methods.load("sft"))
    assert not (tmp_path / "on").exists()
    with pytest.raises(InputError, match="whose heads are no reward"):
        reward_of(str(checkpoint), "float32")


def test_a_checkpoint_without_what_decodes_it_is_refused(runs, tmp_path):
    whole = checkpoint_of(runs, "dqn")
    bare = tmp_path / "bare"
    shutil.copytree(whole, bare)
    (bare / HEADS_FILE).unlink()
    with pytest.raises(InputError, match="it has no head 'q'"):
        sampler_in(bare)
    silent = tmp_path / "silent"
    shutil.copytree(whole, silent)
    lineage = json.loads((silent / "burnish.json").read_text("utf-8"))
    del lineage["config"]["decoded"]
    (silent / "burnish.json").write_text(json.dumps(lineage), "utf-8")
    with pytest.raises(InputError, match="does not say how it is decoded"):
        sampler_in(silent)
    with pytest.raises(InputError, match="no checkpoint of a policy"):
        sampler_in(tmp_path)


@pytest.mark.parametrize("name", ["ilql", "dqn"])
def test_the_page_shows_how_from_python(name, runs, monkeypatch, capsys):
    monkeypatch.chdir(runs.parent)
    page = (PAGES / f"{name}.md").read_text("utf-8")
    (code,) = re.findall(r"^```python after training\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, f"{name}.md", "exec"), {})
    assert capsys.readouterr().out.strip()
