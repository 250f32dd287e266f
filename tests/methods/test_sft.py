"""SFT: the token mean by hand, its gradient against finite differences, weights that only weigh."""

from dataclasses import replace
from math import log

import pytest
import torch

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import sft

DOUBLE = torch.float64
LOGPROBS = torch.tensor([[-1.0, -2.0, -3.0], [-0.5, 0.0, 0.0], [-4.0, -1.0, 0.0]], dtype=DOUBLE)
BATCH = Batch(length_mask([3, 1, 2]), torch.arange(3), weights_BK=torch.tensor([[1.0], [2.0], [0.5]]))
TOKEN, COMPLETION = sft.Config(), sft.Config(normaliser="completion")


def shares(batch: Batch, config: sft.Config, logprobs: torch.Tensor = LOGPROBS) -> torch.Tensor:
    return sft.loss(sft.targets(batch, config), Outputs(logprobs_BT=logprobs), config)[0]


def test_the_weighted_token_mean():
    # by hand: negative sums 6, 0.5, 5; weights 1, 2, 0.5; weighted tokens 1*3 + 2*1 + 0.5*2 = 6
    assert shares(BATCH, TOKEN).tolist() == pytest.approx([6 / 6, 2 * 0.5 / 6, 0.5 * 5 / 6])


def test_the_weighted_completion_mean():
    # by hand: means 2, 0.5, 2.5; weights 1, 2, 0.5, in all 3.5
    assert shares(BATCH, COMPLETION).tolist() == pytest.approx([2 / 3.5, 2 * 0.5 / 3.5, 0.5 * 2.5 / 3.5])


def test_without_weights_it_is_torch_s_cross_entropy():
    logits = torch.randn(3, 3, 7, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    labels = torch.tensor([[1, 2, 3], [4, -100, -100], [5, 6, -100]])
    chosen = torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    found = shares(replace(BATCH, weights_BK=None), TOKEN, chosen).sum()
    assert float(found) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))
    )


@pytest.mark.parametrize("config", [TOKEN, COMPLETION])
def test_the_gradient_is_that_of_finite_differences(config):
    leaf = LOGPROBS.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: shares(BATCH, config, values), leaf)


@pytest.mark.parametrize("config", [TOKEN, COMPLETION])
def test_twice_the_weights_change_nothing_and_no_weight_is_no_loss(config):
    assert BATCH.weights_BK is not None
    heavier = replace(BATCH, weights_BK=2 * BATCH.weights_BK)
    assert shares(heavier, config).tolist() == pytest.approx(shares(BATCH, config).tolist())
    assert shares(replace(BATCH, weights_BK=0 * BATCH.weights_BK), config).tolist() == [0, 0, 0]


def test_a_better_fit_costs_less_and_an_empty_completion_has_no_mean():
    _, metrics = sft.loss(
        sft.targets(Batch(length_mask([2, 0]), torch.arange(2)), TOKEN),
        Outputs(logprobs_BT=torch.tensor([[log(0.5), log(0.25)], [0.0, 0.0]])),
        TOKEN,
    )
    assert metrics["nll"].tolist() == pytest.approx([1.5 * log(2), float("nan")], nan_ok=True)
    assert float(shares(BATCH, TOKEN, LOGPROBS / 2).sum()) < float(shares(BATCH, TOKEN).sum())


@pytest.mark.parametrize("normaliser", ["token", "completion"])
def test_label_smoothing_costs_what_the_other_tokens_would(normaliser):
    plain, smooth = sft.Config(normaliser=normaliser), sft.Config(normaliser=normaliser, label_smoothing=0.1)
    other = torch.log1p(-LOGPROBS.exp())
    complement = shares(BATCH, plain, torch.where(BATCH.completion_mask_BT, other, 0.0))
    expected = 0.9 * shares(BATCH, plain) + 0.1 * complement
    assert shares(BATCH, smooth).tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    leaf = torch.where(BATCH.completion_mask_BT, LOGPROBS, -1.0).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda values: shares(BATCH, smooth, values), leaf)
    with pytest.raises(InputError, match="label_smoothing"):
        sft.Config(label_smoothing=0.5)


def test_it_learns_what_was_shown_up_to_the_smoothing_and_its_twin_avoids_it():
    batch = Batch(length_mask([1]), torch.arange(1))
    for sign, smoothing, expected in ((1, 0.0, 1.0), (1, 0.1, 0.9), (-1, 0.0, 0.0)):
        config = sft.Config(label_smoothing=smoothing)
        logits = torch.zeros(5, dtype=DOUBLE, requires_grad=True)
        for _ in range(200):
            found = sign * shares(batch, config, torch.log_softmax(logits, -1)[:1][None]).sum()
            (slope,) = torch.autograd.grad(found, logits)
            logits = (logits - slope).detach().requires_grad_(True)
        assert torch.softmax(logits.detach(), -1)[0].item() == pytest.approx(expected, abs=0.02)
