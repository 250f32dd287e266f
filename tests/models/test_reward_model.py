import dataclasses
import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from burnish.errors import InputError
from burnish.loop.recipe import BackboneSettings
from burnish.models.reward_model import SHARED, RewardModel, RewardModelConfig, by_length

CONFIG = RewardModelConfig(template="Review: {text}\nIt is very", layers=2, frozen=1, rank=2, heads=3, max_tokens=40)
TEXTS = ["good", "the bad lamp is in the garden", "a", "", "the good and the bad, and then a good deal more of it all"]


def made(folder, *, dtype="float32", seed=0, moved=True, **changes) -> RewardModel:
    """A reward model whose every trained weight was moved from where it started."""
    model = RewardModel.fresh(folder, dataclasses.replace(CONFIG, **changes), dtype=dtype, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters().values() if moved else ():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def by_transformers(folder, model: RewardModel, texts=TEXTS) -> torch.Tensor:
    """What anybody gets who loads the saved folder."""
    whole = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = [model.encode(text) for text in texts]
    width = max(map(len, encoded))
    pad = whole.config.pad_token_id
    ids = torch.tensor([each + [pad] * (width - len(each)) for each in encoded])
    mask = torch.tensor([[1] * len(each) + [0] * (width - len(each)) for each in encoded])
    with torch.no_grad():
        return whole(input_ids=ids, attention_mask=mask).logits.float()


# --------------------------------------------------------------------------------------------------------- template


def decoded(model: RewardModel, *asked: str) -> str:
    return model.tokenizer.decode(model.encode(*asked))


def test_the_text_stands_in_its_template(tiny_folder):
    assert decoded(made(tiny_folder), "the good lamp") == "Review: the good lamp\nIt is very"
    model = made(tiny_folder, template="{prompt} -> {text}. So?")
    assert decoded(model, "good", "the lamp?") == "the lamp? -> good. So?"
    assert decoded(model, "say {prompt}", "say {text}") == "say {text} -> say {prompt}. So?"  # filled in once


def test_a_long_text_loses_its_end_and_never_the_template(tiny_folder):
    model = made(tiny_folder)
    long = "the good lamp " * 40
    assert len(model.encode(long)) == 40
    found = decoded(model, long)
    assert found.startswith("Review: the good lamp the good lamp")
    assert found.endswith("\nIt is very")


def test_a_long_prompt_keeps_its_end_and_leaves_room_for_the_text(tiny_folder):
    model = made(tiny_folder, template="Asked: {prompt}\nAnswer: {text}\nIt is", max_tokens=60)
    found = decoded(model, "good lamp", "a b c d e f g " * 20 + "the end")
    assert "the end\nAnswer: good lamp\nIt is" in found
    assert len(model.encode("good lamp " * 30, "a b c d e f g " * 20)) == 60


def test_a_template_that_leaves_no_room_is_refused(tiny_folder):
    model = made(tiny_folder, max_tokens=5)
    with pytest.raises(InputError, match="nothing of the text would be seen"):
        model.encode("good")


# ---------------------------------------------------------------------------------------------------------- forward


@pytest.mark.parametrize("frozen", [0, 1, 2])
@pytest.mark.parametrize("trains", ["lora", "top", "heads"])
def test_outputs_from_kept_activations_are_what_transformers_says_of_the_saved_folder(
    tiny_folder, tmp_path, trains, frozen
):
    model = made(tiny_folder, trains=trains, frozen=frozen)
    with torch.no_grad():
        found = model.outputs(model.activations([model.encode(text) for text in TEXTS])).rewards_BK
    model.save(tmp_path)
    assert found.shape == (5, 3)
    assert found.std() > 0.05
    assert torch.allclose(found, by_transformers(tmp_path, model), atol=1e-4)
    assert torch.allclose(RewardModel.load(tmp_path, dtype="float32").predict(TEXTS), found, atol=1e-5)


def test_fewer_layers_are_used_and_saved(tiny_folder, tmp_path):
    model = made(tiny_folder, layers=1, frozen=0)
    model.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["num_hidden_layers"] == 1
    assert not any("layers.1." in name for name in load_file(tmp_path / "model.safetensors"))
    assert torch.allclose(model.predict(TEXTS), by_transformers(tmp_path, model), atol=1e-4)


def test_company_changes_nothing_and_the_order_is_kept(tiny_folder):
    model = made(tiny_folder)
    together = model.predict(TEXTS)
    alone = torch.cat([model.predict([text]) for text in TEXTS])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(model.predict(TEXTS[::-1]), together.flip(0), atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.01


def test_the_prompt_is_seen_where_the_template_shows_it(tiny_folder):
    model = made(tiny_folder, template="{prompt} {text} is")
    assert not torch.allclose(model.predict(["good"], ["the lamp"]), model.predict(["good"], ["a"]), atol=1e-3)


def test_texts_are_batched_by_length():
    batches = by_length([[0] * n for n in (5, 1, 3, 1, 4)], 2)
    assert batches == [[1, 3], [2, 4], [0]]


def test_progress_is_told_of_every_text(tiny_folder):
    model, told = made(tiny_folder), []
    model.predict(TEXTS, advance=told.append)
    model.activations([model.encode(text) for text in TEXTS], told.append)
    assert sum(told) == 2 * len(TEXTS)


# --------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("trains", "expected"),
    [
        ("heads", {"score.weight"}),
        ("lora", {"norm.weight", "score.weight", *(f"upper.0.{p}.lora_{ab}.default.weight" for ab in "AB" for p in (
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"))}),
        ("top", {"norm.weight", "score.weight", *(f"upper.0.{p}.weight" for p in (
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
            "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"))}),
    ],
)  # fmt: skip
def test_exactly_what_was_chosen_is_trained(tiny_folder, trains, expected):
    model = made(tiny_folder, trains=trains)
    assert set(model.parameters()) == expected
    before = {**model.backbone.state_dict(), "score": model.score.weight.detach().clone()}
    frozen = {name: tensor.clone() for name, tensor in before.items() if name.startswith(("layers.0.", "embed"))}
    inputs = model.activations([model.encode(text) for text in TEXTS])
    model.outputs(inputs).rewards_BK.square().sum().backward()
    for name, parameter in model.parameters().items():
        assert parameter.grad.abs().max() > 0, name
        assert parameter.dtype == torch.float32
    assert all(torch.equal(model.backbone.state_dict()[name], tensor) for name, tensor in frozen.items())


TOLD = "the good and the bad lamp in the garden, and then a good deal more"
SIDE_BY_SIDE = {
    "a pair and others": [(TOLD, "good"), (TOLD, "the bad lamp"), (TOLD, "good"), ("", "a")],
    "all begin alike": [(f"{TOLD} {TOLD}", "good"), (f"{TOLD} {TOLD}", "bad"), (TOLD, "good"), (f"{TOLD}!", "lamp")],
}


@pytest.mark.parametrize("texts", SIDE_BY_SIDE.values(), ids=SIDE_BY_SIDE)
@pytest.mark.parametrize("frozen", [0, 1])
def test_what_texts_begin_with_is_computed_once_and_changes_nothing(tiny_folder, frozen, texts, monkeypatch):
    model = made(tiny_folder, frozen=frozen, template="{prompt} -> {text}. So?", max_tokens=360)
    inputs = model.activations([model.encode(text, prompt) for prompt, text in texts])
    ran = []
    run = RewardModel._run
    monkeypatch.setattr(RewardModel, "_run", lambda self, *given: ran.append(len(given[1])) or run(self, *given))
    gradients = []
    for together in (True, False):
        groups = [inputs] if together else [[each] for each in inputs]
        rewards = torch.cat([model.outputs(group).rewards_BK for group in groups])
        rewards.tanh().square().sum().backward()
        gradients.append(
            {name: each.grad.clone() for name, each in model.parameters().items()} | {"r": rewards.detach()}
        )
        for each in model.parameters().values():
            each.grad = None
    assert ran[0] < sum(ran[1:]) - 2 * SHARED
    for name, expected in gradients[1].items():
        assert torch.allclose(gradients[0][name], expected, atol=1e-5), name


def test_a_fresh_model_depends_on_its_seed_alone(tiny_folder):
    torch.manual_seed(5)
    one = made(tiny_folder, moved=False).state()
    torch.manual_seed(6)
    same, other = made(tiny_folder, moved=False).state(), made(tiny_folder, moved=False, seed=1).state()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["score.weight"], other["score.weight"])
    assert not torch.equal(one["score.weight"][0], one["score.weight"][1])  # heads begin apart


def test_a_fresh_lora_changes_nothing_yet(tiny_folder):
    plain = made(tiny_folder, moved=False, trains="heads")
    assert torch.allclose(made(tiny_folder, moved=False).predict(TEXTS), plain.predict(TEXTS), atol=1e-6)


def test_state_goes_back_bit_for_bit(tiny_folder):
    model = made(tiny_folder)
    kept, before = model.state(), model.predict(TEXTS)
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.add_(1.0)
    assert not torch.equal(model.predict(TEXTS), before)
    model.load_state(kept)
    assert torch.equal(model.predict(TEXTS), before)


# ---------------------------------------------------------------------------------------------------------- saving


def test_saving_merges_the_adapter_into_the_file_and_leaves_the_model_alone(tiny_folder, tmp_path):
    model = made(tiny_folder)
    kept, before = model.state(), model.predict(TEXTS)
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
        hashes.append(hashlib.sha256((tmp_path / name / "model.safetensors").read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]
    assert not any("lora" in key or "base_layer" in key for key in load_file(tmp_path / "one" / "model.safetensors"))
    assert torch.equal(model.predict(TEXTS), before)
    assert all(torch.equal(model.state()[name], tensor) for name, tensor in kept.items())
    model.outputs(model.activations([model.encode("good")])).rewards_BK.sum().backward()  # and it trains on
    assert all(parameter.grad is not None for parameter in model.parameters().values())


def test_a_loaded_model_trains_nothing_and_remembers_its_shape(tiny_folder, tmp_path):
    made(tiny_folder).save(tmp_path)
    found = RewardModel.load(tmp_path, dtype="float32")
    assert found.config == CONFIG
    assert found.parameters() == {}
    described = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert described["architectures"] == ["LlamaForSequenceClassification"]
    assert described["id2label"] == {"0": "reward_0", "1": "reward_1", "2": "reward_2"}


def test_bfloat16_is_close_to_float32_and_to_its_own_file(tiny_folder, tmp_path):
    """Within 0.05 of rewards whose spread is above 0.15; a file in bfloat16 rounds the trained weights once more."""
    exact = made(tiny_folder).predict(TEXTS)
    model = made(tiny_folder, dtype="bfloat16")
    found = model.predict(TEXTS)
    model.save(tmp_path)
    assert exact.std() > 0.15
    assert (found - exact).abs().max() < 0.05
    assert (RewardModel.load(tmp_path, dtype="bfloat16").predict(TEXTS) - found).abs().max() < 0.05
    assert load_file(tmp_path / "model.safetensors")["score.weight"].dtype == torch.bfloat16


# ---------------------------------------------------------------------------------------------------------- settings


def test_the_recipe_has_the_same_defaults():
    """`burnish run --help` must not import torch, so the recipe repeats them."""
    mine, theirs = ({f.name: f.default for f in dataclasses.fields(c)} for c in (RewardModelConfig, BackboneSettings))
    assert mine.pop("max_tokens") == 128  # the one that a recipe does not offer
    assert mine == theirs


def test_settings_that_cannot_be_are_refused(tiny_folder):
    with pytest.raises(InputError, match=r"no \{text\}"):
        RewardModelConfig(template="Review:")
    with pytest.raises(InputError, match="not between 0 and layers"):
        RewardModelConfig(layers=2, frozen=3)
    with pytest.raises(InputError, match="the model has 2"):
        made(tiny_folder, layers=3)
    for name in ("heads", "rank", "max_tokens"):
        with pytest.raises(InputError, match=name):
            RewardModelConfig(**{name: 0})
