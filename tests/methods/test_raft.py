"""RAFT: what is kept and what is left out, the loss by hand, and a round after another narrows to the best."""

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import raft

NAN = float("nan")


def kept(world, scores, config, numbers=None):
    """Return (numbers of the completions kept, what was left out) of one group."""
    here, tools = world(longest=2), Tools()
    numbers = numbers or range(len(scores))
    rows = tuple(here.row(number, score=score) for number, score in zip(numbers, scores, strict=True))
    found = raft.choose([Example(rows)], config, tools)
    return [here.tokens.index(e.rows[0].completion.token_ids) for e in found], +tools.left_out


def test_the_best_are_kept(world):
    assert kept(world, [1.0, 3.0, 2.0], raft.Config()) == ([1], {})
    assert kept(world, [1.0, 3.0, 2.0], raft.Config(keep=2)) == ([1, 2], {})
    assert kept(world, [1.0, 3.0, NAN, 2.0], raft.Config(keep=9)) == ([1, 3, 0], {"not scored": 1})
    assert kept(world, [2.0, 2.0], raft.Config()) == ([0], {})  # of equals the first drawn


def test_a_threshold_rejects_and_says_so(world):
    config = raft.Config(keep=9, threshold=-0.5)
    assert kept(world, [-1.0, 3.0, -0.5], config) == ([1, 2], {"below the threshold": 1})
    assert kept(world, [-1.0, -2.0], config) == ([], {"below the threshold": 2})


def test_the_same_text_is_imitated_once(world):
    assert kept(world, [3.0, 3.0, 1.0], raft.Config(keep=2), numbers=[4, 4, 5]) == ([4, 5], {})
    assert kept(world, [3.0, 3.0, 3.0], raft.Config(), numbers=[4, 5, 4]) == ([4], {})  # said first, and again last


def test_the_loss_by_hand():
    made = Batch(length_mask([2, 1]), torch.arange(2), rewards_B=torch.tensor([3.0, 5.0]))
    says = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, NAN]]), kl_BT=torch.tensor([[1.0, 1.0], [4.0, NAN]]))
    for settings, expected in (
        ({}, [3 / 3, 6 / 3]),
        ({"normaliser": "completion"}, [1.5 / 2, 6 / 2]),
        ({"beta": 0.5}, [(3 + 1) / 3, (6 + 2) / 3]),
        ({"beta": 0.5, "normaliser": "completion"}, [(1.5 + 0.5) / 2, (6 + 2) / 2]),
    ):
        config = raft.Config(**settings)
        found, metrics = raft.loss(raft.targets(made, config), says, config)
        assert found.tolist() == pytest.approx(expected)
        assert metrics["kept_reward"].tolist() == [3.0, 5.0]
        assert metrics["nll"].tolist() == [1.5, 6.0]
    assert raft.needs(raft.Config()).views == ()
    assert raft.needs(raft.Config(beta=0.1)).views == ("reference",)


def test_the_gradient_is_that_of_finite_differences():
    config = raft.Config(beta=0.3, normaliser="completion")
    made = raft.targets(Batch(length_mask([2, 1]), torch.arange(2)), config)
    leaves = [torch.rand(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(
        lambda logprobs, kl: raft.loss(made, Outputs(logprobs_BT=logprobs, kl_BT=kl), config)[0], leaves
    )


def test_round_after_round_it_narrows_to_the_best_and_its_twin_does_not(world, twin):
    here = world(longest=2)
    best, before = float(here.rewards.max()), here.mean_reward()
    assert here.learn(raft, raft.Config(), steps=25) > best - 0.05 * (best - before)
    assert world(longest=2).learn(twin(raft), raft.Config(), steps=10) < before


@pytest.mark.parametrize("setting", [{"keep": 0}, {"threshold": NAN}, {"beta": -1.0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        raft.Config(**setting)
