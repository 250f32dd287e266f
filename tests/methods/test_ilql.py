"""ILQL: each term by hand, its fixed point on a tree, the tilted decoder, and what it stitches together."""

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, Says, length_mask
from burnish.maths.q_learning import expectile_loss
from burnish.methods import ilql

DOUBLE = torch.float64
NAN = float("nan")
BARE = {"conservative": 0.0, "imitation": 0.0, "discount": 1.0}


def test_each_term_by_hand():
    made = Batch(
        length_mask([2]),
        torch.arange(1),
        tokens_BT=torch.tensor([[1, 0]]),
        rewards_B=torch.tensor([3.0], dtype=DOUBLE),
        token_rewards_BT=torch.tensor([[0.5, NAN]], dtype=DOUBLE),
        slow_q_BTKV=torch.tensor([[[[0.0, 2.0], [0.0, 1.0]], [[4.0, 0.0], [6.0, 0.0]]]], dtype=DOUBLE),
    )
    says = Outputs(
        logprobs_BT=torch.tensor([[-1.0, -2.0]], dtype=DOUBLE),
        values_BT=torch.tensor([[2.0, 3.0]], dtype=DOUBLE),
        q_BTKV=torch.tensor([[[[0.0, 1.0], [0.0, 2.0]], [[2.0, 0.0], [5.0, 0.0]]]], dtype=DOUBLE),
    )
    # by hand: goals 0.5 + 0.5 * 3 = 2 and 3; Q: (2-1)^2 + (2-2)^2 and (3-2)^2 + (3-5)^2
    q = 1 + 0 + 1 + 4
    # V: least of the slow heads 1, 4; 0.2 * (1-2)^2 + 0.8 * (4-3)^2
    v = 0.2 + 0.8
    found = {}
    for name, settings in {"q + v": {}, "imitation": {"imitation": 1.0}, "conservative": {"conservative": 1.0}}.items():
        config = ilql.Config(**{**BARE, "discount": 0.5, "expectile": 0.8, **settings})
        found[name], metrics = ilql.loss(ilql.targets(made, config), says, config)
    assert float(found["q + v"]) == pytest.approx((q + v) / 2)
    assert float(found["imitation"]) == pytest.approx((q + v + 3) / 2)
    entropies = [
        torch.tensor(x).logsumexp(0) - y for x, y in (([0.0, 1], 1), ([0.0, 2], 2), ([2.0, 0], 2), ([5.0, 0], 5))
    ]
    assert float(found["conservative"]) == pytest.approx((q + v + float(sum(entropies))) / 2)
    assert metrics["td_error"].tolist() == [pytest.approx((1 + 0 + 1 + 2) / 4)]
    assert metrics["advantage"].tolist() == [pytest.approx((-1 + 1) / 2)]
    assert ilql.targets(made, config).slow_q_BTKV is None  # the largest tensor of a window is let go


def test_weights_weigh_and_what_was_not_scored_is_left_out(world):
    here = world(heads={"value": 1, "q": 2})
    config = ilql.Config()
    made, outputs = here.window([[here.row(3, weight=2.0)], [here.row(20, weight=0.5)], [here.row(9, score=NAN)]])
    whole = ilql.loss(ilql.targets(made, config), outputs, config)[0]
    alone = []
    for number in (3, 20):
        one, said = here.window([[here.row(number)]])
        alone.append(ilql.loss(ilql.targets(one, config), said, config)[0] * one.completion_mask_BT.sum())
    lengths = made.completion_mask_BT.sum(-1)
    expected = torch.cat([2.0 * alone[0], 0.5 * alone[1]]) / (2.0 * lengths[0] + 0.5 * lengths[1])
    assert torch.allclose(whole[:2], expected)
    assert whole[2] == 0


def expectile_of(values: torch.Tensor, weights: torch.Tensor, expectile: float) -> float:
    """Return the weighted expectile, by halving."""
    low, high = float(values.min()), float(values.max())
    for _ in range(80):
        middle = (low + high) / 2
        gap = values - middle
        slope = (weights * torch.where(gap < 0, 1 - expectile, expectile) * gap).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2


def solved(here, expectile: float) -> None:
    """Put the fixed point into the tables: Q = r + V(next), V the expectile of Q over what the data says."""
    nodes = {begun: node for node, (_, begun) in enumerate(here.policy._node)}
    paid = dict(zip(here.tokens, here.rewards.tolist(), strict=True))
    values: dict[tuple[int, ...], float] = {}
    for begun in sorted(nodes, key=len, reverse=True):
        after = [(*begun, token) for token in range(here.policy.vocabulary)]
        q_V = torch.tensor([paid[each] if each in paid else values[each] for each in after], dtype=DOUBLE)
        said_V = here.logits[nodes[begun]].detach().softmax(-1)
        values[begun] = expectile_of(q_V, said_V, expectile)
        here.policy.tables["q"].data[nodes[begun]] = q_V
        here.policy.tables["value"].data[nodes[begun]] = values[begun]


