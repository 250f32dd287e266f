import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.methods import Needs, grpo
from burnish.training.optimiser import OptimiserConfig
from burnish.training.trainer import Slice, Trainer

LENGTHS = [3, 5, 1, 4, 2, 2, 5, 3]
OPTIMISER = OptimiserConfig(learning_rate=0.1, warmup_steps=2, schedule="linear", weight_decay=0.1)


class Network:
    """A line from four features of a place to its log-prob; `inputs` are the features of a slice's rows."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.tensor([[0.3, -0.2, 0.5, 0.1]], dtype=torch.float64))
        self.asked: list[bool] = []

    def parameters(self):
        return {"weight": self.weight}

    def outputs(self, inputs, *, reference):
        self.asked.append(reference)
        logprobs = -(inputs @ self.weight[0]).square()
        return Outputs(logprobs_BT=logprobs, kl_BT=logprobs.square() if reference else None)


def window(config: grpo.Config) -> tuple[Batch, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    batch = Batch(
        completion_mask_BT=length_mask(LENGTHS),
        group_B=torch.arange(4).repeat_interleave(2),
        rewards_B=torch.randn(8, generator=generator, dtype=torch.float64),
        scalars={"max_new_tokens": 6.0},
    )
    return grpo.targets(batch, config), torch.randn(8, 5, 4, generator=generator, dtype=torch.float64)


def slices(features: torch.Tensor, parts: list[list[int]]) -> list[Slice]:
    return [Slice(torch.tensor(rows), features[rows]) for rows in parts]


def advanced(
    config: grpo.Config, parts: list[list[int]], steps: int = 3
) -> tuple[torch.Tensor, list[dict[str, float]]]:
    trainer = Trainer(Network(), grpo, config, OPTIMISER, steps=steps)
    batch, features = window(config)
    metrics = [trainer.advance(batch, slices(features, parts)) for _ in range(steps)]
    return trainer.network.weight.detach(), metrics


@pytest.mark.parametrize("normaliser", ["token", "completion", "constant"])
@pytest.mark.parametrize(
    "parts", [[[i] for i in range(8)], [[0, 1], [2, 3], [4, 5], [6, 7]], [[7, 6, 5], [0, 4, 1, 2, 3]]], ids=str
)
def test_slicing_a_window_changes_neither_step_nor_metrics(normaliser, parts):
    config = grpo.Config(normaliser=normaliser, beta=0.3)
    weight, metrics = advanced(config, [list(range(8))])
    sliced_weight, sliced_metrics = advanced(config, parts)
    assert torch.allclose(sliced_weight, weight, atol=1e-10)
    for one, other in zip(sliced_metrics, metrics, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("normaliser", ["token", "completion", "constant"])
@pytest.mark.parametrize("parts", [[[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1], [2, 3, 4, 5, 6, 7]]], ids=str)
def test_several_steps_on_a_window_have_the_window_s_gradient_as_their_mean(normaliser, parts):
    """Trap T26 for parts: with the weights held still, whatever their lengths; a part's mean weighs its rows."""
    config = grpo.Config(normaliser=normaliser, beta=0.3)
    of_parts = sum(len(rows) / 8 * slope(config, rows) for rows in parts)
    assert torch.allclose(of_parts, slope(config, list(range(8))), atol=1e-12)


def slope(config: grpo.Config, rows: list[int]) -> torch.Tensor:
    """Return the gradient of a step on these rows of the window, as AdamW's first moment tells it."""
    trainer = Trainer(Network(), grpo, config, OptimiserConfig(max_grad_norm=0, beta1=0.5), steps=1)
    batch, features = window(config)
    trainer.advance(batch, slices(features, [rows]))
    return 2 * next(value for name, value in trainer.state().items() if name.endswith("#exp_avg"))


def test_a_step_goes_down_the_loss():
    _, metrics = advanced(grpo.Config(beta=0.3), [list(range(8))], steps=6)
    losses = [each["loss"] for each in metrics]
    assert losses[-1] < losses[0]
    assert all(each["gradient_norm"] > 0 for each in metrics)
    # by hand: warm-up over two steps, then 1 - step/6 down to a tenth
    expected = [0.1 * min(1, (i + 1) / 2) * (0.1 + 0.9 * (1 - i / 6)) for i in range(6)]
    assert [each["learning_rate"] for each in metrics] == pytest.approx(expected)


def test_the_reference_is_asked_for_only_when_the_method_needs_it():
    for beta, expected in ((0.3, True), (0.0, False)):
        config = grpo.Config(beta=beta)
        trainer = Trainer(Network(), grpo, config, OPTIMISER, steps=1)
        batch, features = window(config)
        metrics = trainer.advance(batch, slices(features, [[0, 1], [2, 3, 4, 5, 6, 7]]))
        assert trainer.network.asked == [expected] * 2
        assert ("kl_nats" in metrics) == expected


def method(share, **metrics):
    """A method whose loss is this multiple of the weight, and whose metrics are these."""
    return SimpleNamespace(
        needs=lambda config: Needs(eats=()),
        loss=lambda batch, outputs, config: (share * outputs.logprobs_BT.sum(-1), metrics),
    )


def test_metrics_are_means_over_the_rows_they_apply_to():
    values = torch.tensor([1.0, math.nan, 3.0, math.nan, math.nan, math.nan, math.nan, 5.0])
    trainer = Trainer(Network(), method(1.0, some=values, none=torch.full((8,), math.nan)), None, OPTIMISER, steps=1)
    batch, features = window(grpo.Config())
    metrics = trainer.advance(batch, slices(features, [list(range(8))]))
    assert metrics["some"] == pytest.approx(3.0)
    assert math.isnan(metrics["none"])


def test_a_loss_that_is_not_a_number_leaves_the_weights_and_is_told():
    trainer = Trainer(Network(), method(math.nan), None, OPTIMISER, steps=2)
    before = trainer.network.weight.detach().clone()
    batch, features = window(grpo.Config())
    metrics = trainer.advance(batch, slices(features, [list(range(8))]))
    assert torch.equal(trainer.network.weight, before)
    assert not math.isfinite(metrics["gradient_norm"])
    assert trainer.step == 1  # the window is used up all the same: the next one is other data


def test_a_restored_trainer_goes_on_bit_for_bit():
    config = grpo.Config(beta=0.3)
    batch, features = window(config)
    parts = slices(features, [[0, 1, 2, 3], [4, 5, 6, 7]])
    whole = Trainer(Network(), grpo, config, OPTIMISER, steps=5)
    expected = [whole.advance(batch, parts) for _ in range(5)]
    first = Trainer(Network(), grpo, config, OPTIMISER, steps=5)
    for _ in range(2):
        first.advance(batch, parts)
    state, weight = first.state(), first.network.weight.detach().clone()
    second = Trainer(Network(), grpo, config, OPTIMISER, steps=5)
    with torch.no_grad():
        second.network.weight.copy_(weight)
    second.load_state(state, first.step)
    assert [second.advance(batch, parts) for _ in range(3)] == expected[2:]
    assert torch.equal(second.network.weight, whole.network.weight)


def test_a_network_with_nothing_to_train_is_refused(policy):
    with pytest.raises(InputError, match="Add an adapter"):
        Trainer(policy, grpo, grpo.Config(), OPTIMISER, steps=1)
