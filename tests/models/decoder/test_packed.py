"""Weights reordered for decoding give the same products, and nothing stale."""

import pytest
import torch

from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.packed import PackedProducts
from burnish.models.decoder.weights import LowRank
from burnish.models.sampler import EngineSampler
from burnish.records import Prompt, Sampling

needs_packing = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_packing
def test_packed_products_are_the_plain_ones(trained):
    decoder = trained.decoder
    products = PackedProducts(decoder)
    adapter = decoder.adapter("default")
    products.read([adapter])
    layer, low = decoder.layers[1], adapter[1]
    for rows in (1, 7, 130):
        for product, part in zip(layer.products, low, strict=True):
            x = torch.randn(rows, product.weight.shape[1], generator=torch.Generator().manual_seed(rows))
            plus = torch.randn(rows, product.weight.shape[0], generator=torch.Generator().manual_seed(1))
            with torch.inference_mode():
                plain = x @ product.weight.T
                added = (x @ part.down.T) @ part.up.T
                for found, expected in (
                    (products(product, None, x), plain),
                    (products(product, part, x), plain + added),
                    (products(product, part, x, plus), plain + added + plus),
                    (products(product, None, x, plus), plain + plus),
                ):
                    assert torch.allclose(found, expected, atol=1e-4)
                assert added.abs().max() > 0.1
    with torch.inference_mode():
        states = torch.randn(3, 48)
        assert torch.allclose(products.logits(states), decoder.logits(states), atol=1e-4)


@needs_packing
def test_packed_weights_are_used_and_kept(policy):
    assert PackedProducts.possible(policy.decoder)
    first = policy.packed()
    assert first is not None
    assert policy.packed() is first
    policy.add_lora(rank=2, alpha=4.0, seed=0)
    assert policy.packed() is policy.packed()
    policy.model.requires_grad_(True)
    assert policy.packed() is None  # what is trained must be what is sampled


@needs_packing
@pytest.mark.parametrize("part", ["model.layers.1.self_attn.k_proj", "lm_head"])
def test_weights_that_have_come_since_are_packed_anew(policy, part):
    """Or what is sampled would be the model as it was, what is trained as it is."""
    prompts, sampling = [Prompt.of("hi"), Prompt.of("the good lamp")], Sampling(max_new_tokens=8)
    first, _ = policy.packed(), EngineSampler(policy).sample(prompts, sampling)
    weight = policy.model.get_submodule(part).weight
    weight.data = weight.flip(0).clone()
    assert policy.packed() is not first
    groups = EngineSampler(policy).sample(prompts, sampling)
    found = policy.statistics(policy.pack(prompts, groups), temperature=1.0, reference=False)
    sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    assert torch.allclose(sampled, found.logprobs, atol=1e-4)


@needs_packing
def test_an_adapter_that_is_gone_is_not_taken_for_a_new_one(trained):
    """What was packed is known by whose it is: memory that is used again must not be mistaken for it."""
    decoder = trained.decoder
    products = PackedProducts(decoder)
    products.read([decoder.adapter("default")])
    product, x = decoder.layers[0].out, torch.ones(2, 48)
    with torch.inference_mode():
        for seed in range(50):
            generator = torch.Generator().manual_seed(seed)
            fresh = [LowRank(torch.randn(4, 48, generator=generator), torch.randn(48, 4, generator=generator))
                     for _ in range(20)]  # fmt: skip
            for low in fresh:
                expected = x @ product.weight.T + (x @ low.down.T) @ low.up.T
                assert torch.allclose(products(product, low, x), expected, atol=1e-3)


def test_without_packed_weights_it_is_the_same(trained, monkeypatch):
    prompts = [Prompt.of("hi"), Prompt.of("the good lamp")]
    sampling = Sampling(max_new_tokens=10)
    expected = EngineSampler(trained).sample(prompts, sampling, n=3)
    monkeypatch.setattr(PackedProducts, "possible", staticmethod(lambda decoder: False))
    assert trained.packed() is None
    found = EngineSampler(trained).sample(prompts, sampling, n=3)
    for mine, theirs in zip(sum(found, []), sum(expected, []), strict=True):  # noqa: RUF017 (six of them)
        assert mine.token_ids == theirs.token_ids
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_a_torch_whose_packed_products_are_wrong_or_missing_is_not_trusted(policy, monkeypatch):
    decoder = policy.decoder
    plain = torch.nn.functional.linear
    with monkeypatch.context() as changed:
        changed.setattr(torch.nn.functional, "linear", lambda *given: plain(*given) + 1)
        assert not PackedProducts.possible(decoder)
    policy.model.to(torch.float16)
    assert not PackedProducts.possible(Decoder(policy.model))
