"""REINFORCE: exact gradients by enumeration, every baseline, where the KL is charged, by hand, and its wrong twin."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import reinforce

DOUBLE = torch.float64
NAN = float("nan")
PLAIN = reinforce.Config(baseline="none", beta=0.0)


def batch(rewards, lengths, **more) -> Batch:
    scalars = {"max_new_tokens": 10.0, **more.pop("scalars", {})}
    rewards_B = torch.tensor(rewards, dtype=DOUBLE)
    return Batch(length_mask(lengths), torch.arange(len(rewards)), rewards_B=rewards_B, scalars=scalars, **more)


def share(made: Batch, config: reinforce.Config, **outputs: torch.Tensor) -> list[float]:
    made = reinforce.targets(made, config)
    says = {"logprobs_BT": torch.full(made.completion_mask_BT.shape, -1.0, dtype=DOUBLE), **outputs}
    return reinforce.loss(made, Outputs(**says), config)[0].tolist()


# ---------------------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        # by hand: log-probs are -1, so the loss of a token is its advantage; lengths 2, 1, 3; 3 completions * 10
        ("none", [2 * 4.0, 1.0, 3 * -2.0]),
        ("running", [2 * 3.5, 0.5, 3 * -2.5]),  # less 0.5
        ("batch", [2 * 4.5, 0.0, 3 * -4.5]),  # others' means -0.5, 1, 2.5
    ],
)
def test_the_share_of_each_completion(baseline, expected):
    made = batch([4.0, 1.0, -2.0], [2, 1, 3], scalars={"baseline": 0.5})
    config = reinforce.Config(baseline=baseline, beta=0.0)
    assert share(made, config) == pytest.approx([each / 30 for each in expected])


def test_a_value_head_is_the_baseline_and_learns_the_return():
    config = reinforce.Config(baseline="value", beta=0.0, value_weight=0.5)
    made = replace(batch([4.0], [2]), old_values_BT=torch.tensor([[1.0, 3.0]], dtype=DOUBLE))
    now = torch.tensor([[2.0, 3.0]], dtype=DOUBLE)
    # by hand: advantages 3, 1; half of 1/2 (4-2)^2 and of 1/2 (4-3)^2
    assert share(made, config, values_BT=now) == pytest.approx([(3 + 1 + 0.5 * (2 + 0.5)) / 10])


def test_token_rewards_are_paid_where_they_stand():
    made = replace(batch([4.0], [3]), token_rewards_BT=torch.tensor([[NAN, 2.0, NAN]], dtype=DOUBLE))
    found = reinforce.targets(made, reinforce.Config(baseline="none", beta=0.0, discount=0.5))
    # by hand: 0 + (2 + 4/2) / 2, 2 + 4/2, 4
    assert found.returns_BT.tolist() == [[2.0, 4.0, 4.0]]


def test_the_reward_is_paid_at_the_last_token_and_a_truncated_one_pays():
    made = replace(batch([4.0, 4.0], [2, 3]), truncated_B=torch.tensor([False, True]))
    found = reinforce.targets(made, replace(PLAIN, discount=0.5, truncation_penalty=1.0))
    assert found.returns_BT.tolist() == [[2.0, 4.0, 0.0], [0.75, 1.5, 3.0]]


def test_what_is_remembered_for_the_running_mean_is_the_return_of_the_whole():
    """Discounted, less the KL and the penalty: what the next window's returns are compared with."""
    config = replace(PLAIN, baseline="running", beta=0.5, discount=0.5, truncation_penalty=1.0)
    made = replace(
        batch([4.0, 4.0], [2, 2]),
        truncated_B=torch.tensor([False, True]),
        old_logprobs_BT=torch.full((2, 2), -1.0, dtype=DOUBLE),
        reference_logprobs_BT=torch.full((2, 2), -2.0, dtype=DOUBLE),
    )
    made = reinforce.targets(made, config)
    _, metrics = reinforce.loss(made, Outputs(logprobs_BT=torch.full((2, 2), -1.0, dtype=DOUBLE)), config)
    assert metrics["return"].tolist() == [-0.5 + 0.5 * 3.5, -0.5 + 0.5 * 2.5]
    assert metrics["paid"].tolist() == [4.0, 3.0]


def test_what_was_not_scored_is_in_no_mean_and_no_count():
    config = reinforce.Config(baseline="batch", beta=0.0)
    assert share(batch([4.0, NAN, -2.0], [2, 3, 1]), config) == pytest.approx([2 * 6 / 20, 0.0, -6 / 20])


