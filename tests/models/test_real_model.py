"""SmolLM2-135M: greedy decoding is transformers' own, and the sampler's log-probs are the training path's."""

from pathlib import Path

import pytest
import torch

from burnish import corpora
from burnish.errors import UnreachableError
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Message, Prompt, Sampling

pytestmark = pytest.mark.real_model
PLACES = ("desk", "garden", "river", "school", "kitchen", "old house", "night train", "market", "island", "library")
ASKED = (
    "Describe the {}.", "A word on the {}?", "Why the {}?", "What is a {}?", "Who likes the {}?", "Praise the {}.",
    "The {} is", "Name one {}.", "Where is the {}?", "Tell me a story of a {} and a dog that is afraid of it.",
    "{}: good or bad?", "Is the {} big?", "Three words: {}", "Say no to the {}.", "When was the {} made?",
    "Do you see the {}?", "How do I find the {}?", "Count from the {} to ten.", "Rhyme with {}.", "{}!",
)  # fmt: skip
PROMPTS = [Prompt.of([Message("system", "Be brief."), Message("user", asked.format(place))])
           for asked in ASKED for place in PLACES]  # fmt: skip
NEW = 12


@pytest.fixture(scope="module")
def smollm() -> Path:
    try:
        return corpora.resolve("smollm2-135m")
    except UnreachableError as error:
        pytest.skip(str(error))


def by_generate(policy: Policy, prompts: list[Prompt]) -> list[list[int]]:
    """What `generate` says, in batches of 40 padded on the left, cut after the first end token."""
    found = []
    for start in range(0, len(prompts), 40):
        encoded = [policy.encode(prompt) for prompt in prompts[start : start + 40]]
        width = max(map(len, encoded))
        rows = policy.model.generate(
            input_ids=torch.tensor([[0] * (width - len(each)) + each for each in encoded]),
            attention_mask=torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in encoded]),
            do_sample=False,
            max_new_tokens=NEW,
            eos_token_id=sorted(policy.end_ids),
            pad_token_id=0,
        )[:, width:]
        for row in rows.tolist():
            end = next((i for i, token in enumerate(row) if token in policy.end_ids), len(row) - 1)
            found.append(row[: end + 1])
    return found


def test_greedy_decoding_is_token_identical_to_transformers_on_200_prompts(smollm):
    """In float32, both sides in batches, of different sizes and make-up."""
    policy = Policy.load(smollm)
    assert len(PROMPTS) == 200
    expected = by_generate(policy, PROMPTS)
    drawn = EngineSampler(policy, rows=64).sample(PROMPTS, Sampling(temperature=0.0, max_new_tokens=NEW))
    found = [list(completion.token_ids) for (completion,) in drawn]
    differ = [k for k in range(200) if found[k] != expected[k]]
    assert not differ, [(PROMPTS[k].text, found[k], expected[k]) for k in differ]
    assert len({tuple(each) for each in found}) > 60


@pytest.mark.parametrize(("dtype", "mean", "most"), [("float32", 3e-5, 3e-4), ("bfloat16", 0.08, 0.7)])
def test_the_samplers_log_probs_are_the_training_paths(smollm, dtype, mean, most):
    """Mean and largest |difference| in nats, with margin. Measured on an AVX-512 machine with bfloat16 products:

    float32, 479 tokens: 0.0000096 and 0.000051. bfloat16, 465 tokens: 0.050 and 0.35. That is what bfloat16 is worth
    (without an adapter, 457 tokens): sampler to training path 0.046 and 0.33; either of them to the float32 model 0.037
    and 0.31 at most; transformers' own bfloat16 to the float32 model 0.037 and 0.26, and to the training path 0.047.
    """
    policy = Policy.load(smollm, dtype=dtype)
    policy.add_lora(rank=8, alpha=16.0, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in policy.parameters().items():
            if "lora_B" in name:
                parameter.add_(0.005 * torch.randn(parameter.shape, generator=generator))
    prompts = PROMPTS[::25]
    groups = EngineSampler(policy).sample(prompts, Sampling(max_new_tokens=16), n=4)
    found = policy.statistics(policy.pack(prompts, groups), temperature=1.0, reference=True)
    said = torch.tensor([value for group in groups for completion in group for value in completion.logprobs])
    gap = (said - found.logprobs.detach()).abs()
    assert len(gap) > 400
    assert gap.mean() < mean
    assert gap.max() < most
    if dtype == "float32":  # the adapter is felt: without it, log-probs are others
        assert (said - found.reference_logprobs).abs().mean() > 100 * mean


def test_log_probs_of_int8_weights_are_near_the_models_own(smollm):
    """Mean and largest |difference| in nats between what was drawn by int8 weights and what bfloat16 says of it.

    Measured on an AVX-512 machine, 121 tokens: 0.078 and 0.33; bfloat16 alone gives 0.046 and 0.33 (above).
    """
    policy = Policy.load(smollm, dtype="bfloat16")
    prompts = PROMPTS[::25]
    groups = EngineSampler(policy, weights="int8").sample(prompts, Sampling(max_new_tokens=16))
    with torch.no_grad():
        found = policy.statistics(policy.pack(prompts, groups), temperature=1.0, reference=False)
    gap = (torch.tensor([value for (completion,) in groups for value in completion.logprobs]) - found.logprobs).abs()
    assert len(gap) > 80
    assert gap.mean() < 0.15
    assert gap.max() < 1.5
    assert {completion.model for (completion,) in groups} == {f"{policy.name} (int8)"}
