"""Online DPO: which two become a pair, with which probability; where it rests; and its wrong twin."""

import math
from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Tools
from burnish.methods import dpo, online_dpo
from burnish.records import Feedback, Span

NAN = float("nan")


def pairs(world, scores, numbers=None, judge=None, **settings):
    """Return (numbers of chosen and rejected with P, what was left out) of one group."""
    here, tools = world(longest=2), Tools(judge=judge)
    numbers = numbers or range(len(scores))
    rows = tuple(here.row(number, score=score) for number, score in zip(numbers, scores, strict=True))
    found = online_dpo.choose([Example(rows)], online_dpo.Config(**settings), tools)
    told = [
        (*(here.tokens.index(row.completion.token_ids) for row in e.rows), pytest.approx(e.rows[0].probability))
        for e in found
    ]
    for example in found:
        assert example.rows[0].probability == example.rows[1].probability >= 0.5
    return told, dict(+tools.left_out)


def test_which_two_and_with_which_probability(world):
    soft = 1 / (1 + math.exp(-2))
    assert pairs(world, [1.0, 2.0, 3.0, 2.0]) == ([(2, 0, soft)], {})
    assert pairs(world, [1.0, 2.0, 3.0], pair="first") == ([(1, 0, 1 / (1 + math.exp(-1)))], {})
    assert pairs(world, [1.0, NAN, 3.0], scale=2.0) == ([(2, 0, 1 / (1 + math.exp(-1)))], {})
    assert pairs(world, [1.0, 3.0], labels="hard") == ([(1, 0, 1.0)], {})
    assert pairs(world, [3.0, 3.0]) == ([(0, 1, 0.5)], {})


def test_what_is_no_pair_is_counted(world):
    assert pairs(world, [3.0, 3.0], labels="hard") == ([], {"a tie": 1})
    assert pairs(world, [1.0, NAN]) == ([], {"no two different scored completions": 1})
    assert pairs(world, [1.0, 1.0], numbers=[4, 4]) == ([], {"no two different scored completions": 1})


class Judge:
    def __init__(self, *values):
        self.values = list(values)

    def judge(self, prompts, completions):
        said = [self.values.pop(0) for _ in prompts]
        return [
            None if v is None else Feedback("f", "comparison", p.id, tuple(c.id for c in reversed(pair)), v)
            for p, pair, v in zip(prompts, completions, said, strict=True)
        ]


def test_a_judge_is_heard_in_the_order_in_which_it_was_shown(world):
    asked = {"preference": "judge"}
    none = [NAN, NAN, NAN]
    assert pairs(world, none, judge=Judge({"chosen": 0}), **asked) == ([(1, 0, 1.0)], {})  # shown second first
    assert pairs(world, none, judge=Judge({"chosen": 1}), **asked) == ([(0, 1, 1.0)], {})
    assert pairs(world, none, judge=Judge({"tie": "good"}), **asked) == ([(0, 1, 0.5)], {})
    for nothing in (None, {"cannot_judge": True}):
        assert pairs(world, none, judge=Judge(nothing), **asked) == ([], {"the judge gave no answer": 1})
    with pytest.raises(InputError, match="judge"):
        pairs(world, none, **asked)


def test_a_difference_of_any_size_is_a_probability():
    assert online_dpo.probability(0.0) == 0.5
    assert online_dpo.probability(1e4) == 1.0
    assert online_dpo.probability(-1e4) == 0.0
    assert online_dpo.probability(-2.0) == pytest.approx(1 - online_dpo.probability(2.0))


def test_it_is_dpo_on_the_pair_and_a_controller_moves_beta(world):
    here = world(longest=2)
    pair = online_dpo.choose([Example((here.row(1), here.row(2)))], online_dpo.Config(), Tools())
    made, outputs = here.window([pair[0].rows])
    config = online_dpo.Config(beta=0.3)
    found = online_dpo.loss(online_dpo.targets(made, config), outputs, config)[0]
    plain = dpo.loss(dpo.targets(made, dpo.Config(beta=0.3)), outputs, dpo.Config(beta=0.3))[0]
    assert torch.equal(found, plain)
    moved = online_dpo.targets(made, online_dpo.Config(beta=0.1))
    moved = replace(moved, scalars={**moved.scalars, "beta": 0.3})
    assert torch.equal(online_dpo.loss(moved, outputs, online_dpo.Config(beta=0.1))[0], plain)


def test_labels_that_may_be_flipped_are_those_of_conservative_dpo(world):
    here = world(longest=2)
    pair = online_dpo.choose([Example((here.row(1), here.row(2)))], online_dpo.Config(), Tools())
    made, outputs = here.window([pair[0].rows])
    plain, smoothed = online_dpo.Config(beta=0.3), online_dpo.Config(beta=0.3, label_smoothing=0.2)
    made = online_dpo.targets(made, plain)
    turned = replace(made, probability_B=1 - made.probability_B)
    expected = 0.8 * online_dpo.loss(made, outputs, plain)[0] + 0.2 * online_dpo.loss(turned, outputs, plain)[0]
    found = online_dpo.loss(made, outputs, smoothed)[0]
    assert torch.allclose(found, expected, rtol=1e-12)
    assert not torch.equal(found, online_dpo.loss(made, outputs, plain)[0])
    # an even label, and a policy that is the reference: nothing prefers either
    even = replace(made, probability_B=torch.full((2,), 0.5, dtype=torch.float64))
    still = replace(outputs, logprobs_BT=outputs.reference_logprobs_BT.clone().requires_grad_(True))
    (slope,) = torch.autograd.grad(online_dpo.loss(even, still, smoothed)[0].sum(), still.logprobs_BT)
    assert slope.abs().max() < 1e-12


