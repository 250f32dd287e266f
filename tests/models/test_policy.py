import json
import shutil
import warnings

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from burnish.errors import InputError
from burnish.maths.policy_loss import clipped_policy_loss
from burnish.models.packing import pack
from burnish.models.policy import Policy, PolicyInputs
from burnish.models.sampler import EngineSampler
from burnish.records import Message, Prompt, Sampling

ROWS = pack([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61, 62]]])
PROMPTS = [Prompt.of("the good lamp"), Prompt.of("hi")]


# ----------------------------------------------------------------------------------------------- the first step (T21)


def test_a_fresh_adapter_is_at_divergence_exactly_zero_and_ratio_exactly_one(policy):
    policy.add_lora(rank=4, alpha=8.0, seed=3)
    first = policy.statistics(ROWS, temperature=0.8, reference=True)
    assert first.kl.eq(0).all()
    assert torch.equal(first.logprobs, first.reference_logprobs)
    again = policy.statistics(ROWS, temperature=0.8, reference=False)
    loss, _ = clipped_policy_loss(again.logprobs[None], first.logprobs.detach()[None], torch.tensor([2.0]))
    assert loss.eq(-2.0).all()


def test_the_first_gradient_moves_b_alone(policy):
    policy.add_lora(rank=4, alpha=8.0, seed=3)
    policy.statistics(ROWS, temperature=1.0, reference=True).logprobs.sum().backward()
    norms = {name: float(p.grad.norm()) for name, p in policy.parameters().items()}
    assert all(norm > 0 for name, norm in norms.items() if "lora_B" in name)
    assert all(norm == 0 for name, norm in norms.items() if "lora_A" in name)  # its path goes through B = 0


def test_the_reference_is_the_untouched_model_however_far_the_adapter_went(trained, tiny_folder):
    found = trained.statistics(ROWS, temperature=0.8, reference=True)
    untouched = Policy.load(tiny_folder).statistics(ROWS, temperature=0.8, reference=False)
    assert torch.equal(found.reference_logprobs, untouched.logprobs)
    assert (found.logprobs - found.reference_logprobs).abs().max() > 0.3
    assert (found.kl > 0.01).any()


def test_looking_at_the_reference_leaves_the_adapter_on_and_trainable(trained):
    before = trained.statistics(ROWS, temperature=1.0, reference=False).logprobs
    with trained.adapter_off():
        assert not torch.equal(trained.statistics(ROWS, temperature=1.0, reference=False).logprobs, before)
    names = list(trained.parameters())
    assert torch.equal(trained.statistics(ROWS, temperature=1.0, reference=True).logprobs, before)
    assert list(trained.parameters()) == names


# -------------------------------------------------------------------------------------------------- what is trained


def test_only_the_adapter_is_trained_and_every_linear_layer_but_the_output_has_one(policy):
    assert policy.parameters() == {}
    policy.add_lora(rank=4, alpha=8.0, seed=3)
    names = list(policy.parameters())
    assert names == sorted(names)
    assert len(names) == 2 * 7 * 2  # layers x projections x (A, B)
    assert all("lora_" in name for name in names)
    assert not any("lm_head" in name or "embed" in name for name in names)


def test_the_same_seed_gives_the_same_adapter_and_the_global_generator_is_left_alone(tiny_folder):
    torch.manual_seed(11)
    expected = torch.rand(2)
    adapters = []
    for seed in (3, 3, 4):
        policy = Policy.load(tiny_folder)
        torch.manual_seed(11)
        policy.add_lora(rank=4, alpha=8.0, seed=seed)
        assert torch.equal(torch.rand(2), expected)
        adapters.append(policy.state())
    assert all(torch.equal(adapters[0][name], adapters[1][name]) for name in adapters[0])
    assert any(not torch.equal(adapters[0][name], adapters[2][name]) for name in adapters[0])
    assert Policy.load(tiny_folder).fingerprint() != policy.fingerprint()


def test_the_scale_is_alpha_over_rank(policy, shake):
    policy.add_lora(rank=4, alpha=8.0, seed=3)
    shake(policy)
    module = policy.model.get_base_model().model.layers[0].mlp.down_proj
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    x = torch.randn(3, a.shape[1])
    expected = module.base_layer(x) + 2.0 * x @ a.T @ b.T
    assert torch.allclose(module(x), expected, atol=1e-5)


# ---------------------------------------------------------------------------------------------------- dropout (T20)


