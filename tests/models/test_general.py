"""A model that our decoder does not know: GPT-2, through transformers' own arithmetic."""

import warnings
from itertools import islice

import pytest
import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

from burnish import progress
from burnish.errors import InputError
from burnish.models.engine import Request
from burnish.models.general import GeneralEngine, hidden_states
from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.tuning import TuningConfig
from burnish.records import FinishReason, Prompt, Sampling

PROMPTS = [Prompt.of(text) for text in ("hi", "the good and the bad lamp", "a", "one more, longer than the rest")]
SAMPLING = Sampling(temperature=0.8, max_new_tokens=10)
TOKENS = [[5, 9, 12, 80], [7, 30], [100, 101, 102, 103, 104, 105, 106]]
COMPLETIONS = [[[20, 21, 22], [33], [40, 41, 42, 43, 44, 45, 1]], [[50, 51], [60, 61, 62]], [[70, 1]]]


@pytest.fixture
def gpt2(policy) -> Policy:
    """A random GPT-2 whose positions, norms and biases are felt."""
    shape = {
        "vocab_size": len(policy.tokenizer), "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4,
        "initializer_range": 0.25, "bos_token_id": None, "eos_token_id": policy.tokenizer.eos_token_id,
        "resid_pdrop": 0.3, "embd_pdrop": 0.3, "attn_pdrop": 0.3,  # never on (trap T20)
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = GPT2LMHeadModel(GPT2Config(**shape))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.3)
    model.eval().requires_grad_(False)
    return Policy(model, policy.tokenizer, name="gpt2", dtype=torch.float32)


@pytest.fixture
def trained_gpt2(gpt2, shake) -> Policy:
    with warnings.catch_warnings():  # peft says that it sees that GPT-2's weights lie across
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        gpt2.add_lora(rank=4, alpha=8.0, seed=1)
    shake(gpt2, size=0.3)
    return gpt2


def tokens(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def logprobs(groups):
    return torch.tensor([value for group in groups for completion in group for value in completion.logprobs])


def recomputed(policy, groups, temperature=0.8):
    with torch.no_grad():
        return policy.statistics(policy.pack(PROMPTS, groups), temperature=temperature, reference=True)


def alone(policy, prompt, completion, temperature=1.0) -> torch.Tensor:
    """Log-probs by transformers: one text, no mask, no position ids."""
    logits = policy.model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0] / temperature
    return logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None])[:, 0]


def test_the_log_says_so_once(gpt2, monkeypatch):
    said = []
    monkeypatch.setattr(progress, "say", said.append)
    assert gpt2.decoder is None
    assert gpt2.packed() is None
    EngineSampler(gpt2).sample(PROMPTS, SAMPLING)
    (only,) = said
    assert "gpt2 takes the general path, which is slower" in only
    assert "'gpt2' is not one of" in only


@pytest.mark.parametrize("kind", ["gpt2", "trained_gpt2"])
@pytest.mark.parametrize("ends", [frozenset({1}), frozenset({1, *range(100, 160)})], ids=["rare end", "common end"])
def test_greedy_completions_are_those_of_transformers(kind, ends, request):
    policy = request.getfixturevalue(kind)
    policy.end_ids = ends
    drawn = EngineSampler(policy, rows=3).sample(PROMPTS, Sampling(temperature=0.0, max_new_tokens=16))
    for prompt, (completion,) in zip(PROMPTS, drawn, strict=True):
        ids = torch.tensor([policy.encode(prompt)])
        row = policy.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                                    max_new_tokens=16, eos_token_id=sorted(ends), pad_token_id=1)  # fmt: skip
        assert list(completion.token_ids) == row[0, ids.shape[1] :].tolist()
    lengths = {len(completion.token_ids) for (completion,) in drawn}
    assert (len(lengths) > 1) == (len(ends) > 1)


