"""Eight families against transformers' own arithmetic ("eager"): values, decoding with a cache, gradients, refusals."""

import dataclasses
import warnings

import pytest
import torch
import transformers
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from burnish.models.decoder.attention import PackedAttention
from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.shape import UnknownShape
from burnish.models.engine import Engine, Request
from burnish.models.packing import pack
from burnish.records import FinishReason, Sampling

WINDOW = 8
SHAPE = {
    "vocab_size": 300, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2,
    "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
SLIDING, FULL = "sliding_attention", "full_attention"
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 24, "sliding_window": WINDOW}
FAMILIES = {
    "llama": ("Llama", {}),
    "llama with biases": ("Llama", {"attention_bias": True, "mlp_bias": True, "hidden_act": "gelu"}),
    "llama untied, wide heads": ("Llama", {"num_key_value_heads": 4, "head_dim": 20, "tie_word_embeddings": False}),
    "llama 3 positions": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 100.0,
                "factor": 4.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            }
        },
    ),
    "mistral": ("Mistral", {"sliding_window": WINDOW}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2 with windows": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2},
    ),
    "qwen3": ("Qwen3", {"head_dim": 16}),
    "gemma": ("Gemma", {"head_dim": 16}),
    "gemma2": ("Gemma2", {**GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}),
    "gemma3_text": (
        "Gemma3Text",
        {
            **GEMMA,
            "layer_types": [SLIDING, FULL, SLIDING, FULL],
            "rope_parameters": {SLIDING: {**ROPE, "rope_theta": 30.0}, FULL: ROPE},
        },
    ),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 0, 1, 1]}),
}
"""By name: what transformers calls it, and what its config says beyond `SHAPE`. Windows are shorter than the texts."""
every_family = pytest.mark.parametrize("family", FAMILIES)
TEXTS = [list(range(5, 30)), [7, 30, 250], [(17 * i) % 300 for i in range(40)]]
COMPLETIONS = [[[40, 41, 42], [50 + i for i in range(12)]], [[60] * 3, [61, 62, 63, 64]], []]


def made(family: str, **changes) -> torch.nn.Module:
    """A random model whose norms and biases are far from 1 and 0; transformers computes it "eagerly"."""
    name, more = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**{**SHAPE, **more, **changes})
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, f"{name.removesuffix('Text')}ForCausalLM")(config).eval()
        for key, parameter in model.named_parameters():
            if "norm" in key:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            if key.endswith("bias"):
                torch.nn.init.normal_(parameter)
    return model.requires_grad_(False)


def adapted(model, size: float = 0.1, **more):
    """The model with an adapter that is not nothing."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it is about to drop
        torch.manual_seed(2)
        model = get_peft_model(model, LoraConfig(**{"r": 3, "lora_alpha": 6, "target_modules": "all-linear", **more}))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=size)
    return model.eval()


def by_transformers(model, *texts) -> torch.Tensor:
    """Logits of texts one at a time, one after another, (N, V)."""
    return torch.cat([model(input_ids=torch.tensor([text])).logits[0] for text in texts])


def by_us(decoder, prompts, completions=None, *, adapter=None, recompute=False, only=None) -> torch.Tensor:
    packed = pack(prompts, completions or [[] for _ in prompts])
    attend = PackedAttention(decoder.shape, packed.layout, decoder.dtype)
    low = decoder.adapter(adapter) if adapter else None
    states = decoder.states(packed.tokens_N, packed.layout.positions_N, attend, low, recompute=recompute, only_M=only)
    return decoder.logits(states)


def greedy(model, prompt, tokens) -> tuple[list[int], torch.Tensor]:
    """The likeliest tokens after prompt + tokens[:i], for every i, and their log-probs, in one plain pass."""
    with torch.no_grad():
        logprobs = by_transformers(model, [*prompt, *tokens])[len(prompt) - 1 : -1].log_softmax(-1)
    return logprobs.argmax(-1).tolist(), logprobs.amax(-1)


# ------------------------------------------------------------------------------------------------------------ values


@every_family
def test_logits_of_packed_texts_are_those_of_transformers(family):
    model = made(family)
    expected = by_transformers(model, *TEXTS)
    found = by_us(Decoder(model), TEXTS)
    assert torch.allclose(found, expected, atol=2e-4)
    assert expected.std() > 0.3
    assert torch.allclose(by_transformers(model, *TEXTS), expected)  # fused weights: transformers finds them still


@every_family
def test_logits_of_completions_that_share_a_prompt_are_those_of_transformers(family):
    model = made(family)
    alone = [
        by_transformers(model, [*prompt, *completion])[len(prompt) :]
        for prompt, group in zip(TEXTS, COMPLETIONS, strict=True)
        for completion in group
    ]
    at, found, logits = 0, [], by_us(Decoder(model), TEXTS, COMPLETIONS)
    for prompt, group in zip(TEXTS, COMPLETIONS, strict=True):
        at += len(prompt)
        for completion in group:
            found.append(logits[at : at + len(completion)])
            at += len(completion)
    assert torch.allclose(torch.cat(found), torch.cat(alone), atol=2e-4)


@every_family
@pytest.mark.parametrize("rows", [3, 12], ids=["few rows", "many rows"])
def test_decoding_token_by_token_is_one_plain_pass(family, rows):
    """Past the window, past the cache's first size, in batches of many sizes."""
    model = made(family)
    engine = Engine(Decoder(model), frozenset(), str, rows=rows)
    prompts = [tuple((31 * i + 7 * k) % 300 for i in range(1 + 3 * k)) for k in range(12)]
    wanted = [Request(prompt, Sampling(temperature=0, max_new_tokens=6 + 3 * (k % 7)), k) for k, prompt in
              enumerate(prompts)]  # fmt: skip
    numbers = [engine.submit(request) for request in wanted]
    drawn = list(engine.run())
    for number, request in zip(numbers, wanted, strict=True):
        mine = [each for each in drawn if each.request == number]
        tokens, logprobs = greedy(model, request.prompt, [each.token for each in mine])
        assert [each.token for each in mine] == tokens
        assert torch.allclose(torch.tensor([each.logprob for each in mine]), logprobs, atol=2e-4)
        assert [each.finish for each in mine] == [None] * (len(tokens) - 1) + [FinishReason.LENGTH]


