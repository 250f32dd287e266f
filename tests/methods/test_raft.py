"""RAFT: what is kept and what is left out, the loss by hand, and a round after another narrows to the best."""

from dataclasses import replace

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Example, Row, Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import raft
from burnish.records import Sampling, Span

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


def test_parts_that_were_paid_too_little_are_not_imitated_and_the_divergence_is_charged_on_all():
    labels = torch.tensor([[-1.0, NAN], [0.5, NAN]])
    made = Batch(length_mask([2, 2]), torch.arange(2), token_labels_BT=labels)
    says = Outputs(logprobs_BT=torch.tensor([[-1.0, -2.0], [-6.0, -3.0]]), kl_BT=torch.tensor([[1.0, 1.0], [4.0, 2.0]]))
    for settings, expected in (
        ({"least_part": 0.0}, [2 / 3, 9 / 3]),
        ({"least_part": 0.5, "normaliser": "completion"}, [2 / 2, 4.5 / 2]),
        ({"least_part": 0.0, "beta": 0.5}, [2 / 3 + 0.5 * 2 / 4, 9 / 3 + 0.5 * 6 / 4]),
        ({"least_part": 1.0}, [2 / 2, 3 / 2]),
        ({}, [3 / 4, 9 / 4]),
    ):
        config = raft.Config(**settings)
        found, metrics = raft.loss(raft.targets(made, config), says, config)
        assert found.tolist() == pytest.approx(expected), settings
    assert "imitated" not in metrics
    config = raft.Config(least_part=1.0)
    assert raft.loss(raft.targets(made, config), says, config)[1]["imitated"].tolist() == [0.5, 0.5]


def test_only_what_was_paid_is_left_out_and_never_what_a_reward_looked_at(world):
    here = world(longest=3)
    number = here.tokens.index((1, 2, 3))  # "1 2 3"
    poor, looked = Span(1, 3, severity=-1.0), Span(3, 5, severity=-9.0)
    for least, rows, imitated in (
        (0.0, {"token_rewards": (poor,)}, [[0, 2]]),
        (0.0, {"spans": (looked,)}, [[0, 1, 2]]),
        (None, {"token_rewards": (poor,), "spans": (looked,)}, [[0, 1, 2]]),
    ):
        config = raft.Config(least_part=least)
        chosen = raft.choose([Example((here.row(number, **rows),))], config, Tools())
        made, outputs = here.window([example.rows for example in chosen])
        share_B, _ = raft.loss(raft.targets(made, config), outputs, config)
        (slope,) = torch.autograd.grad(share_B.sum(), outputs.logprobs_BT)
        assert [row.nonzero()[:, 0].tolist() for row in slope] == imitated


def test_where_no_part_is_paid_all_is_as_it_was_to_the_bit(world):
    here = world(longest=2)
    for config in (raft.Config(keep=3, beta=0.3), raft.Config(keep=3, label_smoothing=0.1, normaliser="completion")):
        shares = []
        for least in (None, -7.0):
            own = replace(config, least_part=least)
            chosen = raft.choose([Example(tuple(here.row(i) for i in range(5)))], own, Tools())
            made, outputs = here.window([example.rows for example in chosen])
            shares.append(raft.loss(raft.targets(made, own), outputs, own)[0])
        assert torch.equal(*shares)


def test_a_poor_part_of_the_best_completion_is_learned_no_more(world):
    """Of three draws the best by its sum is kept, though its first token was paid least of all there are."""

    def said_first(least: float | None) -> torch.Tensor:
        here = world(vocabulary=3, longest=2)
        here.logits.data.zero_()
        worth = {0: 0.0, 1: 0.5, 2: -1.0}
        config, optimiser = raft.Config(least_part=least), torch.optim.SGD([here.logits], 1.0)
        for step in range(25):
            (group,) = here.policy.sample([here.prompt], Sampling(), n=3, seed=step)
            rows = []
            for each in group:
                ids = each.token_ids
                paid = [worth[ids[0]], *(3.0 for t in ids[1:] if ids[0] == 2 and t == 1)]  # poor, then very good
                spans = tuple(Span(2 * i, 2 * i + 1, severity=v) for i, v in enumerate(paid))
                rows.append(Row(here.prompt, each, score=sum(paid), token_rewards=spans, fresh=True))
            chosen = raft.choose([Example(tuple(rows))], config, Tools())
            made, outputs = here.window([example.rows for example in chosen])
            optimiser.zero_grad()
            raft.loss(raft.targets(made, config), outputs, config)[0].sum().backward()
            optimiser.step()
        return here.logits[here.policy._node[here.prompt.id, ()]].softmax(-1).detach()

    assert said_first(None)[2] > 0.8
    assert said_first(0.0)[2] < 0.2


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


@pytest.mark.parametrize("setting", [{"keep": 0}, {"threshold": NAN}, {"beta": -1.0}, {"least_part": NAN}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        raft.Config(**setting)
