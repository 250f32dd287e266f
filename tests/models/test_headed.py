"""A policy with heads: read at the right places, taught by the right teacher, saved whole, drawn from as it says."""

import pytest
import torch
from tests.conftest import a_model, a_tokenizer

from burnish.errors import InputError
from burnish.examples import Row
from burnish.models.averaging import Average
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, FinishReason, Prompt, Sampling

ASKED = [Prompt.of("the good"), Prompt.of("a bad one")]
SAMPLING = Sampling(max_new_tokens=5)


def a_network(*, tuning: TuningConfig | None = None, **more) -> HeadedPolicy:
    tokenizer = a_tokenizer()
    policy = Policy(a_model(tokenizer).eval().requires_grad_(False), tokenizer, name="t", dtype=torch.float32)
    policy.adapt(tuning or TuningConfig(rank=4), seed=0)
    with torch.no_grad():  # an adapter that does something
        for name, parameter in policy.parameters().items():
            if "lora_B" in name:
                parameter.normal_(std=0.05, generator=torch.Generator().manual_seed(len(name)))
    return HeadedPolicy(policy, max_tokens=64, sampling=SAMPLING, **more)


def drawn(network: HeadedPolicy) -> list[Row]:
    groups = network.sampler().sample(ASKED, SAMPLING, n=2, seed=1)
    return [Row(p, c) for p, group in zip(ASKED, groups, strict=True) for c in group]


def outputs(network, rows, **how):
    width = max(len(network.tokens(row)) for row in rows)
    return network.outputs(network.inputs(rows, width, teacher=how.pop("teacher", False)), **how)


def test_the_trainer_says_what_the_sampler_said():
    network = a_network()
    rows = drawn(network)
    found = outputs(network, rows, reference=True)
    for number, row in enumerate(rows):
        said = torch.tensor(row.completion.logprobs)
        assert torch.allclose(found.logprobs_BT[number, : len(said)], said, atol=1e-5)
    assert float(found.kl_BT.detach().sum()) > 0


def test_a_reward_is_read_after_a_token_and_a_value_before_it():
    network = a_network(heads={"value": 1, "reward": 2})
    with torch.no_grad():
        network.heads["value"].weight.copy_(network.heads["reward"].weight[:1])
        network.heads["value"].bias.zero_()
    rows = drawn(network)
    found = outputs(network, rows)
    # the state after token t is the one before token t + 1
    for number, row in enumerate(rows):
        length = len(row.completion.token_ids)
        after, before = found.token_rewards_BTK[number, : length - 1, 0], found.values_BT[number, 1:length]
        assert torch.allclose(after, before, atol=1e-5)
        assert torch.equal(found.rewards_BK[number], found.token_rewards_BTK[number, length - 1])


def test_the_teacher_is_the_policy_that_was_asked_more():
    network = a_network()
    plain = drawn(network)
    asked = Prompt.of("say it well: the good")
    rows = [Row(row.prompt, row.completion, teacher=asked) for row in plain]
    found = outputs(network, rows, teacher=True)
    by_hand = outputs(network, [Row(asked, row.completion) for row in plain])
    assert torch.allclose(found.teacher_logprobs_BT, by_hand.logprobs_BT.detach(), atol=1e-5)
    assert float(found.teacher_kl_BT.detach().sum()) > 0
    itself = outputs(network, plain, teacher=True)
    assert float(itself.teacher_kl_BT.detach().abs().max()) < 1e-5


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_slower_teacher_speaks_with_weights_of_its_own(kind):
    """Output matrix and all; the policy's graph and weights are what they were."""
    network = a_network(tuning=TuningConfig(kind=kind, rank=4))
    rows = drawn(network)
    network.teacher = Average(network.parameters(), decay=0.5, warm=False)
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters().values()):
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    network.teacher.update()
    asked = Prompt.of("say it well: the good")
    with network.teacher.swapped(), torch.no_grad():
        by_hand = outputs(network, [Row(asked, row.completion) for row in rows]).logprobs_BT
    before = network.policy.fingerprint()
    found = outputs(network, [Row(row.prompt, row.completion, teacher=asked) for row in rows], teacher=True)
    assert torch.allclose(found.teacher_logprobs_BT, by_hand, atol=1e-5)
    itself = outputs(network, [Row(asked, row.completion) for row in rows]).logprobs_BT
    assert float((by_hand - itself.detach()).abs().max()) > 1e-3
    found.teacher_kl_BT.sum().backward()
    assert all(
        parameter.grad.isfinite().all() for parameter in network.parameters().values() if parameter.grad is not None
    )
    assert network.policy.fingerprint() == before


