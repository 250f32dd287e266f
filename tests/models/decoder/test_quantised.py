"""Weights of 8 bits: how far they are from what they stand for, and that nothing else of decoding changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.models.decoder.forward import Decoder, multiply
from burnish.models.decoder.quantised import LARGEST, QuantisedProducts, quantised
from burnish.models.engine import Engine, Request
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Prompt, Sampling

ROUNDING = 2**-8  # of bfloat16, relative, with one bit to spare
PROMPTS = [Prompt.of(text) for text in ("hi", "the good and the bad lamp", "a")]
SAMPLING = Sampling(temperature=0.8, max_new_tokens=12)


@pytest.fixture
def half(tiny_folder, shake) -> Policy:
    """The tiny model in bfloat16, with an adapter that is far from nothing."""
    policy = Policy.load(tiny_folder, dtype="bfloat16")
    policy.add_lora(rank=4, alpha=8.0, seed=1)
    shake(policy)
    return policy


def some_values(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


# ---------------------------------------------------------------------------------------------------------- the weights


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_every_weight_is_within_half_a_scale(rows, dtype):
    weight = torch.tensor(rows).to(dtype)
    q, scale = quantised(weight)
    assert q.dtype == torch.int8
    assert scale.dtype == torch.bfloat16
    assert q.abs().max() <= LARGEST
    error = (weight.double() - scale.double()[:, None] * q.double()).abs()
    assert (error <= 0.5 * scale.double()[:, None] * (1 + 1e-5)).all()  # the quotient is rounded to float32


def test_a_row_has_the_scale_of_its_largest_weight():
    """By hand: 127 / 127 = 1; 2 / 127 = 0.015748, which bfloat16 rounds to 0.015747; rows of nothing."""
    q, scale = quantised(torch.tensor([[127.0, -126.6, 0.4], [0.5, -2.0, 0.0], [0.0, 0.0, 0.0], [1e-38, 0.0, 0.0]]))
    assert q.tolist() == [[127, -127, 0], [32, -127, 0], [0, 0, 0], [0, 0, 0]]
    assert scale.tolist() == [1.0, pytest.approx(0.015747, abs=1e-6), 1.0, 1.0]


# --------------------------------------------------------------------------------------------------------- the products


def as_stated(product, low, x, plus) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x W^T + b + low(x) + plus in float64, and the sum of what is added up, unsigned."""
    x, weight = x.double(), product.weight.double()
    terms = [x @ weight.T]
    sizes = [x.abs() @ weight.abs().T]
    if product.bias is not None:
        terms.append(product.bias.double().expand_as(terms[0]))
    if low is not None:
        terms.append(x @ low.down.double().T @ low.up.double().T)
    if plus is not None:
        terms.append(plus.double())
    return sum(terms), sum((each.abs() for each in terms[1:]), sizes[0])


@pytest.mark.parametrize("biases", [False, True])
def test_products_are_as_far_from_exact_ones_as_their_weights_are(half, make_model, biases):
    """|y - y*| <= sum_i |x_i| s_o / 2 + what bfloat16 rounds of all that is added up."""
    adapter = half.decoder.adapter("default")
    decoder = half.decoder
    if biases:
        model = make_model(half.tokenizer, attention_bias=True, mlp_bias=True).bfloat16().requires_grad_(False)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(some_values(7, *parameter.shape))
        decoder = Decoder(model)
    int8 = QuantisedProducts(decoder)
    with torch.inference_mode():
        for rows in (1, 5):
            for product, part in zip(decoder.layers[1].products, adapter[1], strict=True):
                x = some_values(rows, rows, product.weight.shape[1])
                added = some_values(9, rows, product.weight.shape[0])
                _, scale = int8.weights[id(product)]
                by_weights = x.double().abs().sum(dim=1, keepdim=True) * scale.double() / 2
                for low, plus in ((None, None), (part, None), (None, added), (part, added)):
                    exact, size = as_stated(product, low, x, plus)
                    error = (int8(product, low, x, plus).double() - exact).abs()
                    assert (error <= by_weights + 4 * ROUNDING * size).all()
                    assert error.max() > 0
                plain, _ = as_stated(product, None, x, None)
                whole, _ = as_stated(product, part, x, added)
                assert (whole - plain).abs().max() > 10 * by_weights.max()  # an adapter left out would be seen


def test_company_changes_no_product(half):
    int8 = QuantisedProducts(half.decoder)
    product, x = half.decoder.layers[0].gate_up, some_values(3, 20, 48)
    with torch.inference_mode():
        together = int8(product, None, x)
        for rows in (1, 2, 7):
            assert torch.allclose(int8(product, None, x[:rows]), together[:rows], rtol=2 * ROUNDING, atol=1e-3)


def test_logits_are_near_and_capped_where_the_model_caps_them(half):
    decoder = half.decoder
    int8, states = QuantisedProducts(decoder), some_values(4, 3, 48)
    with torch.inference_mode():
        assert (int8.logits(states).float() - decoder.logits(states)).abs().max() < 0.1
        decoder.shape = replace(decoder.shape, logit_cap=1.5)
        capped = int8.logits(states)
        assert capped.dtype == torch.float32
        assert (capped - decoder.logits(states)).abs().max() < 0.1
        assert 1.0 < capped.abs().max() <= 1.5