def test_families_differ_where_their_shapes_do():
    """Windows, caps, layers without positions and two tables are all felt: without them the logits are others."""
    told = {
        "mistral": {"sliding_window": None},
        "gemma2": {"attn_logit_softcapping": None},
        "gemma3_text": {"layer_types": [FULL] * 4, "rope_parameters": {SLIDING: ROPE, FULL: ROPE}},
        "smollm3": {"no_rope_layers": [1, 1, 1, 1]},
        "llama 3 positions": {"rope_parameters": {**ROPE, "rope_theta": 100.0}},
    }
    for family, changes in told.items():
        gap = by_us(Decoder(made(family)), TEXTS) - by_us(Decoder(made(family, **changes)), TEXTS)
        assert gap.abs().max() > 0.05, family


@pytest.mark.parametrize("changes", [{"target_modules": ["q_proj", "v_proj", "up_proj"]}, {"use_rslora": True},
                                     {"layers_to_transform": [1], "target_modules": ["k_proj", "down_proj"]}],
                         ids=["some of the fused", "rslora", "one layer"])  # fmt: skip
def test_an_adapter_of_any_places_is_read_and_can_be_left_out(changes):
    model = adapted(made("llama"), 0.4, **changes)
    decoder = Decoder(model)
    expected = by_transformers(model, *TEXTS)
    assert torch.allclose(by_us(decoder, TEXTS, adapter="default"), expected, atol=5e-4)
    with model.disable_adapter():
        untouched = by_transformers(model, *TEXTS)
    assert torch.allclose(by_us(decoder, TEXTS), untouched, atol=2e-4)
    assert (untouched - expected).abs().max() > 0.1
    assert decoder.adapter("no such adapter") is None


def test_bfloat16_differs_by_rounding_only():
    """It is as near to float32 as transformers' own bfloat16 is."""
    exact = by_transformers(made("llama"), *TEXTS)
    model = made("llama").to(torch.bfloat16)
    mine, theirs = by_us(Decoder(model), TEXTS), by_transformers(model, *TEXTS).float()
    assert mine.dtype == torch.float32
    assert (mine - exact).abs().mean() < 1.3 * (theirs - exact).abs().mean()


# --------------------------------------------------------------------------------------------------------- gradients


def gradients(logits, parameters) -> dict[str, torch.Tensor]:
    """Of a sum in which every logit has a weight of its own."""
    pull = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)) / len(logits)
    found = torch.autograd.grad((pull * logits).sum(), parameters.values(), allow_unused=True)
    return {name: torch.zeros(1) if each is None else each for name, each in zip(parameters, found, strict=True)}


def assert_same(found, expected, names_felt: int) -> None:
    for name, gradient in found.items():
        scale = float(expected[name].abs().max())
        assert torch.allclose(gradient, expected[name], rtol=1e-3, atol=2e-4 * scale + 1e-6), name
    assert sum(float(each.abs().max()) > 1e-3 for each in expected.values()) >= names_felt