def weighed(here, p: float, order=(0, 1), **settings):
    """A pair of two completions whose first tokens are paid 1 and -0.5; (its log-ratios' slopes, its shares)."""
    spans = ((Span(0, 1, severity=1.0),), (Span(0, 1, severity=-0.5),))
    rows = [here.row(number, token_rewards=spans[i], probability=p) for i, number in enumerate((5, 9))]
    config = online_dpo.Config(beta=0.3, **settings)
    pair = [online_dpo._labelled(rows[i], config) for i in order]
    made, outputs = here.window([pair])
    share_B, _ = online_dpo.loss(online_dpo.targets(made, config), outputs, config)
    (slope,) = torch.autograd.grad(share_B.sum(), outputs.logprobs_BT, retain_graph=True)
    return slope[list(order)], share_B


def test_tokens_weigh_by_what_their_parts_are_paid(world):
    here = world(longest=2)
    plain, _ = weighed(here, 1.0)
    slope, _ = weighed(here, 1.0, token_weight=0.8)
    # by hand: of the chosen exp(0.8 * 1), of the rejected exp(-0.8 * -0.5); the second tokens are paid nothing
    assert (slope[0, 0] / slope[0, 1]).item() == pytest.approx(math.exp(0.8))
    assert (slope[1, 0] / slope[1, 1]).item() == pytest.approx(math.exp(0.4))
    assert (plain[:, 0] / plain[:, 1]).tolist() == pytest.approx([1, 1])
    bounded, _ = weighed(here, 1.0, token_weight=50.0)
    assert (bounded[:, 0] / bounded[:, 1]).tolist() == pytest.approx([math.exp(2)] * 2)
    # a tie has no side, and turning pair and label round changes nothing
    assert torch.allclose(weighed(here, 0.5, token_weight=0.8)[0], weighed(here, 0.5)[0], atol=1e-12)
    turned = weighed(here, 0.1, order=(1, 0), token_weight=0.8)
    straight = weighed(here, 0.9, token_weight=0.8)
    assert torch.allclose(turned[0], straight[0], atol=1e-8)
    assert turned[1].sum().item() == pytest.approx(straight[1].sum().item())


def test_where_nothing_is_paid_or_it_was_only_looked_at_weights_change_nothing(world):
    here = world(longest=2)
    looked = (Span(0, 1, severity=-3.0),)
    shares = []
    for weight in (0.0, 0.8):
        config = online_dpo.Config(token_weight=weight)
        rows = Example((here.row(5, spans=looked), here.row(9)))
        made, outputs = here.window([example.rows for example in online_dpo.choose([rows], config, Tools())])
        shares.append(online_dpo.loss(online_dpo.targets(made, config), outputs, config)[0])
    assert torch.equal(*shares)


def test_with_weights_the_gradient_is_that_of_finite_differences(world):
    here = world(longest=2)
    config = online_dpo.Config(token_weight=0.8, label_smoothing=0.1)
    rows = (here.row(5, token_rewards=(Span(0, 1),)), here.row(9, token_rewards=(Span(0, 3, severity=-2.0),)))
    made, outputs = here.window([example.rows for example in online_dpo.choose([Example(rows)], config, Tools())])
    made = online_dpo.targets(made, config)
    leaf = outputs.logprobs_BT.detach().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda values: online_dpo.loss(made, replace(outputs, logprobs_BT=values), config)[0], leaf
    )


def test_it_rests_where_the_best_of_reward_and_divergence_is(world):
    """With soft labels every pair's gradient is 0 at pi ~ ref exp(r / beta): the optimum, whatever pairs are drawn."""
    here = world()
    config = online_dpo.Config(beta=0.4)
    groups = [Example((here.row(i), here.row((i + 7) % len(here.tokens)))) for i in range(len(here.tokens))]
    chosen = online_dpo.choose(groups, config, Tools())
    here.become(here.best_of_both(0.4))
    made, outputs = here.window([example.rows for example in chosen])
    share_B, metrics = online_dpo.loss(online_dpo.targets(made, config), outputs, config)
    assert here.gradient(share_B.sum()).abs().max() < 1e-12
    assert metrics["pair_accuracy"].nanmean() == 1.0


def test_it_learns_and_its_twin_does_not(world, twin):
    here = world(longest=2)
    before = here.mean_reward()
    # the optimum is the regularised one: this is how much of it is reached
    config = online_dpo.Config(beta=0.3)
    best = float((here.best_of_both(0.3) * here.rewards).sum())
    assert here.learn(online_dpo, config, steps=60, n=8, rate=0.1) > best - 0.05 * (best - before)
    assert world(longest=2).learn(twin(online_dpo), config, steps=10) < before


@pytest.mark.parametrize(
    "setting", [{"beta": 0.0}, {"scale": 0.0}, {"scale": NAN}, {"label_smoothing": 0.5}, {"token_weight": -1.0}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        online_dpo.Config(**setting)