# -------------------------------------------------------------------------------------------------------- the decoding


def recomputed(policy: Policy, groups) -> Any:
    with torch.no_grad():
        return policy.statistics(policy.pack(PROMPTS, groups), temperature=0.8, reference=True)


def gap_of(policy: Policy, groups) -> torch.Tensor:
    said = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    return (said - recomputed(policy, groups).logprobs).abs()


def test_log_probs_are_near_those_of_the_policy_and_its_adapter_is_felt(half):
    """Mean |difference| of 144 tokens in nats: 0.036 by int8, 0.019 by bfloat16 alone, 1.6 without the adapter."""
    plain = EngineSampler(half).sample(PROMPTS, SAMPLING, n=4)
    groups = EngineSampler(half, weights="int8").sample(PROMPTS, SAMPLING, n=4)
    found = recomputed(half, groups)
    assert gap_of(half, plain).mean() < gap_of(half, groups).mean() < 0.1
    assert (found.logprobs - found.reference_logprobs).abs().mean() > 0.4
    untouched = EngineSampler(half, weights="int8", adapter=False).sample(PROMPTS, SAMPLING, n=4)
    assert [c.token_ids for group in untouched for c in group] != [c.token_ids for group in groups for c in group]


def test_greedy_completions_are_those_of_the_model_until_two_tokens_are_nearly_as_likely(half):
    greedy = Sampling(temperature=0.0, max_new_tokens=12)
    ours = EngineSampler(half, weights="int8").sample(PROMPTS, greedy)
    theirs = EngineSampler(half).sample(PROMPTS, greedy)
    same = 0
    for (mine,), (other,) in zip(ours, theirs, strict=True):
        pairs = list(zip(mine.token_ids, other.token_ids, mine.logprobs, other.logprobs, strict=False))
        parted = next((i for i, (a, b, _, _) in enumerate(pairs) if a != b), len(pairs))
        same += parted
        for a, b, mine_says, other_says in pairs[: parted + 1]:
            assert abs(mine_says - other_says) < 0.3, (a, b)  # of likeliest tokens: one is as good as the other
    assert same >= 12


def test_prompts_are_computed_by_the_models_own_weights(half):
    int8 = QuantisedProducts(half.decoder)
    engine = Engine(half.decoder, frozenset(), half.decode, rows=2, packed=int8)
    assert engine.multiply is multiply
    widths = []

    def counted(product, low, x, plus=None):
        widths.append(len(x))
        return int8(product, low, x, plus)

    engine.multiply_one = counted
    for seed in (1, 2):
        engine.submit(Request((5, 6, 7, 8, 9), Sampling(max_new_tokens=3), seed))
    assert len(list(engine.run())) == 6
    assert set(widths) == {2}  # one token of each row; the five of the prompt stand elsewhere


def test_it_is_chosen_by_name_made_once_and_told_in_what_is_drawn(half):
    as_is, int8 = EngineSampler(half), EngineSampler(half, weights="int8")
    (plain,), (other,) = as_is.sample(PROMPTS[:1], SAMPLING)[0], int8.sample(PROMPTS[:1], SAMPLING)[0]
    assert (plain.model, other.model) == (half.name, f"{half.name} (int8)")
    made = half.packed(QuantisedProducts)
    assert made is half.packed(QuantisedProducts)
    assert made is not half.packed()
    *pieces, spoken = int8.speak(PROMPTS[0], SAMPLING)
    assert spoken == other
    assert "".join(pieces) == other.text


# ------------------------------------------------------------------------------------------------------ where it cannot


def spoil(change: Callable[[Policy], Any], policy: Policy) -> str:
    change(policy)
    assert policy.packed(QuantisedProducts) is None
    with pytest.raises(InputError, match="cannot speak with int8 weights") as told:
        EngineSampler(policy, weights="int8").sample(PROMPTS, SAMPLING)
    return str(told.value)


def test_where_it_cannot_be_the_reason_is_told(half, policy, make_model):
    assert half.packed(QuantisedProducts) is not None
    assert "it is in float32" in spoil(lambda policy: None, policy)
    assert "its own weights are trained" in spoil(lambda policy: policy.model.requires_grad_(True), half)
    assert "general path" in QuantisedProducts.why_not(None)
    odd = Decoder(make_model(half.tokenizer, intermediate_size=72).bfloat16().requires_grad_(False))
    assert "one of its is 72" in QuantisedProducts.why_not(odd)  # torch's product would read behind the row's end


@pytest.mark.parametrize("broken", ["missing", "wrong"])
def test_a_torch_whose_product_is_missing_or_wrong_is_not_trusted(half, monkeypatch, broken):
    right = torch._weight_int8pack_mm

    def missing(*_):
        raise NotImplementedError("no such kernel")

    def wrong(x, weight, scale):
        return right(x, weight, scale) * 1.1

    monkeypatch.setattr(torch, "_weight_int8pack_mm", missing if broken == "missing" else wrong)
    assert "this build of torch" in QuantisedProducts.why_not(half.decoder)
    assert not QuantisedProducts.possible(half.decoder)