def trained_parameters(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@every_family
def test_gradients_of_an_adapter_are_those_of_peft(family):
    model = adapted(made(family))
    parameters = trained_parameters(model)
    assert len(parameters) == 4 * 7 * 2
    expected = gradients(by_transformers(model, *TEXTS), parameters)
    decoder = Decoder(model)
    found = gradients(by_us(decoder, TEXTS, adapter="default"), parameters)
    assert_same(found, expected, 4 * 7 * 2)
    again = gradients(by_us(decoder, TEXTS, adapter="default", recompute=True), parameters)
    assert_same(again, found, 4 * 7 * 2)


@every_family
def test_gradients_of_all_weights_are_those_of_transformers(family):
    model = made(family).requires_grad_(True)
    parameters = trained_parameters(model)
    expected = gradients(by_transformers(model, *TEXTS), parameters)
    decoder = Decoder(model)
    found = gradients(by_us(decoder, TEXTS), parameters)
    assert found.keys() == {name for name, _ in model.named_parameters()}
    # a bias of keys shifts all scores of a query alike: only rounding reaches it
    assert_same(found, expected, len(parameters) - 4 * any(name.endswith("k_proj.bias") for name in parameters))
    assert_same(gradients(by_us(decoder, TEXTS, recompute=True), parameters), found, 1)


@pytest.mark.parametrize("recompute", [False, True])
def test_states_that_are_wanted_alone_are_the_same_and_teach_the_same(recompute):
    """Twice the same token, and tokens that only others look at."""
    model = adapted(made("gemma2"))
    parameters, decoder = trained_parameters(model), Decoder(model)
    only = torch.tensor([9, 2, 2, 14])
    every = by_us(decoder, TEXTS, adapter="default")[only]
    some = by_us(decoder, TEXTS, adapter="default", recompute=recompute, only=only)
    assert torch.allclose(some, every, atol=1e-5)
    assert_same(gradients(some, parameters), gradients(every, parameters), 4 * 7 * 2)


def test_weights_that_train_after_the_decoder_was_made_are_used_as_they_are_now():
    model = made("qwen3")
    decoder = Decoder(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    assert torch.allclose(by_us(decoder, TEXTS), by_transformers(model, *TEXTS), atol=2e-4)


def test_recomputing_keeps_less():
    model = adapted(made("llama"))

    def kept(recompute: bool) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            by_us(Decoder(model), TEXTS, adapter="default", recompute=recompute)
        return sum(sizes)

    assert kept(True) < kept(False) / 2


def test_a_decoder_made_while_sampling_can_be_trained_through():
    model = adapted(made("llama"))
    with torch.inference_mode():
        decoder = Decoder(model)
    found = gradients(by_us(decoder, TEXTS, adapter="default"), trained_parameters(model))
    assert min(float(each.abs().max()) for each in found.values()) > 0


# ----------------------------------------------------------------------------------------------------- fused weights


@every_family
def test_fused_weights_are_the_models_own(family, tmp_path):
    model = made(family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    decoder = Decoder(model)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    for layer, ours in zip(model.model.layers, decoder.layers, strict=True):
        attention, mlp = layer.self_attn, layer.mlp
        for product, modules in (
            (ours.qkv, (attention.q_proj, attention.k_proj, attention.v_proj)),
            (ours.gate_up, (mlp.gate_proj, mlp.up_proj)),
            (ours.out, (attention.o_proj,)),
            (ours.down, (mlp.down_proj,)),
        ):  # one copy: the fused tensor's memory is that of the projections
            at = product.weight.data_ptr()
            for module in modules:
                assert module.weight.data_ptr() == at
                at += module.weight.numel() * module.weight.element_size()
            assert at == product.weight.data_ptr() + product.weight.numel() * product.weight.element_size()
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in before.items())


def grown(model) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)


def one_other_projection(model) -> None:
    projection = model.model.layers[1].self_attn.k_proj
    projection.weight.data = 3 * projection.weight.data


@pytest.mark.parametrize(
    "changed",
    [
        lambda model: grown(model.double()),
        lambda model: grown(model.to(torch.bfloat16).float()),
        one_other_projection,
    ],
    ids=["to float64", "there and back", "one projection"],
)
def test_a_model_that_is_moved_after_the_decoder_was_made_is_fused_anew(changed):
    """Or what is written into its weights from then on would be the model's alone."""
    model = made("llama")
    decoder = Decoder(model)
    by_us(decoder, TEXTS)
    changed(model)
    expected = by_transformers(model, *TEXTS)
    with torch.inference_mode():
        assert torch.allclose(by_us(decoder, TEXTS), expected.float(), atol=2e-4)
    grown(model)  # the new weights are the model's own again
    assert torch.allclose(by_us(decoder, TEXTS), by_transformers(model, *TEXTS).float(), atol=2e-4)
    assert decoder.dtype == model.dtype
    parameters = trained_parameters(model.requires_grad_(True))
    assert_same(gradients(by_us(decoder, TEXTS), parameters), gradients(by_transformers(model, *TEXTS), parameters), 9)


# ---------------------------------------------------------------------------------------------------------- refusals


class Odd(torch.nn.Linear):
    """As a quantised layer would be: called like a linear layer, computed otherwise."""


def test_a_projection_that_is_no_plain_linear_layer_is_refused():
    model = made("llama")
    model.model.layers[1].self_attn.k_proj = Odd(48, 24, bias=False)
    with pytest.raises(UnknownShape, match="a projection is a Odd, not a plain linear layer"):
        Decoder(model)


def test_an_output_matrix_with_an_adapter_is_refused():
    """Its adapter would be left out without a word."""
    model = adapted(made("llama"), target_modules=["q_proj", "lm_head"])
    with pytest.raises(UnknownShape, match="output matrix"):
        Decoder(model)


def test_embeddings_with_an_adapter_are_refused():
    model = adapted(made("llama untied, wide heads"), target_modules=["q_proj", "embed_tokens"])
    with pytest.raises(UnknownShape, match="embedding"):
        Decoder(model)


def test_an_adapter_of_another_kind_is_refused():
    config = IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = get_peft_model(made("llama"), config)
    with pytest.raises(UnknownShape, match="not LoRA") as refusal:
        Decoder(model)
    assert "ia3" in str(refusal.value).lower()


@pytest.mark.parametrize("variant", [{"use_dora": True}, {"alora_invocation_tokens": [5]}], ids=str)
def test_lora_with_more_to_it_is_refused(variant):
    """DoRA (arXiv 2402.09353) has magnitudes, aLoRA (arXiv 2504.12397) is on from a token on: no sums of products."""
    more = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj"]}
    with pytest.raises(UnknownShape, match="not plain LoRA"):
        Decoder(adapted(made("llama"), **variant, **more))


def test_an_adapter_that_is_merged_already_is_refused():
    """It would count twice."""
    model = adapted(made("llama"))
    decoder = Decoder(model)
    model.merge_adapter()
    with pytest.raises(UnknownShape, match="merged into the weights"):
        Decoder(model)
    with pytest.raises(UnknownShape, match="merged into the weights"):
        decoder.adapter("default")


def test_a_family_that_is_not_known_is_refused_by_name():
    config = transformers.GPT2Config(vocab_size=8, n_positions=8, n_embd=8, n_layer=1, n_head=2)
    with pytest.raises(UnknownShape, match="'gpt2' is not one of gemma, gemma2, gemma3_text, llama, mistral"):
        Decoder(transformers.GPT2LMHeadModel(config))


@pytest.mark.parametrize(("family", "changes", "said"), [
    ("llama", {"hidden_act": "relu"}, "activation is 'relu'"),
    ("gemma3_text", {"use_bidirectional_attention": True}, "looks both ways"),
])  # fmt: skip
def test_a_known_family_that_computes_otherwise_is_refused(family, changes, said):
    with pytest.raises(UnknownShape, match=said):
        Decoder(made(family, **changes))


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_positions_that_turn_by_the_longest_text_of_a_batch_are_refused(kind):
    """A row's result would hang on its company."""
    more = {"dynamic": {"factor": 2.0}, "longrope": {"factor": 2.0, "short_factor": [1.0] * 6, "long_factor": [2.0] * 6,
            "original_max_position_embeddings": 16}}[kind]  # fmt: skip
    with pytest.raises(UnknownShape, match=kind):
        Decoder(made("llama", rope_parameters={"rope_type": kind, "rope_theta": 100.0, **more}))


def test_the_shape_is_plain_data():
    shape = Decoder(made("gemma2")).shape
    assert (shape.scale, shape.attention_cap, shape.logit_cap) == (24**-0.5, 5.0, 3.0)
    assert [layer.window for layer in shape.layers] == [WINDOW, None, WINDOW, None]
    assert dataclasses.replace(shape) == Decoder(made("gemma2")).shape
    assert [layer.rotary for layer in Decoder(made("smollm3")).shape.layers] == ["", None, "", ""]
