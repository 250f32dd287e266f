"""A2C: both returns by hand, exact gradients with exact values, the entropy bonus' gradient, and its wrong twin."""

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import a2c

DOUBLE = torch.float64
NAN = float("nan")


def exact_values(here, beta: float = 0.0, bonus: float = 0.0) -> None:
    """Put the expected return from each state into the value table: by going through the tree from its leaves."""
    log_p = here.logits.detach().log_softmax(-1)
    log_q = here.policy.reference_SV.log_softmax(-1)
    paid = dict(zip(here.tokens, here.rewards.tolist(), strict=True))
    values: dict[tuple[int, ...], float] = {}
    nodes = {begun: node for node, (_, begun) in enumerate(here.policy._node)}
    for begun in sorted(nodes, key=len, reverse=True):
        node, total = nodes[begun], 0.0
        for token in range(here.policy.vocabulary):
            after = (*begun, token)
            cost = beta * float(log_p[node, token] - log_q[node, token]) + bonus * float(log_p[node, token])
            total += float(log_p[node, token].exp()) * (paid.get(after, 0.0) - cost + values.get(after, 0.0))
        values[begun] = total
        here.policy.tables["value"].data[node] = total


def batch(rewards, lengths, values, **more) -> Batch:
    return Batch(
        length_mask(lengths),
        torch.arange(len(rewards)),
        rewards_B=torch.tensor(rewards, dtype=DOUBLE),
        old_values_BT=torch.tensor(values, dtype=DOUBLE),
        scalars={"max_new_tokens": 10.0},
        **more,
    )


def test_both_returns_by_hand():
    made = batch([2.0], [3], [[8.0, 4.0, 1.0]])
    one = a2c.targets(made, a2c.Config(beta=0.0, returns="n_step", steps=1, discount=0.5))
    # by hand: 0.5 * 4, 0.5 * 1, 2
    assert one.returns_BT.tolist() == [[2.0, 0.5, 2.0]]
    assert one.advantages_BT.tolist() == [[-6.0, -3.5, 1.0]]
    traced = a2c.targets(made, a2c.Config(beta=0.0, trace=0.5, discount=0.5))
    # by hand: deltas -6, -3.5, 1; A_1 = -3.5 + 0.25, A_0 = -6 + 0.25 * -3.25
    assert traced.advantages_BT.tolist() == [[-6.8125, -3.25, 1.0]]


def test_the_share_by_hand():
    made = batch([2.0], [2], [[1.0, 1.0]])
    config = a2c.Config(beta=0.0, trace=1.0, value_weight=0.5)
    says = Outputs(
        logprobs_BT=torch.tensor([[-1.0, -3.0]], dtype=DOUBLE), values_BT=torch.tensor([[2.0, 0.0]], dtype=DOUBLE)
    )
    found, metrics = a2c.loss(a2c.targets(made, config), says, config)
    # by hand: advantages 1, 1: 1 + 3; values half of 1/2 (0 + 4); over 10
    assert found.tolist() == pytest.approx([(4 + 1) / 10])
    assert metrics["value_error"].tolist() == [1.0]
    assert metrics["paid"].tolist() == [2.0]


@pytest.mark.parametrize(
    "settings",
    [{"returns": "n_step", "steps": 1}, {"returns": "n_step", "steps": 2}, {"trace": 0.0}, {"trace": 0.7}],
)
def test_with_exact_values_its_mean_is_the_exact_gradient(world, settings):
    here = world(heads={"value": 1})
    config = a2c.Config(beta=0.2, entropy_bonus=0.1, value_weight=0.0, **settings)
    exact_values(here, 0.2, 0.1)
    p = here.chances()
    goal = (p * here.rewards).sum() - 0.2 * here.divergence() - 0.1 * (p * p.log()).sum()
    found = here.gradient(4 * here.expected(a2c, config))
    true = here.gradient(goal)
    assert torch.allclose(found, -true, atol=1e-12)
    here.policy.tables["value"].data *= 0.5  # and with wrong ones it is not: that is what trace = 1 is for
    assert not torch.allclose(here.gradient(4 * here.expected(a2c, config)), -true, atol=1e-3)


def test_with_the_whole_return_no_value_is_too_wrong(world):
    here = world(heads={"value": 1})
    here.policy.tables["value"].data += torch.randn(here.policy.tables["value"].shape, dtype=DOUBLE)
    config = a2c.Config(beta=0.0, trace=1.0, value_weight=0.0)
    true = here.gradient((here.chances() * here.rewards).sum())
    assert torch.allclose(here.gradient(4 * here.expected(a2c, config)), -true, atol=1e-12)


def test_the_entropy_bonus_has_the_gradient_of_the_whole_completions_entropy(world):
    here = world(heads={"value": 1})
    here.rewards = torch.zeros_like(here.rewards)
    config = a2c.Config(beta=0.0, trace=1.0, value_weight=0.0, entropy_bonus=1.0)
    p = here.chances()
    true = here.gradient(-(p * p.log()).sum())
    assert torch.allclose(here.gradient(4 * here.expected(a2c, config)), -true, atol=1e-12)
    assert true.norm() > 0.1


def test_exact_values_are_where_the_value_loss_rests(world):
    here = world(heads={"value": 1})
    exact_values(here)
    config = a2c.Config(beta=0.0, trace=0.5, value_weight=1.0)
    assert here.gradient(here.expected(a2c, config), of="value").abs().max() < 1e-12


def test_the_gradient_is_that_of_finite_differences():
    config = a2c.Config(beta=0.2, kl_in="loss", kl="k3")
    made = a2c.targets(batch([2.0, -1.0], [2, 1], [[0.3, -0.2], [0.1, 0.0]]), config)
    reference = torch.full((2, 2), -1.2, dtype=DOUBLE)
    leaves = [torch.randn(2, 2, dtype=DOUBLE, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(
        lambda a, v: a2c.loss(made, Outputs(logprobs_BT=a, values_BT=v, reference_logprobs_BT=reference), config)[0],
        leaves,
    )


def test_it_finds_the_best_completion_and_its_twin_does_not(world, twin):
    config = a2c.Config(beta=0.0)
    here = world(longest=2, heads={"value": 1})
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(a2c, config, steps=40) > best - 0.05 * (best - before)
    assert world(longest=2, heads={"value": 1}).learn(twin(a2c), config, steps=10) < before


@pytest.mark.parametrize("setting", [{"trace": 1.5}, {"steps": 0}, {"entropy_bonus": NAN}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        a2c.Config(**setting)
