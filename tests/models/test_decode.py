import pytest
import torch
from peft import LoraConfig
from transformers import Qwen2Config, Qwen2ForCausalLM

from burnish.errors import InputError
from burnish.models.decode import Decoder
from burnish.models.sampler import EngineSampler
from burnish.records import Prompt, Sampling

PROMPTS = [Prompt.of(text) for text in ("hi", "the good and the bad lamp", "a", "one more, longer than the rest")]
"""Of unequal length: the engine pads them on the left."""


def left_padded(policy, prompts):
    encoded = [policy.encode(prompt) for prompt in prompts]
    width = max(map(len, encoded))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(each)) + each for each in encoded])
    return ids, torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in encoded])


def generated(policy, prompts, new_tokens: int) -> list[list[int]]:
    """What transformers says, cut after the first end token."""
    ids, mask = left_padded(policy, prompts)
    rows = policy.model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=new_tokens,
        eos_token_id=sorted(policy.end_ids),
        pad_token_id=policy.tokenizer.pad_token_id,
    )
    found = []
    for row in rows[:, ids.shape[1] :].tolist():
        end = next((i for i, token in enumerate(row) if token in policy.end_ids), len(row) - 1)
        found.append(row[: end + 1])
    return found


@pytest.mark.parametrize("ends", [frozenset({1}), frozenset({1, *range(100, 160)})], ids=["rare end", "common end"])
@pytest.mark.parametrize("kind", ["policy", "trained"])
def test_greedy_completions_are_those_of_transformers(kind, ends, request):
    policy = request.getfixturevalue(kind)
    policy.end_ids = ends
    drawn = EngineSampler(policy).sample(PROMPTS, Sampling(temperature=0.0, max_new_tokens=24))
    found = [list(completion.token_ids) for (completion,) in drawn]
    assert found == generated(policy, PROMPTS, 24)
    if len(ends) > 1:
        assert len({len(tokens) for tokens in found}) > 1  # some end early and leave the batch


def test_logits_are_those_of_transformers_step_by_step(trained):
    """A prompt at once, then token by token into the cache, against one plain forward pass of the whole."""
    ids = torch.tensor([[*trained.encode(PROMPTS[1]), 20, 30, 40, 50]])
    expected = trained.model(input_ids=ids).logits[0]
    decoder, n = Decoder(trained.model, torch.float32), ids.shape[1] - 4
    decoder.refresh(adapter=True)
    cache = decoder.new_cache(1, n + 4)
    past = torch.full((n, n), -torch.inf).triu(1)[None, None]
    found = [decoder.forward(ids[:, :n], torch.arange(n)[None], 0, past, cache)]
    for at in range(n, n + 3):
        mask = torch.zeros(1, 1, 1, at + 1)
        found.append(decoder.forward(ids[:, at : at + 1], torch.tensor([[at]]), at, mask, cache))
    assert torch.allclose(torch.cat(found), expected[n - 1 : n + 3], atol=1e-4)


def test_an_adapter_on_some_of_the_fused_products_only(policy, shake):
    """Query, key and value are one product here; an adapter may sit on two of them."""
    lora = LoraConfig(r=3, target_modules=["q_proj", "v_proj", "up_proj"])
    policy.model.add_adapter(lora)
    policy.model.eval()
    shake(policy, size=0.4)
    ids = torch.tensor([policy.encode(PROMPTS[1])])
    n = ids.shape[1]
    decoder = Decoder(policy.model, torch.float32)
    past = torch.full((n, n), -torch.inf).triu(1)[None, None]
    decoder.refresh(adapter=True)
    found = decoder.forward(ids, torch.arange(n)[None], 0, past, decoder.new_cache(1, n))
    assert torch.allclose(found[0], policy.model(input_ids=ids).logits[0, -1], atol=1e-4)
    decoder.refresh(adapter=False)
    plain = decoder.forward(ids, torch.arange(n)[None], 0, past, decoder.new_cache(1, n))
    assert (plain - found).abs().max() > 0.1


def test_weights_of_other_shapes(policy, make_model):
    """Heads without groups, an output matrix of its own, a head size that hidden / heads does not say."""
    changes = {"num_key_value_heads": 4, "tie_word_embeddings": False, "head_dim": 16, "rope_theta": 100.0}
    policy.model = make_model(policy.tokenizer, **changes).eval()
    drawn = EngineSampler(policy).sample(PROMPTS, Sampling(temperature=0.0, max_new_tokens=12))
    assert [list(completion.token_ids) for (completion,) in drawn] == generated(policy, PROMPTS, 12)


@pytest.mark.parametrize(("key", "value"), [("attention_bias", True), ("mlp_bias", True), ("hidden_act", "gelu")])
def test_a_llama_that_computes_otherwise_is_refused(policy, make_model, key, value):
    with pytest.raises(InputError, match=key):
        Decoder(make_model(policy.tokenizer, **{key: value}), torch.float32)


def test_another_architecture_is_refused():
    config = Qwen2Config(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
                         num_key_value_heads=2)  # fmt: skip
    with pytest.raises(InputError, match="Qwen2ForCausalLM cannot be sampled"):
        Decoder(Qwen2ForCausalLM(config), torch.float32)
