"""Every small model is a policy like any other: one interface, one arithmetic for sampler and trainer."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from burnish.corpora import check_model_folder
from burnish.errors import InputError
from burnish.examples import Row
from burnish.models import policy as policy_module
from burnish.models import small
from burnish.models.encoder_reward import EncoderReward
from burnish.models.general import GeneralEngine
from burnish.models.headed import HeadedPolicy
from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.small import registry
from burnish.models.tuning import TuningConfig
from burnish.records import Prompt, Sampling

SPEAKING = ("decoder", "gru", "lstm", "encoder_decoder")
TOKENS = [[5, 9, 12, 80], [7, 30], [100, 101, 102, 103, 104, 105, 106]]
COMPLETIONS = [[[20, 21, 22], [33], [40, 41, 42, 43, 44, 45, 1]], [[50, 51], [60, 61, 62]], [[70, 1]]]
DRAWN = Sampling(temperature=0.8, max_new_tokens=10)


def logprobs(policy: Policy, rows) -> torch.Tensor:
    with torch.no_grad():
        return policy.statistics(rows, temperature=1.0, reference=False).logprobs


# ------------------------------------------------------------------------------------------------ sampler and trainer


def test_packed_log_probs_are_those_of_one_completion_at_a_time(speaker):
    together = logprobs(speaker, pack(TOKENS, COMPLETIONS))
    alone = [
        logprobs(speaker, pack([prompt], [[completion]]))
        for prompt, group in zip(TOKENS, COMPLETIONS, strict=True)
        for completion in group
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert len(together) == sum(len(completion) for group in COMPLETIONS for completion in group)


def test_packed_log_probs_are_those_of_token_after_token(speaker):
    """The slow loop: prompt, then one token at a time, through the model's own forward and its past."""
    expected = []
    with torch.no_grad():
        for prompt, group in zip(TOKENS, COMPLETIONS, strict=True):
            for completion in group:
                found = speaker.model(input_ids=torch.tensor([prompt]), use_cache=True)
                for token in completion:
                    expected.append(found.logits[0, -1].log_softmax(-1)[token])
                    found = speaker.model(
                        input_ids=torch.tensor([[token]]), past_key_values=found.past_key_values, use_cache=True
                    )
    assert torch.allclose(logprobs(speaker, pack(TOKENS, COMPLETIONS)), torch.stack(expected), atol=1e-5)


def test_the_samplers_log_probs_are_the_trainers(speaker, prompts):
    groups = EngineSampler(speaker).sample(prompts, DRAWN, n=3)
    sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    with torch.no_grad():
        found = speaker.statistics(speaker.pack(prompts, groups), temperature=0.8, reference=True)
    assert torch.allclose(sampled, found.logprobs, atol=1e-5)
    assert found.kl.eq(0).all()


def test_greedy_is_that_of_a_plain_loop_whatever_the_company(speaker, prompts):
    """Left padding changes nothing: each prompt alone, unpadded, says the same."""
    engine = GeneralEngine(speaker.model, frozenset({1}), speaker.decode, rows=len(prompts))
    drawn = EngineSampler(speaker).sample(prompts, Sampling(temperature=0.0, max_new_tokens=12))
    assert engine.rows > 1
    for prompt, (completion,) in zip(prompts, drawn, strict=True):
        tokens, past, given = list[int](), None, torch.tensor([speaker.encode(prompt)])
        while len(tokens) < 12 and (not tokens or tokens[-1] not in speaker.end_ids):
            with torch.no_grad():
                found = speaker.model(input_ids=given, past_key_values=past, use_cache=True)
            past, given = found.past_key_values, found.logits[:, -1].argmax(-1, keepdim=True)
            tokens.append(int(given))
        assert list(completion.token_ids) == tokens


@pytest.mark.parametrize("kind", ["gru", "lstm", "encoder_decoder"])
def test_padding_on_either_side_changes_no_state(kind, small_folders):
    model = Policy.load(small_folders[kind]).model
    ids = torch.tensor([[5, 9, 12, 80]])
    plain = model(input_ids=ids)
    for left, right in ((3, 0), (0, 2), (2, 3)):
        padded = torch.tensor([[0] * left + [5, 9, 12, 80] + [7] * right, [11] * (4 + left + right)])
        mask = torch.tensor([[0] * left + [1] * 4 + [0] * right, [1] * (4 + left + right)])
        found = model(input_ids=padded, attention_mask=mask)
        at = slice(0, 1) if kind == "encoder_decoder" else slice(left, left + 4)
        assert torch.allclose(found.logits[:1, at], plain.logits, atol=1e-5)
        for mine, theirs in zip(found.past_key_values.parts, plain.past_key_values.parts, strict=True):
            assert torch.allclose(mine[:, :1], theirs, atol=1e-5)
        assert not torch.allclose(model(input_ids=padded[:1]).logits[:, -1], plain.logits[:, -1], atol=1e-2)