def test_the_samplers_log_probs_are_the_policys(trained_gpt2):
    groups = EngineSampler(trained_gpt2).sample(PROMPTS, SAMPLING, n=3)
    found = recomputed(trained_gpt2, groups)
    assert torch.allclose(logprobs(groups), found.logprobs, atol=1e-4)
    expected = torch.cat([
        alone(trained_gpt2, trained_gpt2.encode(prompt), completion.token_ids, 0.8)
        for prompt, group in zip(PROMPTS, groups, strict=True)
        for completion in group
    ])  # fmt: skip
    assert torch.allclose(found.logprobs, expected.detach(), atol=1e-4)
    assert (found.logprobs - found.reference_logprobs).abs().max() > 0.3


def test_the_adapter_on_and_off(trained_gpt2):
    """Off, it is the untouched model, for the sampler as for the reference."""
    on = EngineSampler(trained_gpt2).sample(PROMPTS, SAMPLING, n=2)
    off = EngineSampler(trained_gpt2, adapter=False).sample(PROMPTS, SAMPLING, n=2)
    assert tokens(on) != tokens(off)
    assert torch.allclose(logprobs(off), recomputed(trained_gpt2, off).reference_logprobs, atol=1e-4)
    again = EngineSampler(trained_gpt2).sample(PROMPTS, SAMPLING, n=2)
    assert tokens(again) == tokens(on)  # it was put back


def test_gradients_of_an_adapter_are_those_of_transformers(trained_gpt2):
    rows = pack(TOKENS, COMPLETIONS)
    pull = torch.randn(len(rows.token_M), generator=torch.Generator().manual_seed(0))
    parameters = trained_gpt2.parameters()

    def gradients(found):
        return dict(zip(parameters, torch.autograd.grad((pull * found).sum(), parameters.values()), strict=True))

    mine = trained_gpt2.statistics(rows, temperature=1.0, reference=False).logprobs
    theirs = torch.cat([
        alone(trained_gpt2, prompt, completion)
        for prompt, group in zip(TOKENS, COMPLETIONS, strict=True)
        for completion in group
    ])  # fmt: skip
    assert torch.allclose(mine, theirs, atol=1e-4)
    expected = gradients(theirs)
    for name, gradient in gradients(mine).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-3, atol=1e-3), name
    assert all(float(gradient.abs().max()) > 1e-3 for gradient in expected.values())
    assert len(parameters) == 2 * 4 * 2


def test_the_same_seed_gives_the_same_completion_in_any_company(trained_gpt2):
    trained_gpt2.end_ids = frozenset({1, *range(100, 160)})
    together = tokens(EngineSampler(trained_gpt2).sample(PROMPTS, SAMPLING, n=3, seed=5))
    assert len({len(ids) for group in together for ids in group}) > 3
    for prompt, expected in zip(PROMPTS, together, strict=True):
        assert tokens(EngineSampler(trained_gpt2).sample([prompt], SAMPLING, n=3, seed=5)) == [expected]
    assert tokens(EngineSampler(trained_gpt2, rows=2).sample(PROMPTS, SAMPLING, n=3, seed=5)) == together
    assert tokens(EngineSampler(trained_gpt2).sample(PROMPTS, SAMPLING, n=3, seed=6)) != together


def requests_of(policy, adapter=None) -> list[Request]:
    return [
        Request(tuple(policy.encode(prompt)), Sampling(max_new_tokens=4 + 3 * k), k, adapter)
        for k, prompt in enumerate(PROMPTS)
    ]


def by_request(drawn) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for each in drawn:
        found.setdefault(each.request, []).append(each.token)
    return found


