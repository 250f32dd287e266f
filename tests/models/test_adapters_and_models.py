"""What is trained of which model: the parts that are chosen, models of other kinds, decay and dropout, mistakes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.models.test_adapters import CONFIGS, DRAWN, PROMPTS, ROWS, a_gpt2, adapt, disturbed, logprobs
from transformers import AutoModelForCausalLM

from burnish.errors import InputError
from burnish.models import small
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.tuning import TuningConfig
from burnish.training.optimiser import Optimiser, OptimiserConfig

# ------------------------------------------------------------------------------------------------- which are trained


def test_the_top_layer_and_names_choose_what_trains(tiny_folder):
    def trained(config: TuningConfig) -> set[str]:
        policy = Policy.load(tiny_folder)
        policy.adapt(config)
        return set(policy.parameters())

    top = trained(TuningConfig("layers", top=1))
    assert len(top) == 9
    assert all(name.startswith("model.layers.1.") for name in top)
    both = trained(TuningConfig("layers", top=1, patterns=(r"layers\.0\.mlp",)))
    assert both == top | {f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
    assert trained(TuningConfig("full")) == {name for name, _ in Policy.load(tiny_folder).model.named_parameters()}


def test_weights_are_trained_in_float32(tiny_folder):
    policy = Policy.load(tiny_folder, dtype="bfloat16")
    policy.adapt(CONFIGS["top layer"])
    assert {p.dtype for p in policy.model.parameters()} == {torch.float32}
    assert policy.statistics(ROWS, temperature=1.0, reference=True).kl.eq(0).all()


@pytest.mark.parametrize("kind", ["lora", "adalora", "ia3", "prefix", "bottleneck"])
def test_in_bfloat16_the_adapter_is_float32_and_the_sampler_near(kind, tiny_folder):
    policy = Policy.load(tiny_folder, dtype="bfloat16")
    policy.adapt(CONFIGS[kind], seed=1)
    assert {p.dtype for p in policy.parameters().values()} == {torch.float32}
    disturbed(policy, 0.05)
    groups = EngineSampler(policy).sample(PROMPTS, DRAWN, n=3)
    sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    found = policy.statistics(policy.pack(PROMPTS, groups), temperature=0.8, reference=False).logprobs
    found.sum().backward()
    assert (sampled - found.detach()).abs().mean() < 0.05


# --------------------------------------------------------------------------------------------- other kinds of models


@pytest.mark.parametrize("kind", ["lora", "ia3", "prefix", "bottleneck", "top layer", "full"])
def test_on_a_model_of_the_general_path(kind, policy, tmp_path):
    gpt2 = a_gpt2(policy)
    before = logprobs(gpt2)
    adapt(gpt2, kind)
    disturbed(gpt2)
    assert (logprobs(gpt2) - before).abs().max() > 0.05
    assert torch.allclose(logprobs(gpt2, reference=True), before, atol=1e-5)
    groups = EngineSampler(gpt2).sample(PROMPTS, DRAWN, n=2)
    sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    with torch.no_grad():
        found = gpt2.statistics(gpt2.pack(PROMPTS, groups), temperature=0.8, reference=False)
    assert torch.allclose(sampled, found.logprobs, atol=1e-4)


@pytest.mark.parametrize(
    ("speaker", "config", "said"),
    [
        ("gru", CONFIGS["lora"], "no linear layers"),
        ("gru", CONFIGS["adalora"], "no linear layers"),
        ("gru", CONFIGS["ia3"], "no linear layers"),
        ("gru", CONFIGS["prefix"], "a prefix has no place"),
        ("gru", CONFIGS["bottleneck"], "keeps no list of layers"),
        ("encoder_decoder", CONFIGS["prefix"], "a prefix has no place"),
        ("gru", TuningConfig("layers", top=3), "3 layers, but the model has 2"),
        ("gru", TuningConfig("layers", patterns=("nowhere",)), "no parameter's name"),
    ],
)  # fmt: skip
def test_what_has_no_place_is_refused(speaker, config, said, tmp_path):
    small.make(tmp_path, kind=speaker, texts=["a"], vocabulary=270, hidden=8, layers=2)
    with pytest.raises(InputError, match=said):
        Policy.load(tmp_path).adapt(config)


@pytest.mark.parametrize(
    ("speaker", "config", "count"),
    [
        ("gru", TuningConfig("layers", top=1), 4),
        ("lstm", TuningConfig("full"), 9),
        ("encoder_decoder", TuningConfig("full"), 29),
        ("encoder_decoder", CONFIGS["adalora"], 9),
        ("encoder_decoder", CONFIGS["ia3"], 3),
    ],
)
def test_small_models_are_trained_in_part_or_whole(speaker, config, count, tmp_path):
    small.make(tmp_path / "model", kind=speaker, texts=["a"], vocabulary=270, hidden=8, layers=2, scale=0.5)
    policy = Policy.load(tmp_path / "model")
    before = logprobs(policy)
    policy.adapt(config)
    assert len(policy.parameters()) == count
    disturbed(policy)
    assert (logprobs(policy) - before).abs().max() > 0.01
    assert torch.allclose(logprobs(policy, reference=True), before, atol=1e-6)
    (tmp_path / "saved").mkdir()
    policy.save(tmp_path / "saved")
    other = Policy.load(tmp_path / "model")
    other.load_tuned(tmp_path / "saved")
    assert torch.equal(logprobs(other), logprobs(policy))


# --------------------------------------------------------------------------------------------------------- mistakes


def test_one_thing_is_trained_at_a_time(policy):
    policy.adapt(CONFIGS["ia3"])
    with pytest.raises(InputError, match="has its ia3 already"):
        policy.add_lora(rank=2, alpha=4.0, seed=0)


@pytest.mark.parametrize(("kind", "decayed"), [
    ("lora", {"lora_A", "lora_B"}), ("adalora", {"lora_A", "lora_B"}), ("ia3", set()),
    ("bottleneck", {"down", "up"}), ("norms", set()),
])  # fmt: skip
def test_weight_decay_draws_no_factor_norm_or_bias_to_zero(policy, kind, decayed):
    """Whatever its shape: IA3's factors are (1, n) and (n, 1), AdaLoRA's singular values (r, 1)."""
    policy.adapt(CONFIGS[kind], seed=1)
    disturbed(policy)
    before = {name: parameter.detach().clone() for name, parameter in policy.parameters().items()}
    optimiser = Optimiser(policy.parameters(), OptimiserConfig(weight_decay=0.5))
    for parameter in policy.parameters().values():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(0.1)
    for name, parameter in policy.parameters().items():
        shrinks = not name.endswith("bias") and any(part in name.split(".") for part in decayed)
        assert torch.allclose(parameter, before[name] * (0.95 if shrinks else 1.0)), name


def test_dropout_is_on_only_where_it_is_asked_for(policy):
    """GPT-like dropout of the general path; the generator of others is left alone."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with policy.noisy(1):
        assert policy.model.training
    assert not policy.model.training
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("kind", ["lora", "adalora"])
def test_an_adapter_drops_what_goes_into_it_only_where_it_is_asked_for(kind, policy, tmp_path):
    """Our own decoder knows no dropout: while it is on the model takes the general path, else never."""
    policy.model.config.attention_dropout = 0.0
    policy.adapt(dataclasses.replace(CONFIGS[kind], dropout=0.5), seed=1)
    disturbed(policy)

    def said(seed: int) -> torch.Tensor:
        with policy.noisy(seed), torch.no_grad():
            return policy.states(ROWS)

    still = policy.states(ROWS)
    assert torch.equal(policy.states(ROWS), still)
    assert torch.equal(said(1), said(1))
    assert not torch.allclose(said(1), said(2), atol=1e-3)
    assert not torch.allclose(said(1), still, atol=1e-3)
    policy.save(tmp_path)
    again = Policy(AutoModelForCausalLM.from_config(policy.model.config), policy.tokenizer, name="", dtype=policy.dtype)
    again.load_tuned(tmp_path)
    assert again.tuning == policy.tuning


def test_an_adapter_that_drops_nothing_learns_as_before_by_our_own_decoder(policy):
    policy.model.config.attention_dropout = 0.0
    policy.adapt(CONFIGS["lora"], seed=1)
    disturbed(policy)
    with policy.noisy(1):
        assert torch.equal(policy.states(ROWS), policy.states(ROWS))
        assert not policy._dropping
