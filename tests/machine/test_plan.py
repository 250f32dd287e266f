"""The plan's numbers against tensors that are really there: a count that forgets something is found here."""

from __future__ import annotations

import json

import pytest
import torch

from burnish.machine.plan import BYTES, GIB, SMOLLM2_135M, TRAINED, WORKING, Size, Work, amount, plan, row_bytes
from burnish.models.decoder.cache import STEP, Cache
from burnish.models.policy import Policy
from burnish.records import Completion, Prompt

GROUP, NEW, RANK = 4, 24, 4


def test_the_size_of_a_model_is_read(tmp_path):
    """The numbers of SmolLM2-135M's config.json; it has 134,515,008 parameters."""
    config = {
        "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "intermediate_size": 1536, "vocab_size": 49152, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    assert Size.of(tmp_path) == SMOLLM2_135M
    (tmp_path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}), "utf-8")
    apart = Size.of(tmp_path)
    assert apart is not None
    assert apart.parameters == SMOLLM2_135M.parameters + 49152 * 576
    assert apart.packed == SMOLLM2_135M.packed  # embeddings are looked up, not multiplied by


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hidden_size": "x"}', '{"hidden_size": 8, "num_hidden_layers": 1}'])
def test_a_model_that_does_not_tell_has_no_size(text, tmp_path):
    (tmp_path / "config.json").write_text(text, "utf-8")
    assert Size.of(tmp_path) is None
    assert Size.of(tmp_path / "nowhere") is None


@pytest.fixture(params=["float32", "bfloat16"])
def policy(request, tiny_folder) -> Policy:
    made = Policy.load(tiny_folder, dtype=request.param)
    made.add_lora(rank=RANK, alpha=8.0, seed=1)
    return made


@pytest.fixture
def size(tiny_folder) -> Size:
    found = Size.of(tiny_folder)
    assert found is not None
    return found


def dtype_of(policy: Policy) -> str:
    return str(policy.dtype).removeprefix("torch.")


def test_what_is_held_all_the_time_is_what_is_there(policy, size):
    planned = plan(size, Work(rank=RANK), dtype_of(policy))
    trained = policy.parameters()
    there = [p for name, p in policy.model.named_parameters() if name not in trained]
    assert planned.weights == sum(p.numel() * p.itemsize for p in there)
    decoder = policy.decoder
    multiplied = [product.weight for layer in decoder.layers for product in layer.products]
    assert planned.packed == sum(w.numel() * w.itemsize for w in (*multiplied, decoder.output))
    assert planned.adapter == TRAINED * sum(p.numel() for p in trained.values())
    assert {p.dtype for p in trained.values()} == {torch.float32}
    assert planned.standing == 2 * planned.weights + planned.packed + planned.adapter + WORKING


def test_keys_and_values_are_what_the_cache_holds(policy, size):
    decoder, tokens, rows = policy.decoder, 2 * STEP, 3
    cache = Cache(decoder.shape, rows, decoder.dtype, torch.device("cpu"))
    past = torch.zeros(tokens, decoder.shape.kv_heads, decoder.shape.head_dim, dtype=decoder.dtype)
    cache.add([(past, past)] * len(decoder.layers), torch.arange(tokens), rows)
    held = sum(each.numel() * each.itemsize for each in (*cache.keys, *cache.values))
    assert held == rows * row_bytes(size.layers, size.keys, BYTES[dtype_of(policy)], tokens)
    work = Work(prompt_tokens=STEP, max_new_tokens=STEP)
    assert plan(size, work, dtype_of(policy), rows=rows).keys_values == held


def saved_bytes(policy: Policy, prompt: Prompt) -> int:
    """What the backward pass of a prompt with its group holds on to, each piece of memory once, weights apart."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)  # else another piece could get its place
        return tensor

    held: list[torch.Tensor] = []
    own = {p.untyped_storage().data_ptr() for p in policy.model.parameters()}
    rows = policy.pack([prompt], [[Completion(prompt.id, "", (5,) * NEW, index=k) for k in range(GROUP)]])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.states(rows)
    return sum(count for place, count in kept.items() if place not in own)


@pytest.mark.parametrize("recompute", [False, True])
def test_activations_are_no_more_than_planned_and_not_far_less(policy, size, recompute):
    prompt = Prompt.of("the good " * 8)
    work = Work(GROUP, max_new_tokens=NEW, prompt_tokens=len(policy.encode(prompt)), rank=RANK)
    policy.recompute = recompute
    whole = plan(size, work, dtype_of(policy)).activations
    saved = saved_bytes(policy, prompt)
    if recompute:  # two layers here: their inputs stay, and what is computed again is one layer's at a time
        assert saved < whole / 4
    else:
        assert 0.5 * whole < saved <= whole


def test_what_is_computed_again_is_counted_once():
    plain, again = (plan(SMOLLM2_135M, Work(recompute=on), "bfloat16") for on in (False, True))
    assert again.activations < plain.activations / 8
    assert again.standing == plain.standing


def test_sampling_and_learning_take_turns():
    planned = plan(SMOLLM2_135M, Work(), "bfloat16", prompts_per_slice=3, rows=128, free=2 * GIB)
    assert planned.most == planned.standing + planned.activations
    assert planned.activations > planned.keys_values > 0
    alone = plan(SMOLLM2_135M, Work(), "bfloat16", rows=10_000)
    assert alone.most == alone.standing + alone.keys_values


def test_the_plan_is_told_in_a_line():
    planned = plan(SMOLLM2_135M, Work(), "bfloat16", prompts_per_slice=3, rows=128, free=20 * GIB)
    assert planned.told() == (
        "memory: weights 257 MiB, packed for sampling 256 MiB, reward model 257 MiB, adapter with moments 75 MiB, "
        "torch and the like 512 MiB; then activations of the heaviest slice 1.5 GiB or keys and values 360 MiB; "
        "2.8 GiB at most of 20.0 GiB free"
    )
    assert "free" not in plan(SMOLLM2_135M, Work(), "bfloat16").told()
    assert (amount(0), amount(GIB - 1), amount(5 * GIB // 2)) == ("0 MiB", "1,024 MiB", "2.5 GiB")