# ------------------------------------------------------------------------------------------------ gradients, and files


@pytest.mark.parametrize("kind", ["gru", "lstm", "encoder_decoder"])
def test_gradients_are_those_of_finite_differences(kind, tmp_path):
    """In float64, of the summed log-probs, at two places of every tensor."""
    small.make(tmp_path, kind=kind, texts=["a b"], vocabulary=259, hidden=4, layers=2, scale=0.5, seed=1)
    policy = Policy.load(tmp_path)
    policy.model.double()
    policy.dtype = torch.float64
    policy.model.requires_grad_(True)
    rows = pack(TOKENS, COMPLETIONS)
    policy.statistics(rows, temperature=1.0, reference=False).logprobs.sum().backward()
    places = torch.Generator().manual_seed(0)
    for name, parameter in policy.parameters().items():
        flat, slope = parameter.data.view(-1), parameter.grad.view(-1)
        for place in torch.randint(len(flat), (2,), generator=places).tolist():
            kept = float(flat[place])
            values = []
            for step in (1e-5, -1e-5):
                flat[place] = kept + step
                values.append(float(logprobs(policy, rows).sum()))
            flat[place] = kept
            assert float(slope[place]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("kind", small.KINDS)
def test_a_model_saved_again_is_the_same(kind, small_folders, tmp_path):
    check_model_folder(small_folders[kind])
    auto = AutoModelForSequenceClassification if kind == "encoder" else AutoModelForCausalLM
    model = auto.from_pretrained(small_folders[kind], local_files_only=True)
    model.save_pretrained(tmp_path)
    again = auto.from_pretrained(tmp_path, local_files_only=True)
    mine, theirs = model.state_dict(), again.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    written = [(each / "model.safetensors").read_bytes() for each in (small_folders[kind], tmp_path)]
    assert written[0] == written[1]
    assert not list(small_folders[kind].glob("*.py"))


@pytest.mark.parametrize("kind", small.KINDS)
def test_the_same_seed_makes_the_same_bytes(kind, tmp_path):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        small.make(tmp_path / name, kind=kind, texts=["the good"], vocabulary=270, hidden=16, layers=1, seed=seed)
    assert torch.equal(torch.rand(1), expected)
    one, two, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two", "other")
    )
    assert one == two
    assert one["model.safetensors"] != other["model.safetensors"]


def test_whoever_can_load_a_policy_knows_the_kinds():
    """In any interpreter, whatever else it has imported."""
    assert vars(policy_module)["registry"] is registry
    assert AutoConfig.for_model("burnish_recurrent", cell="lstm").cell == "lstm"


def test_backbones_are_known_too(small_folders):
    kinds = {kind: type(AutoModel.from_pretrained(folder)).__name__ for kind, folder in small_folders.items()}
    assert kinds["gru"] == kinds["lstm"] == "RecurrentModel"
    assert kinds["encoder_decoder"] == "EncoderDecoderModel"


# ------------------------------------------------------------------------------------------------------ the encoder


def test_the_encoder_reads_both_ways_and_has_a_head(small_folders, tmp_path):
    small.make(tmp_path, kind="encoder", texts=["a"], vocabulary=270, hidden=16, layers=1, heads=2, labels=3, scale=0.5)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("one two")["input_ids"]
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert model(input_ids=torch.tensor([ids])).logits.shape == (1, 3)
    first, other = (model.bert(input_ids=torch.tensor([[5, 6, last]])).last_hidden_state[0, 0] for last in (7, 8))
    assert not torch.allclose(first, other, atol=1e-3)  # the first place sees the last


def test_the_encoder_is_a_reward_model(small_folders):
    reward = EncoderReward.load(small_folders["encoder"])
    assert reward.predict(["good", "a bad lamp"]).eq(0).all()  # a head of zeros
    assert reward.parameters()


def test_the_encoder_is_no_policy(small_folders):
    """transformers would give it a random output matrix."""
    with pytest.raises(InputError, match="weights that a language model needs are not there"):
        Policy.load(small_folders["encoder"])


# ------------------------------------------------------------------------------------------------- heads, learning


def test_heads_stand_on_any_of_them(speaker, prompts):
    """Values before and rewards after each token: packed as alone, and differentiable."""
    network = HeadedPolicy(speaker, heads={"value": 1, "reward": 2}, seed=1)
    with torch.no_grad():
        for parameter in network.heads.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view(parameter.shape))
    drawn = EngineSampler(speaker).sample(prompts[:2], DRAWN, n=2)
    rows = [Row(prompt, each) for prompt, group in zip(prompts, drawn, strict=False) for each in group]
    together = network.outputs(network.inputs(rows, 10))
    for number, row in enumerate(rows):
        alone = network.outputs(network.inputs([row], 10))
        assert torch.allclose(together.values_BT[number], alone.values_BT[0], atol=1e-4)
        assert torch.allclose(together.rewards_BK[number], alone.rewards_BK[0], atol=1e-4)
    together.rewards_BK.sum().backward()
    assert network.heads["reward"].weight.grad.abs().max() > 0


