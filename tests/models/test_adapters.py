"""Whatever is trained: it changes what is said, it reaches the sampler, the reference stays, and it can be kept."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from burnish.errors import InputError
from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.models.tuning import TuningConfig
from burnish.records import Prompt, Sampling

ROWS = pack([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61, 62]]])
PROMPTS = [Prompt.of("the good lamp, and the bad"), Prompt.of("hi")]
DRAWN = Sampling(temperature=0.8, max_new_tokens=8)

CONFIGS = {
    "lora": TuningConfig("lora", rank=3, alpha=6.0),
    "adalora": TuningConfig("adalora", rank=4, target_rank=2, alpha=8.0, steps=20),
    "ia3": TuningConfig("ia3"),
    "prefix": TuningConfig("prefix", tokens=3),
    "bottleneck": TuningConfig("bottleneck", width=5),
    "top layer": TuningConfig("layers", top=1),
    "norms": TuningConfig("layers", patterns=("norm",)),
    "full": TuningConfig("full"),
}
PEFTS = ("lora", "adalora", "ia3", "prefix")
WEIGHTS = ("top layer", "norms", "full")


def disturbed(policy: Policy, size: float = 0.2, seed: int = 0) -> Policy:
    """As if it had been trained."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters().values():
            parameter.add_(size * torch.randn(parameter.shape, generator=noise))
    return policy


