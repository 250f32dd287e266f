"""Span reward: marked and unmarked tokens by hand, texts without a mark, and a twin with the wrong sign."""

from dataclasses import replace
from math import exp, log, nan

import pytest
import torch

from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import span_reward
from burnish.records import Completion, Critique, Prompt, Score, Span

DOUBLE = torch.float64
REWARDS = torch.tensor([[[1.0], [2.0], [-1.0]], [[0.5], [7.0], [7.0]], [[3.0], [3.0], [3.0]]], dtype=DOUBLE)
WINDOW = Batch(
    length_mask([3, 1, 3]),
    torch.arange(3),
    token_labels_BT=torch.tensor([[nan, 1.5, -2.0], [0.5, nan, -9.0], [nan, nan, nan]]),
    weights_BK=torch.tensor([[1.0], [3.0], [8.0]]),
)


def run(batch=WINDOW, rewards=REWARDS, **settings):
    config = span_reward.Config(**{"heads": 1, "unmarked": 0.4, **settings})
    return span_reward.loss(span_reward.targets(batch, config), Outputs(token_rewards_BTK=rewards), config)


def test_the_share_of_each_completion():
    found, metrics = run()
    # by hand: places 0.4, 1, 1 and 1, weights 1 and 3: in all 2.4 + 3; a text without any mark is left out
    first = 0.4 * 1.0**2 / 2 + 0.5**2 / 2 + 1.0**2 / 2
    assert found.tolist() == pytest.approx([first / 5.4, 0, 0])
    assert metrics["marked_error"].tolist() == pytest.approx([0.75, 0, nan], nan_ok=True)
    assert metrics["unmarked_error"].tolist() == pytest.approx([1, nan, nan], nan_ok=True)


def test_a_fault_is_what_was_marked_below_nothing():
    found, _ = run(label="fault")

    def cost(logit: float, label: int) -> float:
        return log(1 + exp(-logit if label else logit))

    first = 0.4 * cost(1, 1) + cost(2, 1) + cost(-1, 0)
    assert found.tolist() == pytest.approx([first / 5.4, 3 * cost(0.5, 1) / 5.4, 0])


def test_every_completion_weighs_the_same_where_that_is_asked():
    first = 0.4 * 1.0**2 / 2 + 0.5**2 / 2 + 1.0**2 / 2
    assert run(normaliser="completion")[0].tolist() == pytest.approx([first / 2.4 / 4, 0, 0])


def test_silence_says_nothing_where_it_weighs_nothing():
    leaf = REWARDS.clone().requires_grad_(True)
    run(rewards=leaf, unmarked=0.0)[0].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad[0, 0].item() == 0
    assert leaf.grad[0, 1].item() != 0


@pytest.mark.parametrize("label", ["severity", "fault"])
def test_the_gradient_is_that_of_finite_differences(label):
    leaf = REWARDS.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(rewards=values, label=label)[0], leaf)


def test_marked_texts_are_what_is_learned_from():
    prompt = Prompt.of("?")
    said = Completion(prompt.id, "so so")
    marks = (Span(0, 2, "wrong", -1.0),)
    signals = [
        Critique(prompt, said, "no", spans=marks, weight=2.0),
        Critique(prompt, said, "no"),
        Score(prompt, said, 1),
    ]
    found = span_reward.prepare(signals, span_reward.Config(), Tools())
    assert [(each.rows[0].spans, each.rows[0].weight) for each in found] == [(marks, 2.0)]


@pytest.mark.parametrize("label", ["severity", "fault"])
def test_it_learns_the_marks_and_its_twin_the_reverse(label):
    marks = WINDOW.token_labels_BT
    assert marks is not None
    for sign in (1, -1):
        rewards = torch.zeros(3, 3, 1, dtype=DOUBLE, requires_grad=True)
        for _ in range(60):
            share, _ = run(replace(WINDOW, token_labels_BT=sign * marks), rewards, label=label)
            (slope,) = torch.autograd.grad(share.sum(), rewards)
            rewards = (rewards - 2 * slope).detach().requires_grad_(True)
        assert sign * rewards[0, 1] > 1
        assert sign * rewards[0, 2] < -1