@pytest.mark.parametrize("kind", SPEAKING)
def test_each_learns_two_answers_by_heart(kind, small_folders):
    """And not when the sign is wrong."""
    answers = ["a rose", "the sky"]
    for sign in (1, -1):
        policy = Policy.load(small_folders[kind])
        policy.adapt(TuningConfig("full"))
        prompts = [Prompt.of("What is red?"), Prompt.of("What is blue?")]
        said = [[*policy.tokenizer(answer)["input_ids"], policy.tokenizer.eos_token_id] for answer in answers]
        rows = pack([policy.encode(prompt) for prompt in prompts], [[ids] for ids in said])
        optimiser = torch.optim.AdamW(policy.parameters().values(), lr=0.02)
        for _ in range((60 if kind == "lstm" else 30) if sign > 0 else 3):
            (-sign * policy.statistics(rows, temperature=1.0, reference=False).logprobs.mean()).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        drawn = EngineSampler(policy).sample(prompts, Sampling(temperature=0.0, max_new_tokens=20))
        assert ([group[0].text for group in drawn] == answers) == (sign > 0)
        untouched = Policy.load(small_folders[kind])
        with torch.no_grad():
            before = untouched.statistics(rows, temperature=1.0, reference=False).logprobs
            found = policy.statistics(rows, temperature=1.0, reference=True)
        assert torch.allclose(found.reference_logprobs, before, atol=1e-5)


# ------------------------------------------------------------------------------------------------------- adapters


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder"])
def test_lora_where_there_are_linear_layers(kind, small_folders, shake, prompts):
    policy = Policy.load(small_folders[kind])
    policy.add_lora(rank=2, alpha=4.0, seed=1)
    before = logprobs(policy, pack(TOKENS, COMPLETIONS))
    shake(policy, size=0.5)
    assert (logprobs(policy, pack(TOKENS, COMPLETIONS)) - before).abs().max() > 0.05
    groups = EngineSampler(policy).sample(prompts, DRAWN, n=2)
    sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    found = logprobs_at(policy, prompts, groups)
    assert torch.allclose(sampled, found, atol=1e-5)


def logprobs_at(policy: Policy, prompts, groups) -> torch.Tensor:
    with torch.no_grad():
        return policy.statistics(policy.pack(prompts, groups), temperature=0.8, reference=False).logprobs


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_lora_is_refused_where_there_are_none(kind, small_folders):
    with pytest.raises(InputError, match="no linear layers"):
        Policy.load(small_folders[kind]).add_lora(rank=2, alpha=4.0, seed=1)


# ------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "transformer"}, "'transformer' is not one of decoder, gru"),
        ({"vocabulary": 100}, "less than the 259 tokens"),
        ({"width": 3}, "width: not a size of a small model"),
        ({"layers": 0}, "layers: 0 is not a whole number"),
        ({"kind": "decoder", "hidden": 10}, "not a multiple of twice the 4 heads"),
        ({"kind": "encoder_decoder", "hidden": 5}, "must be even"),
        ({"kind": "encoder_decoder", "teacher_forcing": 2.0}, r"2.0 is not in \[0, 1\]"),
        ({"dropout": 1.0}, "dropout: 1.0 is not in"),
        ({"scale": 0.0}, "scale: 0.0 is not a number above 0"),
        ({"special": ["<|pad|>"]}, "empty or a repeated token"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, said, tmp_path):
    with pytest.raises(InputError, match=said):
        small.make(tmp_path, **{"kind": "gru", "texts": ["a"], "vocabulary": 270, **wrong})
    assert not list(tmp_path.iterdir())


def test_a_recurrent_model_of_transformers_is_refused():
    """It would pass over the mask of a packed group without a word."""
    from transformers import MambaConfig, MambaForCausalLM

    from burnish.models.general import packs

    config = MambaConfig(vocab_size=8, hidden_size=8, state_size=2, num_hidden_layers=1)
    with pytest.raises(InputError, match="'mamba' is recurrent"):
        packs(MambaForCausalLM(config))


def test_special_tokens_stay_whole(tmp_path):
    small.make(tmp_path, kind="gru", texts=["a"], vocabulary=270, special=["<|good|>"], hidden=8, layers=1)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer("<|good|>")["input_ids"]) == 1
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["vocab_size"] == len(tokenizer)