def a_gpt2(policy: Policy) -> Policy:
    """A random GPT-2: absolute positions, weights that lie across, and norms that are float64 where the model is."""
    shape = {"vocab_size": len(policy.tokenizer), "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4}
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = GPT2LMHeadModel(GPT2Config(**shape, initializer_range=0.25, bos_token_id=None, eos_token_id=1))
    return Policy(model.eval().requires_grad_(False), policy.tokenizer, name="gpt2", dtype=torch.float32)


def adapt(policy: Policy, kind: str) -> None:
    with warnings.catch_warnings():  # peft says that it sees that GPT-2's weights lie across
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        policy.adapt(CONFIGS[kind], seed=1)


@pytest.fixture(params=CONFIGS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def adapted(kind: str, tiny_folder) -> Policy:
    policy = Policy.load(tiny_folder)
    policy.adapt(CONFIGS[kind], seed=1)
    return policy


def logprobs(policy: Policy, reference: bool = False) -> torch.Tensor:
    with torch.no_grad():
        found = policy.statistics(ROWS, temperature=0.8, reference=reference)
    return found.reference_logprobs if reference else found.logprobs


# ------------------------------------------------------------------------------------------- training, and the sampler


def test_the_first_step_stands_where_the_untouched_model_does(adapted, kind, policy):
    """Ratio 1, KL 0 (trap T21); a prefix alone begins elsewhere."""
    found = adapted.statistics(ROWS, temperature=0.8, reference=True)
    assert torch.allclose(found.reference_logprobs, logprobs(policy), atol=1e-5)
    if kind == "prefix":
        assert found.kl.abs().max() > 1e-3
    else:
        assert found.kl.eq(0).all()
        assert torch.equal(found.logprobs, found.reference_logprobs)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_fresh_prefix_is_the_templates_beginning_said_before_the_prompt(family, policy):
    """Exactly so, positions and all; 30 places are more than the template's tokens, which come again."""
    if family == "gpt2":
        policy = a_gpt2(policy)
    begins = (policy.encode(Prompt.of("Hello")) * 3)[:30]
    longer = pack([[*begins, 5, 9, 12], [*begins, 30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61, 62]]])
    with torch.no_grad():
        expected = policy.statistics(longer, temperature=0.8, reference=False).logprobs
    policy.adapt(TuningConfig("prefix", tokens=30))
    assert torch.allclose(logprobs(policy), expected, atol=1e-4)


def test_gradients_reach_what_is_trained_and_nothing_else(adapted, kind):
    frozen = {name: p.clone() for name, p in adapted.model.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.SGD(adapted.parameters().values(), lr=1e-3)
    before, said = adapted.state(), logprobs(adapted)
    for _ in range(2):  # LoRA's A moves once its B has
        adapted.statistics(ROWS, temperature=0.8, reference=True).logprobs.sum().neg().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in adapted.parameters().values())
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    moved = [name for name, p in adapted.parameters().items() if not torch.equal(p, before[name])]
    assert moved == list(adapted.parameters())
    assert logprobs(adapted).sum() > said.sum()
    after = dict(adapted.model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in frozen.items())
    assert (len(frozen) == 0) == (kind == "full")


def test_what_training_writes_reaches_the_sampler(adapted):
    """Trap T34; the sampler's log-probs are the trainer's before and after."""
    drawn = []
    for _ in range(2):
        groups = EngineSampler(adapted).sample(PROMPTS, DRAWN, n=3)
        sampled = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
        with torch.no_grad():
            found = adapted.statistics(adapted.pack(PROMPTS, groups), temperature=0.8, reference=False)
        assert torch.allclose(sampled, found.logprobs, atol=1e-4)
        drawn.append([completion.token_ids for group in groups for completion in group])
        disturbed(adapted)
    assert drawn[0] != drawn[1]


def test_the_reference_stays_what_it_was(adapted, policy):
    disturbed(adapted)
    untouched = logprobs(policy)
    assert (logprobs(adapted) - untouched).abs().max() > 0.05
    assert torch.allclose(logprobs(adapted, reference=True), untouched, atol=1e-5)
    with adapted.adapter_off():
        assert adapted.adapter_name is None
        assert torch.allclose(logprobs(adapted), untouched, atol=1e-5)
    kl, nll = adapted.divergence(ROWS, temperature=0.8)
    assert nll == pytest.approx(policy.divergence(ROWS, temperature=0.8)[1], abs=1e-4)
    assert all(value > 0 for value in kl)


def test_the_untouched_model_can_still_be_sampled(adapted, policy):
    disturbed(adapted)
    said = logprobs(adapted)
    mine, theirs = (EngineSampler(each, adapter=False).sample(PROMPTS, DRAWN, n=2) for each in (adapted, policy))
    assert [c.token_ids for g in mine for c in g] == [c.token_ids for g in theirs for c in g]
    stream = EngineSampler(adapted, adapter=False).stream(PROMPTS[0], DRAWN)
    first = next(stream)
    assert torch.equal(logprobs(adapted), said)  # between two pieces the trained weights are in their place
    assert first + "".join(stream) == mine[0][0].text
    assert torch.equal(logprobs(adapted), said)


def test_the_gradient_of_the_kl_is_that_of_finite_differences(kind, policy):
    """With the reference's own output matrix where that is trained too."""
    if kind not in ("lora", *WEIGHTS):  # the general path: a Llama of transformers has norms in float32
        policy = a_gpt2(policy)
    policy.model.double()
    policy.dtype = torch.float64
    adapt(policy, kind)
    for parameter in policy.parameters().values():
        parameter.data = parameter.data.double()
    if policy.untouched is not None:
        policy.untouched = type(policy.untouched)(policy.parameters())
    disturbed(policy, 0.05)

    def value() -> torch.Tensor:
        found = policy.statistics(ROWS, temperature=0.8, reference=True)
        return found.kl.sum() + found.logprobs.sum()

    value().backward()
    places = torch.Generator().manual_seed(0)
    for name, parameter in list(policy.parameters().items())[::5]:
        place = int(torch.randint(parameter.numel(), (1,), generator=places))
        flat, ends = parameter.data.view(-1), []
        kept = float(flat[place])
        for step in (1e-5, -1e-5):
            flat[place] = kept + step
            ends.append(float(value().detach()))
        flat[place] = kept
        expected = (ends[0] - ends[1]) / 2e-5
        assert float(parameter.grad.view(-1)[place]) == pytest.approx(expected, rel=1e-4, abs=1e-5), name


# --------------------------------------------------------------------------------------------------------- files


def test_what_is_saved_comes_back_to_the_bit(adapted, kind, tiny_folder, tmp_path):
    disturbed(adapted)
    adapted.save(tmp_path)
    other = Policy.load(tiny_folder)
    other.load_tuned(tmp_path)
    mine, theirs = adapted.state(), other.state()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert torch.equal(logprobs(adapted), logprobs(other))
    assert torch.equal(logprobs(adapted, reference=True), logprobs(other, reference=True))
    assert other.tuning.kind == CONFIGS[kind].kind
    third = Policy.load(tiny_folder)
    third.adapt(CONFIGS[kind], seed=7)
    third.load_state(mine)
    assert third.fingerprint() == adapted.fingerprint()


@pytest.mark.parametrize("kind", PEFTS, indirect=True)
def test_peft_reads_the_folder_as_it_is(adapted, tiny_folder, tmp_path):
    disturbed(adapted)
    adapted.save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), tmp_path).eval()
    ids = torch.tensor([[5, 9, 12, 20, 21, 22]])
    scores = theirs(input_ids=ids).logits[0].log_softmax(-1)[2:5].gather(1, ids[0, 3:, None])[:, 0]
    mine = adapted.statistics(pack([[5, 9, 12]], [[[20, 21, 22]]]), temperature=1.0, reference=False).logprobs
    assert torch.allclose(scores, mine, atol=1e-4)
    described = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert described.get("target_modules") == (
        sorted(described["target_modules"]) if "target_modules" in described else None
    )


@pytest.mark.parametrize("kind", WEIGHTS, indirect=True)
def test_trained_weights_are_a_model_of_their_own(adapted, tmp_path):
    disturbed(adapted)
    adapted.save(tmp_path)
    assert torch.allclose(logprobs(Policy.load(tmp_path)), logprobs(adapted), atol=1e-5)


def test_a_folder_without_an_adapter_is_refused(tiny_folder):
    with pytest.raises(InputError, match="no adapter was saved in it"):
        Policy.load(tiny_folder).load_tuned(tiny_folder)