def test_an_act_that_changes_nothing_draws_what_the_engine_draws():
    network = a_network(heads={"value": 1, "q": 1})
    engine = network.sampler().sample(ASKED, SAMPLING, n=3, seed=5)
    acting = network.sampler(lambda says: says.logits_BV).sample(ASKED, SAMPLING, n=3, seed=5)
    assert [[c.token_ids for c in group] for group in acting] == [[c.token_ids for c in group] for group in engine]
    pairs = [(a, b) for ours, theirs in zip(acting, engine, strict=True) for a, b in zip(ours, theirs, strict=True)]
    for ours, theirs in pairs:
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_an_act_sees_heads_and_reference():
    network, seen = a_network(heads={"value": 1, "q": 2}), []

    def act(says):
        seen.append(says)
        return says.reference_logits_BV

    with_reference = network.sampler(act, reference=True).sample(ASKED, SAMPLING, n=1, seed=5)
    assert seen[0].q_BKV.shape == (2, 2, network.vocabulary)
    assert seen[0].values_B.shape == (2,)
    with network.policy.adapter_off():
        untouched = network.sampler().sample(ASKED, SAMPLING, n=1, seed=5)
    assert [g[0].token_ids for g in with_reference] == [g[0].token_ids for g in untouched]


def test_a_text_from_outside_ends_once_and_a_cut_one_does_not_end():
    network = a_network()
    end = network.policy.tokenizer.eos_token_id
    whole = network.tokens(Row(ASKED[0], Completion("", "good")))
    cut = network.tokens(Row(ASKED[0], Completion("", "good", finish_reason=FinishReason.LENGTH)))
    assert whole == [*cut, end]
    assert network.tokens(Row(ASKED[0], Completion("", "good<|im_end|>"))).count(end) == 1


def test_continuations_begin_as_they_were_begun():
    network = a_network()
    said = network.tokens(drawn(network)[0])[:2]
    found = network.continuations(ASKED[:1], [said], n=3, seed=2)
    assert all(list(c.token_ids[:2]) == said and len(c.token_ids) <= SAMPLING.max_new_tokens for c in found[0])
    assert all(c.text == network.policy.decode(c.token_ids) for c in found[0])


def test_a_checkpoint_with_heads_comes_back_bit_for_bit(tmp_path):
    network = a_network(heads={"reward": 3})
    network.save(tmp_path)
    other = a_network(heads={"reward": 3}, seed=9)
    assert not torch.equal(other.heads["reward"].weight, network.heads["reward"].weight)
    other.load_heads(tmp_path)
    assert torch.equal(other.heads["reward"].weight, network.heads["reward"].weight)
    with pytest.raises(InputError, match="wanted"):
        a_network(heads={"value": 1}).load_heads(tmp_path)


def test_scores_have_members_and_an_empty_completion_has_none():
    network = a_network(heads={"reward": 3})
    completions = [Completion(ASKED[0].id, "good"), Completion(ASKED[1].id, "", token_ids=())]
    good, empty = network.score(ASKED, completions)
    assert len(good.members) == 3
    assert good.value == pytest.approx(sum(good.members) / 3)
    assert good.variance > 0
    assert empty.value is None
    assert empty.reason