@pytest.mark.parametrize("rows", [2, 4])
def test_requests_can_be_cancelled(gpt2, rows):
    """One that waits is never begun, one that is being decoded goes no further; the others do not notice."""
    plain = GeneralEngine(gpt2.model, frozenset(), gpt2.decode, rows=rows)
    numbers = [plain.submit(request) for request in requests_of(gpt2)]
    drawn = list(plain.run())
    expected = by_request(drawn)
    assert [len(expected[number]) for number in numbers] == [4, 7, 10, 13]
    assert [each.request for each in drawn if each.finish is FinishReason.LENGTH] == numbers

    engine = GeneralEngine(gpt2.model, frozenset(), gpt2.decode, rows=rows)
    numbers = [engine.submit(request) for request in requests_of(gpt2)]
    drawn = []
    for each in engine.run():
        drawn.append(each)
        if len(drawn) == rows:  # every row has one token
            for number in (numbers[1], numbers[3], 99):
                engine.cancel(number)
    found = by_request(drawn)
    assert found[numbers[1]] == expected[numbers[1]][:1]
    assert found.get(numbers[3], []) == (expected[numbers[3]][:1] if rows == 4 else [])
    assert [found[number] for number in (numbers[0], numbers[2])] == [expected[0], expected[2]]
    assert list(engine.run()) == []


def test_a_cancelled_request_is_told_no_more_of_even_what_its_last_step_drew(gpt2):
    engine = GeneralEngine(gpt2.model, frozenset(), gpt2.decode, rows=4)
    numbers = [engine.submit(request) for request in requests_of(gpt2)]
    told = []
    for each in engine.run():
        told.append(each.request)
        if len(told) == 5:  # the first one's second token; the others' are drawn and not yet told
            for number in numbers[1:3]:
                engine.cancel(number)
    assert told == [*numbers, *(numbers[0], numbers[3]) * 3, *[numbers[3]] * 9]


def test_where_an_iterator_is_left_the_next_one_goes_on(gpt2):
    whole, parted = (GeneralEngine(gpt2.model, frozenset(), gpt2.decode, rows=3) for _ in range(2))
    for request in requests_of(gpt2):
        whole.submit(request)
        parted.submit(request)
    drawn = [each for _ in range(6) for each in islice(parted.run(), 2)]  # left in mid-step
    assert [*drawn, *parted.run()] == list(whole.run())


def test_the_adapter_is_off_only_while_a_token_is_computed(trained_gpt2):
    """A stream that nobody reads on, or that is left, must not leave the adapter off for all others."""
    expected = [*EngineSampler(trained_gpt2, adapter=False).stream(PROMPTS[0], SAMPLING, seed=1)]
    bare = EngineSampler(trained_gpt2, adapter=False).stream(PROMPTS[0], SAMPLING, seed=1)
    left = EngineSampler(trained_gpt2, adapter=False).stream(PROMPTS[0], SAMPLING, seed=1)
    adapted = EngineSampler(trained_gpt2).stream(PROMPTS[0], SAMPLING, seed=1)
    found, others = [next(bare)], [next(adapted)]
    assert trained_gpt2.adapter_name == "default"
    assert next(left) == found[0]
    left.close()
    assert trained_gpt2.adapter_name == "default"
    for one, other in zip(bare, adapted, strict=False):
        found.append(one)
        others.append(other)
    assert "".join(expected).startswith("".join(found))
    assert len(found) > 3
    assert "".join(EngineSampler(trained_gpt2).stream(PROMPTS[0], SAMPLING, seed=1)).startswith("".join(others))


def test_requests_with_and_without_the_adapter_in_one_queue(trained_gpt2):
    engine = GeneralEngine(trained_gpt2.model, frozenset(), trained_gpt2.decode, rows=8)
    adapted, bare = requests_of(trained_gpt2, "default"), requests_of(trained_gpt2)
    numbers = [engine.submit(request) for pair in zip(adapted, bare, strict=True) for request in pair]
    together = by_request(engine.run())
    for requests, mine in ((adapted, numbers[::2]), (bare, numbers[1::2])):
        other = GeneralEngine(trained_gpt2.model, frozenset(), trained_gpt2.decode, rows=8)
        own = [other.submit(request) for request in requests]
        found = by_request(other.run())
        assert [together[number] for number in mine] == [found[number] for number in own]
    assert [together[number] for number in numbers[::2]] != [together[number] for number in numbers[1::2]]


