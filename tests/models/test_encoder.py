"""An encoder under reward heads: read, tuned, saved and loaded as a policy is, and told apart where it must be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from burnish.errors import InputError
from burnish.examples import Row
from burnish.loop.headed_folder import headed_in
from burnish.models import encoder, small
from burnish.models.headed import HeadedPolicy
from burnish.models.merge import merge_adapter
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, FinishReason, Prompt, Sampling

TEXTS = ["the good and the bad lamp", "a rose is red", "hello there"] * 3
ASKED = [Prompt.of("Say it."), Prompt.of("Say it, and say it well.")]
SAID = ["the good lamp", "a rose is red, and the lamp is not", "bad"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("encoder")
    small.make(where, kind="encoder", texts=TEXTS, vocabulary=270, hidden=32, layers=2, scale=0.5, longest=60, seed=3)
    return where


def network_of(folder: Path, kind: str = "full", heads: int = 3) -> HeadedPolicy:
    policy = encoder.load(folder)
    policy.adapt(TuningConfig(kind, rank=4, target_rank=2), seed=1)
    return HeadedPolicy(policy, heads={"reward": heads}, speaks=False, seed=1)


def rows(*pairs: tuple[Prompt, str]) -> list[Row]:
    return [Row(prompt, Completion(prompt.id, text)) for prompt, text in pairs]


def scores(network: HeadedPolicy) -> list[tuple[float, ...]]:
    prompts = [prompt for prompt in ASKED for _ in SAID]
    return [each.members for each in network.score(prompts, [Completion(p.id, t) for p in ASKED for t in SAID])]


# ----------------------------------------------------------------------------------------------------------- reading


def test_a_completion_is_rated_alone_as_beside_others_of_its_prompt(folder):
    """Two completions of one prompt, which a causal model would let share it; and at any width."""
    network = network_of(folder)
    every = rows(*((prompt, text) for prompt in ASKED for text in SAID))
    with torch.no_grad():
        together = network.outputs(network.inputs(every, 40))
        for number, row in enumerate(every):
            count = len(network.tokens(row))
            alone = network.outputs(network.inputs([row], count))
            assert torch.allclose(together.rewards_BK[number], alone.rewards_BK[0], atol=1e-5)
            assert torch.allclose(together.token_rewards_BTK[number, :count], alone.token_rewards_BTK[0], atol=1e-5)
            assert together.token_rewards_BTK[number, count:].eq(0).all()


def test_the_reward_is_the_mean_reading_of_the_completion_s_tokens(folder):
    network = network_of(folder)
    (row,) = rows((ASKED[0], SAID[0]))
    found = network.outputs(network.inputs([row], 20))
    count = len(network.tokens(row))
    assert torch.allclose(found.rewards_BK[0], found.token_rewards_BTK[0, :count].mean(0), atol=1e-6)
    assert network.outputs(network.inputs(rows((ASKED[1], SAID[0])), 20)).rewards_BK.ne(found.rewards_BK).all()


def test_token_ids_of_the_model_that_drew_are_passed_over(folder):
    network = network_of(folder)
    end = network.policy.tokenizer.eos_token_id
    drawn = Row(ASKED[0], Completion("p", SAID[0], (7, 9_999), finish_reason=FinishReason.STOP), fresh=True)
    assert network.tokens(drawn) == network.tokens(rows((ASKED[0], SAID[0]))[0])
    assert network.tokens(drawn)[-1] == end
    assert len(network.token_places(drawn)) == len(network.tokens(drawn))


def test_what_is_longer_than_the_encoder_is_cut(folder):
    network = network_of(folder)
    assert network.max_tokens == 59
    long = Prompt.of("and more " * 50)
    for fresh in (False, True):
        row = Row(long, Completion(long.id, "the lamp " * 50), fresh=fresh)
        assert network.length(row) == 60
        assert torch.isfinite(network.outputs(network.inputs([row], 59)).rewards_BK).all()


# ----------------------------------------------------------------------------------------------------- what it is not


def test_it_neither_speaks_nor_holds_other_heads(folder):
    with pytest.raises(InputError, match="reads and never speaks"):
        HeadedPolicy(encoder.load(folder), heads={"reward": 1})
    with pytest.raises(InputError, match="reads and never speaks"):
        HeadedPolicy(encoder.load(folder), heads={"value": 1}, speaks=False)
    with pytest.raises(InputError, match="Draw completions from a model that does"):
        network_of(folder).sampler().sample(ASKED, Sampling())
    with pytest.raises(InputError, match="no keys and values before it"):
        network_of(folder, "prefix")


def test_a_folder_with_weights_missing_is_refused(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    for file in folder.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    kept = {name: each for name, each in load_file(folder / "model.safetensors").items() if "layer.1" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="of the encoder's weights are not there"):
        encoder.load(tmp_path)


# ------------------------------------------------------------------------------------------------- trained and saved


@pytest.mark.parametrize("kind", ["full", "lora", "bottleneck", "ia3", "adalora"])
def test_what_is_saved_scores_the_same_to_the_bit(kind, folder, tmp_path):
    network = network_of(folder, kind)
    untrained = scores(network)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters().values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    network.save(tmp_path)
    again = headed_in(tmp_path, folder, name="again", dtype="float32")
    assert scores(again) == scores(network) != untrained
    assert again.max_tokens == 59


def test_all_of_it_is_trained_by_what_it_reads(folder):
    """No weight is left without a gradient: the pooler and the classification head are not there."""
    network = network_of(folder)
    network.outputs(network.inputs(rows((ASKED[0], SAID[0])), 20)).rewards_BK.sum().backward()
    assert {name for name, each in network.parameters().items() if each.grad is None} == set()


def test_lora_is_merged_with_the_encoder_that_it_stands_on(folder, tmp_path):
    network = network_of(folder, "lora")
    with torch.no_grad():
        for parameter in network.policy.parameters().values():
            parameter += 0.1
    network.save(tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    merge_adapter(folder, tmp_path / "adapter", tmp_path / "merged")
    merged = HeadedPolicy(encoder.load(tmp_path / "merged"), heads={"reward": 3}, speaks=False, seed=1)
    for one, other in zip(scores(merged), scores(network), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["burnish_kind"] == "encoder"
