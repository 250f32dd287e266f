"""Adversarial training: the shift is the embeddings' gradient made so long, and both losses teach."""

from __future__ import annotations

import math

import pytest
import torch

from burnish import methods
from burnish.conformance import toys
from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.maths.worst_case import worst_shift
from burnish.methods import sft
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.models.small.fresh import make
from burnish.models.tuning import TuningConfig
from burnish.records import Completion, Prompt
from burnish.training.optimiser import OptimiserConfig
from burnish.training.steps import StepConfig, Steps
from burnish.training.window import window

ASKED = [Prompt.of("the good"), Prompt.of("a bad one")]
SAID = ["in the lamp", "good", "a", "the bad one is in it"]
EXAMPLES = [Example((Row(ASKED[i // 2], Completion(ASKED[i // 2].id, text)),)) for i, text in enumerate(SAID)]
SIZE = 0.5


def steps_of(network, *, method=sft, adversarial: float = SIZE, rows: int = 8) -> Steps:
    walk = StepConfig(rows_per_slice=rows, adversarial=adversarial)
    optimiser = OptimiserConfig(learning_rate=0.01, warmup_steps=1)
    return Steps(network, method, method.Config(), optimiser, walk, steps=3, seed=0, max_new_tokens=16)


@pytest.fixture
def still(trained) -> Policy:
    """Without its dropout: what is dropped would differ from pass to pass."""
    trained.model.get_base_model().config.attention_dropout = 0.0
    return trained


@pytest.fixture
def network(still) -> HeadedPolicy:
    return HeadedPolicy(still, max_tokens=64)


@pytest.fixture(params=["decoder", "gru", "lstm", "encoder_decoder"])
def any_network(request, tmp_path, still) -> HeadedPolicy:
    """Our own decoder with LoRA, and each way through the general path, all weights trained."""
    if request.param == "decoder":
        return HeadedPolicy(still, max_tokens=64)
    make(tmp_path, kind=request.param, texts=SAID, vocabulary=300, hidden=16, layers=1, scale=0.5)
    policy = Policy.load(tmp_path)
    policy.adapt(TuningConfig(kind="full"))
    return HeadedPolicy(policy, max_tokens=64)


def shown(network, examples, **how):
    """Return the first slice of a window, its targets set, and the batch."""
    batch, slices = window(
        network, examples, sft.needs(sft.Config()), rows_per_slice=8, max_new_tokens=16, seed=0, apart=True, **how
    )
    return sft.targets(batch, sft.Config()), slices[0].inputs


def loss_at(network, batch, inputs, shift):
    return sft.loss(batch, network.outputs(inputs, reference=False, shift=shift), sft.Config())[0].sum()


def test_the_shift_lies_along_the_gradient_that_differences_find(any_network):
    """In float64: the loss's slope along the shift is |g| of all texts, and along another direction what g says."""
    any_network.policy.model.double()
    any_network.policy.dtype = torch.float64
    batch, inputs = shown(any_network, EXAMPLES)
    shift, text, unit = any_network.undisturbed(inputs)
    assert unit > 0
    shift = shift.detach().double().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_at(any_network, batch, inputs, shift), shift)
    along = worst_shift(gradient, text, 1.0)
    other = torch.randn(shift.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    norms = sum(float(gradient[text == number].norm()) for number in range(len(SAID)))
    for direction, slope in ((along, norms), (other, float((gradient * other).sum()))):
        h = 1e-6 / float(direction.norm())
        with torch.no_grad():
            up, down = (loss_at(any_network, batch, inputs, sign * h * direction) for sign in (1, -1))
        assert float(up - down) / (2 * h) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_both_losses_teach_and_the_shift_is_taken_as_given(network):
    """The gradients that a step leaves are those of loss(e) + loss(e + r), r worked out apart from them."""
    steps = steps_of(network)
    kept = {}
    steps.trainer.optimiser.step = lambda rate: (
        kept.update(  # what the optimiser would see
            {name: parameter.grad.clone() for name, parameter in network.parameters().items()}
        )
        or 0.0
    )
    told = steps.learn(EXAMPLES)
    for parameter in network.parameters().values():
        parameter.grad = None
    batch, inputs = shown(network, EXAMPLES)
    shift, text, unit = network.undisturbed(inputs)
    plain = loss_at(network, batch, inputs, shift)
    (gradient,) = torch.autograd.grad(plain, shift, retain_graph=True)
    worst = loss_at(network, batch, inputs, worst_shift(gradient, text, SIZE * unit))
    (plain + worst).backward()
    for name, parameter in network.parameters().items():
        assert torch.allclose(kept[name], parameter.grad, atol=1e-6), name
    assert told["loss"] == pytest.approx(float(plain.detach()), rel=1e-6)
    assert told["adversarial_loss"] == pytest.approx(float(worst.detach()), rel=1e-6)
    assert told["adversarial_loss"] > told["loss"]


def test_off_is_what_it_was_to_the_bit_and_a_shift_of_nothing_too(network):
    batch, inputs = shown(network, EXAMPLES)
    shift, _, _ = network.undisturbed(inputs)
    with torch.no_grad():
        assert torch.equal(loss_at(network, batch, inputs, None), loss_at(network, batch, inputs, shift))
    before = network.policy.state()
    told = steps_of(network, adversarial=0.0).learn(EXAMPLES)
    once = network.policy.state()
    network.policy.load_state(before)
    assert "adversarial_loss" not in told
    by_hand = steps_of(network, adversarial=0.0)
    batch, slices = window(network, EXAMPLES, by_hand.needs, rows_per_slice=8, max_new_tokens=16, seed=0)
    batch = sft.targets(batch, sft.Config())
    sft.loss(batch, network.outputs(slices[0].inputs, reference=False), sft.Config())[0].sum().backward()
    by_hand.trainer.optimiser.step(by_hand.trainer.optimiser.config.learning_rate)
    assert all(torch.equal(tensor, once[name]) for name, tensor in network.policy.state().items())


@pytest.mark.parametrize("rows", [1, 3])
def test_slices_change_nothing(any_network, rows):
    """Rows of one prompt are apart: none has a part in another's shift (trap T26)."""
    before = any_network.policy.state()
    whole = steps_of(any_network).learn(EXAMPLES)
    after = any_network.policy.state()
    any_network.policy.load_state(before)
    sliced = steps_of(any_network, rows=rows).learn(EXAMPLES)
    assert sliced == pytest.approx(whole, rel=1e-4)
    for name, tensor in any_network.policy.state().items():
        assert torch.allclose(tensor, after[name], atol=2e-3), name  # Adam's first step: rounding of a sign's size


@pytest.mark.parametrize("name", methods.names())
def test_every_method_learns_at_the_worst_shift_too(name):
    """On the table, where a row of logits is what an embedding is to a network."""
    begun = toys.begin(name, seed=0, steps=3, examples_per_step=6, prompts_per_step=2)
    steps = begun.course.steps
    assert "adversarial_loss" not in begun.step()
    steps.trainer.adversarial = 0.5
    told = begun.step()
    if steps.needs.policy and name != "dqn":
        assert math.isfinite(told["adversarial_loss"])
    else:  # what is learned by tables beside the logits has no embedding here
        assert "adversarial_loss" not in told


def test_a_size_that_is_none_is_refused():
    for size in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="adversarial"):
            StepConfig(adversarial=size)