def test_two_passes_are_equal_to_the_bit_though_the_config_asks_for_dropout(trained):
    assert trained.model.config.attention_dropout > 0
    first, second = (trained.statistics(ROWS, temperature=1.0, reference=True) for _ in range(2))
    for name in ("logprobs", "kl", "reference_logprobs", "entropy"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not any(module.training for module in trained.model.modules())


def test_dropout_that_is_asked_for_drops_and_is_the_same_for_the_same_seed(trained):
    """Our own decoder drops nothing, so the general path is taken while it is on."""
    plain = trained.statistics(ROWS, temperature=1.0, reference=False).logprobs

    def noisy(seed: int) -> torch.Tensor:
        with trained.noisy(seed):
            return trained.statistics(ROWS, temperature=1.0, reference=False).logprobs

    one, same, other = noisy(1), noisy(1), noisy(2)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)
    assert not torch.allclose(one, plain, atol=1e-3)
    assert torch.equal(trained.statistics(ROWS, temperature=1.0, reference=False).logprobs, plain)


# -------------------------------------------------------------------------------------------------- shapes and sums


def test_outputs_are_rows_of_completions_as_wide_as_the_window(trained):
    flat = trained.statistics(ROWS, temperature=0.8, reference=True)
    found = trained.outputs(PolicyInputs(ROWS, 0.8, width=6), reference=True)
    for values_BT, values_N in (
        (found.logprobs_BT, flat.logprobs),
        (found.kl_BT, flat.kl),
        (found.entropy_BT, flat.entropy),
        (found.reference_logprobs_BT, flat.reference_logprobs),
    ):
        assert values_BT.shape == (4, 6)
        rows = [values_BT[i, :n] for i, n in enumerate(ROWS.lengths_B)]
        assert torch.equal(torch.cat(rows), values_N)
        assert all(values_BT[i, n:].eq(0).all() for i, n in enumerate(ROWS.lengths_B))
    plain = trained.outputs(PolicyInputs(ROWS, 0.8, width=6))
    assert plain.kl_BT is None
    assert plain.reference_logprobs_BT is None


def test_divergence_sums_a_completions_tokens(trained):
    kl, nll = trained.divergence(ROWS, temperature=0.8)
    flat = trained.statistics(ROWS, temperature=0.8, reference=True)
    with trained.adapter_off():
        plain = trained.statistics(ROWS, temperature=1.0, reference=False)  # its own distribution, whatever is sampled
    assert kl == pytest.approx([float(part.sum()) for part in flat.kl.detach().split(ROWS.lengths_B)])
    assert nll == pytest.approx([-float(part.sum()) for part in plain.logprobs.detach().split(ROWS.lengths_B)])
    assert trained.divergence(ROWS, temperature=0.8, adapter=False) == ([0.0] * 4, pytest.approx(nll))


# -------------------------------------------------------------------------------------------------- save and load


def test_an_adapter_file_comes_back_bit_for_bit(trained, tiny_folder, tmp_path):
    trained.save(tmp_path)
    other = Policy.load(tiny_folder)
    other.add_lora(rank=4, alpha=8.0, seed=99)
    assert other.fingerprint() != trained.fingerprint()
    other.load_adapter_file(tmp_path / "adapter_model.safetensors")
    mine, theirs = trained.state(), other.state()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert other.fingerprint() == trained.fingerprint()
    assert torch.equal(*(p.statistics(ROWS, temperature=1.0, reference=False).logprobs for p in (trained, other)))


def test_peft_reads_the_folder_as_it_is(trained, tiny_folder, tmp_path):
    trained.save(tmp_path)
    base = AutoModelForCausalLM.from_pretrained(tiny_folder)
    with warnings.catch_warnings():  # peft asks transformers for a name that it is about to drop
        warnings.simplefilter("ignore", FutureWarning)
        theirs = PeftModel.from_pretrained(base, tmp_path).eval()
    ids = torch.tensor([[5, 9, 12, 20, 21, 22]])
    assert torch.allclose(theirs(input_ids=ids).logits, trained.model(input_ids=ids).logits, atol=1e-5)
    assert json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))["lora_alpha"] == 8.0
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template == trained.tokenizer.chat_template


def test_state_goes_back_and_what_does_not_fit_is_refused(trained, shake):
    kept = trained.state()
    before = trained.statistics(ROWS, temperature=1.0, reference=False).logprobs
    shake(trained)
    assert not torch.equal(trained.statistics(ROWS, temperature=1.0, reference=False).logprobs, before)
    trained.load_state(kept)
    assert torch.equal(trained.statistics(ROWS, temperature=1.0, reference=False).logprobs, before)
    name = next(iter(kept))
    with pytest.raises(InputError, match="another model"):
        trained.load_state({key: value for key, value in kept.items() if key != name})
    with pytest.raises(InputError, match="rank"):
        trained.load_state({**kept, name: kept[name][:1]})  # which could be spread over the whole
    assert all(torch.equal(kept[key], value) for key, value in trained.state().items())


# ------------------------------------------------------------------------------------------------- templates (T2, T3)