def test_a_controllers_coefficient_replaces_the_setting_unless_there_is_no_reference():
    made = replace(
        batch([0.0], [1], scalars={"beta": 3.0}),
        old_logprobs_BT=torch.tensor([[-1.0]], dtype=DOUBLE),
        reference_logprobs_BT=torch.tensor([[-2.0]], dtype=DOUBLE),
    )
    assert reinforce.targets(made, replace(PLAIN, beta=0.1)).returns_BT.tolist() == [[-3.0]]
    assert reinforce.targets(made, PLAIN).returns_BT.tolist() == [[0.0]]
    in_loss = replace(PLAIN, beta=0.1, kl_in="loss")
    assert share(made, in_loss, kl_BT=torch.tensor([[2.0]], dtype=DOUBLE)) == pytest.approx([3 * 2 / 10])


# ----------------------------------------------------------------------------------------------- by full enumeration


@pytest.mark.parametrize("baseline", ["none", "running", "value"])
def test_its_mean_is_the_gradient_of_the_expected_reward(world, baseline):
    here = world(heads={"value": 1})
    here.policy.tables["value"].data += torch.randn(here.policy.tables["value"].shape, dtype=DOUBLE)
    config = reinforce.Config(baseline=baseline, beta=0.0, normaliser="constant", value_weight=0.0)
    found = 4 * here.expected(reinforce, config, lambda b: replace(b, scalars={**b.scalars, "baseline": 0.7}))
    true = here.gradient((here.chances() * here.rewards).sum())
    assert torch.allclose(here.gradient(found), -true, atol=1e-12)
    assert true.norm() > 0.1


def test_the_mean_of_the_others_changes_nothing_in_expectation(world):
    here = world(longest=2)
    config = reinforce.Config(baseline="batch", beta=0.0)
    p = here.chances().detach()
    total = torch.zeros((), dtype=DOUBLE)
    for i in range(len(p)):
        for j in range(len(p)):
            made, outputs = here.window([[here.row(i)], [here.row(j)]])
            share_B, _ = reinforce.loss(reinforce.targets(made, config), outputs, config)
            total = total + p[i] * p[j] * share_B.sum() * 4
    true = here.gradient((here.chances() * here.rewards).sum())
    assert torch.allclose(here.gradient(total), -true, atol=1e-12)


def test_the_kl_in_the_reward_is_the_gradient_of_the_whole_completions_divergence(world):
    here = world()
    found = 4 * here.expected(reinforce, reinforce.Config(baseline="none", beta=0.3))
    true = here.gradient((here.chances() * here.rewards).sum() - 0.3 * here.divergence())
    assert torch.allclose(here.gradient(found), -true, atol=1e-12)
    assert here.gradient(here.divergence()).norm() > 0.05


def test_it_rests_where_the_best_of_reward_and_divergence_is(world):
    here = world()
    here.become(here.best_of_both(0.3))
    found = here.gradient(here.expected(reinforce, reinforce.Config(baseline="none", beta=0.3)))
    assert found.abs().max() < 1e-12


def test_the_kl_in_the_loss_holds_no_token_to_account_for_later_ones(world):
    here = world()
    config = reinforce.Config(baseline="none", beta=0.3, kl_in="loss")
    found = here.gradient(4 * here.expected(reinforce, config))
    true = -here.gradient((here.chances() * here.rewards).sum() - 0.3 * here.divergence())
    last = [n for n, (_, begun) in enumerate(here.policy._node) if len(begun) == 2]
    assert torch.allclose(found[last], true[last], atol=1e-12)  # nothing comes after the last place
    assert not torch.allclose(found[0], true[0], atol=1e-3)


def test_the_gradient_is_that_of_finite_differences():
    made = batch([4.0, 1.0], [2, 1], old_values_BT=torch.zeros(2, 2, dtype=DOUBLE))
    config = reinforce.Config(baseline="value", beta=0.0)
    made = reinforce.targets(made, config)
    leaves = [torch.randn(2, 2, dtype=DOUBLE, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(
        lambda logprobs, values: reinforce.loss(made, Outputs(logprobs_BT=logprobs, values_BT=values), config)[0],
        leaves,
    )


# -------------------------------------------------------------------------------------------------------- it learns


def test_it_finds_the_best_completion_and_its_twin_does_not(world, twin):
    here = world(longest=2)
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(reinforce, reinforce.Config(beta=0.0), steps=60) > best - 0.05 * (best - before)
    assert world(longest=2).learn(twin(reinforce), reinforce.Config(beta=0.0), steps=20) < before


def test_it_asks_for_no_more_than_it_uses():
    assert reinforce.needs(PLAIN).views == ()
    assert reinforce.needs(reinforce.Config()).views == ("old", "reference")
    assert reinforce.needs(reinforce.Config(kl_in="loss")).views == ("reference",)
    assert reinforce.needs(reinforce.Config(baseline="value", beta=0.0)).views == ("old",)


@pytest.mark.parametrize("setting", [{"discount": 1.5}, {"beta": -1.0}, {"value_weight": NAN}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        reinforce.Config(**setting)