def test_an_adapter_that_is_not_active_is_refused(trained_gpt2):
    """The active one would speak in its place."""
    engine = GeneralEngine(trained_gpt2.model, frozenset(), trained_gpt2.decode, rows=8)
    with pytest.raises(InputError, match=r"'nobody' is not active \(active: 'default'\)"):
        engine.submit(Request((5, 6), Sampling(), 0, "nobody"))
    assert list(engine.run()) == []


def test_stop_texts_and_streams(gpt2):
    prompt, sampling = PROMPTS[0], Sampling(max_new_tokens=30)
    (plain,) = EngineSampler(gpt2).sample([prompt], sampling)[0]
    pieces = list(EngineSampler(gpt2).stream(prompt, sampling))
    assert "".join(pieces) == plain.text
    assert len(pieces) > 3
    at = next(i for i in range(6, len(plain.text) - 2) if plain.text[i : i + 2].isascii()
              and plain.text.index(plain.text[i : i + 2]) == i)  # fmt: skip
    stopped = Sampling(max_new_tokens=30, stop=(plain.text[at : at + 2],))
    (completion,) = EngineSampler(gpt2).sample([prompt], stopped)[0]
    assert (completion.text, completion.finish_reason) == (plain.text[:at], FinishReason.STOP)
    assert "".join(EngineSampler(gpt2).stream(prompt, stopped)) == plain.text[:at]
    assert EngineSampler(gpt2).sample([], sampling) == []


# -------------------------------------------------------------------------------------- models with ways of their own