def test_a_prompt_is_templated_once_and_ends_where_the_answer_begins(policy):
    prompt = Prompt.of([Message("system", "the"), Message("user", "good")])
    text = policy.tokenizer.decode(policy.encode(prompt))
    assert text == "<|im_start|>system\nthe<|im_end|>\n<|im_start|>user\ngood<|im_end|>\n<|im_start|>assistant\n"
    assert policy.encode(prompt).count(policy.tokenizer.eos_token_id) == 2  # as special tokens, not as letters


@pytest.fixture
def with_bos(tiny_folder, tmp_path):
    """The model with a tokenizer whose template writes a first token and whose post-processor adds one too."""
    from tokenizers import processors

    folder = tmp_path / "bos"
    shutil.copytree(tiny_folder, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>"})
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template.replace("<|im_start|>", "")
    bos = [("<|im_start|>", tokenizer.bos_token_id)]
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", pair="<|im_start|> $A $B", special_tokens=bos
    )
    tokenizer.save_pretrained(folder)
    return Policy.load(folder)


def test_the_first_token_is_never_there_twice(with_bos):
    bos = with_bos.tokenizer.bos_token_id
    assert with_bos.tokenizer("the")["input_ids"][0] == bos  # the trap is set
    ids = with_bos.encode(Prompt.of("the good"))
    assert ids[0] == bos
    assert ids.count(bos) == 1


def test_a_model_without_a_template_is_refused(tiny_folder, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(tiny_folder, folder)
    for file in folder.glob("chat_template*"):
        file.unlink()
    described = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    described.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(described), "utf-8")
    with pytest.raises(InputError, match="no chat template"):
        Policy.load(folder)


def test_pickled_weights_are_never_read(tiny_folder, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        Policy.load(folder)


# ------------------------------------------------------------------------------------------------------- bfloat16


@pytest.fixture
def halved(tiny_folder, shake):
    policy = Policy.load(tiny_folder, dtype="bfloat16")
    policy.add_lora(rank=4, alpha=8.0, seed=1)
    shake(policy)
    return policy


def test_bfloat16_is_close_to_float32(trained, halved):
    """Products have 8 bits: log-probs within 0.2 nats of float32's and 0.05 in the mean, the reference alike."""
    exact = trained.statistics(ROWS, temperature=1.0, reference=True)
    found = halved.statistics(ROWS, temperature=1.0, reference=True)
    for name in ("logprobs", "reference_logprobs", "kl"):
        gap = (getattr(found, name) - getattr(exact, name)).abs()
        assert found.logprobs.dtype == torch.float32
        assert gap.max() < 0.2, name
        assert gap.mean() < 0.05, name


def test_in_bfloat16_the_adapter_its_gradients_and_its_first_step_keep_float32(halved, tiny_folder):
    halved.statistics(ROWS, temperature=1.0, reference=True).logprobs.sum().backward()
    assert {p.dtype for p in halved.parameters().values()} == {torch.float32}
    assert all(torch.isfinite(p.grad).all() for p in halved.parameters().values())
    fresh = Policy.load(tiny_folder, dtype="bfloat16")
    fresh.add_lora(rank=4, alpha=8.0, seed=1)
    assert fresh.statistics(ROWS, temperature=1.0, reference=True).kl.eq(0).all()


def test_in_bfloat16_gradients_point_where_those_of_float32_do(trained, halved):
    gradients = []
    for policy in (trained, halved):
        found = policy.statistics(ROWS, temperature=1.0, reference=True)
        (found.logprobs.sum() + found.kl.sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.parameters().values()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.995


def test_in_bfloat16_the_sampler_stays_near_the_policy(halved):
    """The two round differently; 0.2 nats a token at most and 0.05 in the mean, as against the exact log-probs."""
    groups = EngineSampler(halved).sample(PROMPTS, Sampling(temperature=0.8, max_new_tokens=12), n=4)
    sampled = torch.tensor([value for group in groups for c in group for value in c.logprobs])
    with torch.no_grad():
        found = halved.statistics(halved.pack(PROMPTS, groups), temperature=0.8, reference=False)
    gap = (sampled - found.logprobs).abs()
    assert gap.max() < 0.2
    assert gap.mean() < 0.05


def test_computing_layers_again_changes_no_gradient(trained, monkeypatch):
    layers = []
    layer = type(trained.decoder)._layer
    monkeypatch.setattr(type(trained.decoder), "_layer", lambda self, n, *a: layers.append(n) or layer(self, n, *a))
    found = []
    for trained.recompute in (False, True):
        trained.statistics(ROWS, temperature=1.0, reference=False).logprobs.square().sum().backward()
        found.append({name: p.grad.clone() for name, p in trained.parameters().items()})
        for parameter in trained.parameters().values():
            parameter.grad = None
    assert len(layers) == 3 * len(trained.decoder.layers), "once, then twice"
    assert all(torch.equal(found[0][name], gradient) for name, gradient in found[1].items())
