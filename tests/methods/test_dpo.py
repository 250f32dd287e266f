"""DPO: the loss by hand and against a slow one, both smoothings, gradients against finite differences."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from burnish.errors import InputError
from burnish.examples import Tools
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import dpo
from burnish.records import Completion, Preference, Prompt

DOUBLE = torch.float64
POLICY = torch.tensor([[-1.0, -2.0], [-3.0, 0.0], [-2.0, 0.0], [-1.0, -1.0]], dtype=DOUBLE)
REFERENCE = torch.tensor([[-2.0, -3.0], [-2.0, 0.0], [-1.0, 0.0], [-2.0, -2.0]], dtype=DOUBLE)
PAIRS = Batch(
    completion_mask_BT=length_mask([2, 1, 1, 2]),
    group_B=torch.tensor([0, 0, 1, 1]),
    probability_B=torch.tensor([0.9, 0.9, 1.0, 1.0], dtype=DOUBLE),
    weights_BK=torch.tensor([[1.0], [1.0], [3.0], [3.0]]),
)
# by hand: log pi - log ref is 2, -1 for the first pair and -1, 2 for the second; beta 0.5
MARGINS = (0.5 * 3, 0.5 * -3)


def run(batch=PAIRS, policy=POLICY, **settings):
    config = dpo.Config(**{"beta": 0.5, **settings})
    outputs = Outputs(logprobs_BT=policy, reference_logprobs_BT=REFERENCE)
    return dpo.loss(dpo.targets(batch, config), outputs, config)


def down(margin: float) -> float:
    """-log sigma(margin)"""
    return log(1 + exp(-margin))


def test_the_share_of_each_pair():
    found, metrics = run()
    first = (0.9 * down(1.5) + 0.1 * down(-1.5)) * 1 / 4
    second = down(-1.5) * 3 / 4
    assert found.tolist() == pytest.approx([first, 0.0, second, 0.0])
    assert metrics["margin"].tolist() == pytest.approx([1.5, 1.5, -1.5, -1.5])
    assert metrics["chosen_reward"].tolist() == pytest.approx([1.0, 1.0, -0.5, -0.5])
    assert metrics["rejected_reward"].tolist() == pytest.approx([-0.5, -0.5, 1.0, 1.0])
    assert metrics["pair_accuracy"].tolist() == [1, 1, 0, 0]


def test_without_probability_and_weight_it_is_dpo_as_published():
    found, _ = run(replace(PAIRS, probability_B=None, weights_BK=None))
    assert float(found.sum()) == pytest.approx((down(1.5) + down(-1.5)) / 2)


@pytest.mark.parametrize("e", [0.1, 0.3])
def test_conservative_and_robust_as_published(e):
    sure = replace(PAIRS, probability_B=None, weights_BK=None)
    conservative, _ = run(sure, label_smoothing=e)
    robust, _ = run(sure, label_smoothing=e, smoothing="robust")
    for place, margin in zip((0, 2), MARGINS, strict=True):
        assert float(conservative[place]) == pytest.approx(((1 - e) * down(margin) + e * down(-margin)) / 2)
        assert float(robust[place]) == pytest.approx(((1 - e) * down(margin) - e * down(-margin)) / (1 - 2 * e) / 2)


def test_robust_is_unbiased_when_labels_are_flipped_that_often():
    e = 0.2
    one = replace(PAIRS.slice(torch.tensor([0, 1])), probability_B=None, weights_BK=None)
    config = dpo.Config(beta=0.5, label_smoothing=e, smoothing="robust")
    values = []
    for order in (torch.tensor([0, 1]), torch.tensor([1, 0])):
        outputs = Outputs(logprobs_BT=POLICY[:2][order], reference_logprobs_BT=REFERENCE[:2][order])
        batch = dpo.targets(one.slice(order), config)
        values.append(float(dpo.loss(batch, outputs, config)[0].sum()))
    assert (1 - e) * values[0] + e * values[1] == pytest.approx(down(1.5))


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "smoothing": "robust"}])
def test_the_gradient_is_that_of_finite_differences(settings):
    leaf = POLICY.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: run(policy=values, **settings)[0], leaf)


def test_at_the_reference_every_pair_costs_log_two_and_the_gradient_raises_the_chosen():
    leaf = REFERENCE.clone().requires_grad_(True)
    found, metrics = run(replace(PAIRS, probability_B=None), policy=leaf)
    assert float(found.detach().sum()) == pytest.approx(log(2))
    assert metrics["margin"].tolist() == [0, 0, 0, 0]
    found.sum().backward()
    assert leaf.grad is not None
    # by hand: beta * sigma(0) * weight / 4, down for the chosen's tokens and up for the rejected's
    assert leaf.grad.tolist() == [[-0.0625, -0.0625], [0.0625, 0.0], [-0.1875, 0.0], [0.1875, 0.1875]]


def test_a_tie_has_no_right_order_and_swapping_a_pair_swaps_its_probability():
    tie = replace(PAIRS, probability_B=torch.full((4,), 0.5, dtype=DOUBLE))
    assert all(torch.isnan(run(tie)[1]["pair_accuracy"]))
    order = torch.tensor([1, 0, 3, 2])
    swapped = replace(PAIRS.slice(order), probability_B=1 - PAIRS.probability_B)
    config = dpo.Config(beta=0.5)
    outputs = Outputs(logprobs_BT=POLICY[order], reference_logprobs_BT=REFERENCE[order])
    assert dpo.loss(dpo.targets(swapped, config), outputs, config)[0].tolist() == pytest.approx(run()[0].tolist())


def test_a_pair_that_came_apart_is_refused():
    part = torch.tensor([1, 2])
    config = dpo.Config()
    outputs = Outputs(logprobs_BT=POLICY[part], reference_logprobs_BT=REFERENCE[part])
    with pytest.raises(ValueError, match="not one pair"):
        dpo.loss(dpo.targets(PAIRS.slice(part), config), outputs, config)


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"label_smoothing": 0.5}, {"label_smoothing": 0.9}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        dpo.Config(**settings)


def learned(order: list[int]) -> float:
    """Log-ratio of completion 0 to completion 1 of five, after descent on a pair in this order."""
    logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
    pair, config = Batch(length_mask([1, 1]), torch.zeros(2, dtype=torch.int64)), dpo.Config(beta=1.0)
    flat = torch.full((2, 1), log(0.2), dtype=DOUBLE)
    for _ in range(40):
        outputs = Outputs(torch.log_softmax(logits, -1)[order][:, None], flat)
        (slope,) = torch.autograd.grad(dpo.loss(dpo.targets(pair, config), outputs, config)[0].sum(), logits)
        logits = (logits - 0.5 * slope).detach().requires_grad_(True)
    return float(logits.detach()[0] - logits.detach()[1])


def test_it_learns_and_its_twin_learns_the_opposite():
    assert learned([0, 1]) > 1
    assert learned([1, 0]) < -1


def test_a_ranking_becomes_pairs_that_share_its_weight():
    prompt = Prompt.of("?")
    three = tuple(Completion(prompt.id, text) for text in "abc")
    found = dpo.prepare([Preference(prompt, three, (2, 0, 1), weight=3.0)], dpo.Config(), Tools())
    said = [(*(row.completion.text for row in example.rows), example.rows[0].weight) for example in found]
    assert sorted(said) == [("b", "a", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)]