def whole_data(here, config, method=ilql) -> torch.Tensor:
    """The loss on all completions, each weighing as often as the policy says it."""
    p = here.chances().detach()
    made, outputs = here.window([[here.row(i, weight=float(p[i]))] for i in range(len(p))])
    return method.loss(method.targets(made, config), outputs, config)[0].sum()


def test_it_rests_at_the_expectile_of_the_data(world):
    here = world(longest=2, heads={"value": 1, "q": 2})
    config = ilql.Config(**{**BARE, "expectile": 0.8})
    solved(here, 0.8)
    found = whole_data(here, config)
    for table in ("value", "q"):
        assert here.gradient(found, of=table).abs().max() < 1e-12
    other = whole_data(here, ilql.Config(**{**BARE, "expectile": 0.6}))
    assert here.gradient(other, of="value").abs().max() > 1e-3


def test_the_decoder_tilts_the_model_by_the_least_advantage():
    says = Says(
        torch.tensor([[0.0, 1.0]]), values_B=torch.tensor([7.0]), q_BKV=torch.tensor([[[2.0, 1.0], [0.0, 0.5]]])
    )
    # by hand: log-odds 1 + tilt * (0.5 - 0)
    for tilt, odds in ((0.0, 1.0), (2.0, 2.0)):
        found = ilql.act(says, ilql.Config(tilt=tilt)).softmax(-1)
        assert float(found[0, 1] / found[0, 0]) == pytest.approx(float(torch.tensor(odds).exp()))


def test_the_more_it_tilts_the_better_it_says_and_no_tilt_is_the_data(world):
    here = world(heads={"value": 1, "q": 2})
    solved(here, 0.9)
    reached = []
    for tilt in (0.0, 1.0, 5.0, 50.0):
        config = ilql.Config(tilt=tilt)
        said = here.policy.probabilities(here.prompt, act=lambda says, config=config: ilql.act(says, config))
        reached.append(float((said * here.rewards).sum()))
    assert reached[0] == pytest.approx(here.mean_reward())
    assert reached == sorted(reached)
    assert reached[-1] > float(here.rewards.max()) - 0.05


def test_the_gradient_is_that_of_finite_differences(world):
    here = world(longest=2, heads={"value": 1, "q": 2})
    config = ilql.Config()
    made, _ = here.window([[here.row(3)], [here.row(7)]])
    made = ilql.targets(made, config)
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 2), (2, 2, 2, 4))
    leaves = [torch.randn(s, dtype=DOUBLE, generator=generator).requires_grad_() for s in shapes]
    values = torch.randn(2, 2, dtype=DOUBLE, generator=generator)  # the goal reads them without gradient
    assert torch.autograd.gradcheck(
        lambda a, q: ilql.loss(made, Outputs(logprobs_BT=a, values_BT=values, q_BTKV=q), config)[0], leaves
    )


def test_what_comes_next_is_a_goal_and_no_way_to_make_the_error_small(world):
    """The next value has no gradient in the Q loss: else values would be lowered to meet the heads."""
    here = world(longest=2, heads={"value": 1, "q": 2})
    made, outputs = here.window([[here.row(5)]])
    config = ilql.Config(**BARE)
    made = ilql.targets(made, config)
    values_BT = outputs.values_BT.detach().requires_grad_()
    said = Outputs(logprobs_BT=outputs.logprobs_BT, values_BT=values_BT, q_BTKV=outputs.q_BTKV)
    ilql.loss(made, said, config)[0].sum().backward()
    alone = values_BT.detach().requires_grad_()
    expectile_loss(made.returns_BT - alone, config.expectile).mean().backward()
    assert torch.allclose(values_BT.grad, alone.grad)


def test_it_learns_from_the_data_alone_and_its_twin_does_not(world, twin):
    def course(method) -> tuple[float, float, float]:
        here = world(longest=2, heads={"value": 1, "q": 2})
        config = ilql.Config(expectile=0.9, conservative=0.0, discount=1.0, imitation=0.0, tilt=30.0)
        for _ in range(40):
            found = whole_data(here, config, method)
            for name in ("value", "q"):
                here.policy.tables[name].data -= 4.0 * here.gradient(found, of=name)
        said = here.policy.probabilities(here.prompt, act=lambda says: ilql.act(says, config)).detach()
        return float((said * here.rewards).sum()), float(here.rewards.max()), here.mean_reward()

    reached, best, data = course(ilql)
    assert reached > best - 0.05 * (best - data)
    assert not course(twin(ilql))[0] > data


@pytest.mark.parametrize(
    "setting", [{"expectile": 1.0}, {"expectile": 0.0}, {"slow": 0.0}, {"heads": 0}, {"tilt": NAN}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        ilql.Config(**setting)