SHAPE = {
    "vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 128, "initializer_range": 0.3,
    "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
WAYS = {
    "a window": ("Starcoder2", {"sliding_window": 6}),
    "windows here and there": (
        "Cohere2",
        {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "local attention": ("GPTNeo", {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 6}),
    "distances in place of positions": ("Bloom", {"n_layer": 2, "n_head": 4}),
    "distances, no position ids": ("Mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4}),
    "convolutions": ("Lfm2", {"layer_types": ["conv", "full_attention"]}),
    "a state": ("MiniMax", {"layer_types": ["linear_attention", "full_attention"], "num_local_experts": 2}),
}
"""By what differs: what transformers calls it, and what its config says beyond `SHAPE`."""


@pytest.fixture(params=WAYS)
def own_way(request) -> torch.nn.Module:
    name, more = WAYS[request.param]
    config = getattr(transformers, f"{name}Config")
    known = {key: value for key, value in SHAPE.items() if key in config().to_dict()}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return getattr(transformers, f"{name}ForCausalLM")(config(**{**known, **more})).eval().requires_grad_(False)


def test_states_of_any_model_are_those_of_each_text_alone(own_way):
    """Where a mask of ours would not say all: windows shorter than the text, places counted along the row."""
    packed = pack(TOKENS, COMPLETIONS)
    shift = 0.3 * torch.randn(len(packed.tokens_N), 32, generator=torch.Generator().manual_seed(0))
    embed, expected, shifted, at = own_way.get_input_embeddings(), [], [], 0
    with torch.no_grad():
        for prompt, group in zip(TOKENS, COMPLETIONS, strict=True):
            first, at = shift[at : at + len(prompt)], at + len(prompt)
            for said in group:
                ids = torch.tensor([[*prompt, *said]])
                moved = embed(ids) + torch.cat([first, shift[at : at + len(said)]])
                expected.append(own_way.base_model(input_ids=ids).last_hidden_state[0, len(prompt) - 1 : -1])
                shifted.append(own_way.base_model(inputs_embeds=moved).last_hidden_state[0, len(prompt) - 1 : -1])
                at += len(said)
        found = hidden_states(own_way, packed, torch.float32)
        assert torch.allclose(found, torch.cat(expected), atol=1e-4)
        assert torch.allclose(hidden_states(own_way, packed, torch.float32, shift), torch.cat(shifted), atol=1e-4)
        assert len(hidden_states(own_way, pack(TOKENS, [[[]], [], [[], []]]), torch.float32)) == 0


def test_what_is_sampled_beyond_a_window_is_what_is_trained(policy):
    """With a prefix before every text, too."""
    config = transformers.Starcoder2Config(**{**SHAPE, "vocab_size": len(policy.tokenizer), "sliding_window": 9})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.Starcoder2ForCausalLM(config).eval().requires_grad_(False)
    windowed = Policy(model, policy.tokenizer, name="windowed", dtype=torch.float32)
    windowed.adapt(TuningConfig(kind="prefix", tokens=3))
    groups = EngineSampler(windowed).sample(PROMPTS, SAMPLING, n=2)
    assert torch.allclose(logprobs(groups), recomputed(windowed, groups).logprobs, atol=1e-4)


MIXED = ["linear_attention", "full_attention"]
SMALL = {
    "head_dim": 8, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
}  # fmt: skip
PADDED = {
    "attention": ("Starcoder2", {}, True),
    "convolutions": ("Lfm2", {"layer_types": ["conv", "full_attention"]}, True),
    "states in a cache for them": ("Qwen3Next", {"layer_types": MIXED, "linear_num_value_heads": 4}, True),
    "states in a cache of its own": ("MiniMax", {"layer_types": MIXED, "num_local_experts": 2}, False),
    "tokens compressed by their places": ("DeepseekV4", {"num_hidden_layers": 3}, False),
}
"""By what a padded place could disturb: as `WAYS`, and whether prompts of unlike length stand side by side."""


@pytest.mark.parametrize("way", PADDED)
def test_prompts_of_unlike_length_share_a_batch_only_where_padding_changes_nothing(way):
    name, more, pads = PADDED[way]
    config = getattr(transformers, f"{name}Config")
    known = {key: value for key, value in (SHAPE | SMALL).items() if key in config().to_dict()}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, f"{name}ForCausalLM")(config(**{**known, **more})).eval().requires_grad_(False)

    def drawn(prompts, rows):
        engine = GeneralEngine(model, frozenset(), str, rows=rows)
        numbers = [engine.submit(Request(prompt, Sampling(max_new_tokens=5), 3)) for prompt in prompts]
        found = list(engine.run())
        return [[(each.token, each.logprob) for each in found if each.request == number] for number in numbers]

    sizes = []
    model.lm_head.register_forward_hook(lambda module, given, found: sizes.append(len(found)))
    prompts = [(5, 9, 12, 80), (7, 30, 11, 12, 13, 14, 15, 16, 17, 18, 19), (100,), (21, 22, 23, 24)]
    together = drawn(prompts, 4)
    assert set(sizes) == ({4} if pads else {1, 2})
    for prompt, found in zip(prompts, together, strict=True):
        (expected,) = drawn([prompt], 1)
        assert [token for token, _ in found] == [token for token, _ in expected]
        assert [logprob for _, logprob in found] == pytest.approx([logprob for _, logprob in expected], abs=1e-4)


def test_of_a_prompt_only_the_last_logits_are_computed(gpt2):
    """All of them would take rows * prompt * vocabulary of memory."""
    sizes = []
    gpt2.model.lm_head.register_forward_hook(lambda module, given, found: sizes.append(tuple(found.shape[:2])))
    EngineSampler(gpt2).sample(PROMPTS, SAMPLING, n=2)
    assert set(sizes) == {(8, 1)}


def test_a_model_without_keys_and_values_is_refused(policy):
    config = transformers.MambaConfig(vocab_size=len(policy.tokenizer), hidden_size=16, num_hidden_layers=1)
    engine = GeneralEngine(transformers.MambaForCausalLM(config).eval(), frozenset(), policy.decode, rows=2)
    engine.submit(Request((5, 6), Sampling(), 0))
    with pytest.raises(InputError, match="'mamba' keeps no keys and values"):
        list(engine.run())
