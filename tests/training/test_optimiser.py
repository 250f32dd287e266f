import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from burnish.config import field_docs
from burnish.errors import InputError
from burnish.loop.recipe import RlSettings
from burnish.training.optimiser import Optimiser, OptimiserConfig, decays, rate_at


def made() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"body.weight": (3, 4), "body.bias": (4,), "norm.weight": (3,), "score.weight": (2, 3)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def pull(parameters: dict[str, nn.Parameter], step: int, size: float = 1.0) -> None:
    """Set gradients that follow from the step alone."""
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters.values():
        parameter.grad = size * torch.randn(parameter.shape, generator=generator)


def values(parameters: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------------------------------------------------ AdamW


def test_it_is_torchs_adamw_with_decay_on_matrices_only():
    config = OptimiserConfig(learning_rate=0.1, warmup_steps=3, weight_decay=0.2, beta1=0.8, beta2=0.9, max_grad_norm=0)
    mine, theirs = made(), made()
    optimiser = Optimiser(mine, config)
    matrices = [p for p in theirs.values() if p.ndim > 1]
    vectors = [p for p in theirs.values() if p.ndim == 1]
    adam = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.2}, {"params": vectors, "weight_decay": 0.0}], betas=(0.8, 0.9)
    )
    for step in range(8):
        pull(mine, step)
        pull(theirs, step)
        for group in adam.param_groups:
            group["lr"] = 0.1 * min(1.0, (step + 1) / 3)
        optimiser.step(rate_at(step, 8, config))
        adam.step()
        for name, parameter in mine.items():
            assert torch.allclose(parameter, theirs[name], atol=1e-7), name


def test_without_a_gradient_a_matrix_decays_and_a_vector_stays():
    parameters = made()
    before = values(parameters)
    optimiser = Optimiser(parameters, OptimiserConfig(weight_decay=0.5))
    pull(parameters, 0, size=0.0)
    optimiser.step(0.1)
    for name, parameter in parameters.items():
        assert torch.allclose(parameter, before[name] * (0.95 if parameter.ndim > 1 else 1.0)), name


@pytest.mark.parametrize(("name", "is_for"), [
    ("model.layers.0.self_attn.q_proj.weight", True), ("model.embed_tokens.weight", True), ("rnn.weight_ih_l0", True),
    ("heads.value.weight", True), ("q_proj.lora_A.default.weight", True), ("rnn.bias_hh_l0_reverse", False),
    ("q_proj.bias", False), ("layers.0.input_layernorm.weight", False), ("self_attn.q_norm.weight", False),
    ("transformer.ln_f.weight", False), ("encoder.LayerNorm.weight", False), ("k_proj.ia3_l.default", False),
    ("q_proj.lora_E.default", False), ("model.normal_proj.weight", True),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4, 1)])
def test_what_a_parameter_is_decides_about_its_decay_and_not_its_shape(name, is_for, shape):
    assert decays(name, torch.ones(shape)) is is_for
    assert not decays(name, torch.ones(4))


def test_rates_multiply_by_the_start_of_the_name():
    plain, scaled = made(), made()
    before = values(plain)
    for parameters, rates in ((plain, None), (scaled, {"score": 10.0, "body.b": 0.0})):
        optimiser = Optimiser(parameters, OptimiserConfig(), rates)
        pull(parameters, 0)
        optimiser.step(0.01)
    for name, factor in (("score.weight", 10.0), ("body.bias", 0.0), ("body.weight", 1.0), ("norm.weight", 1.0)):
        moved, expected = scaled[name] - before[name], factor * (plain[name] - before[name])
        assert torch.allclose(moved, expected, atol=1e-6), name


def test_gradients_are_scaled_down_to_the_norm_and_the_norm_before_is_told():
    parameters = made()
    optimiser = Optimiser(parameters, OptimiserConfig(max_grad_norm=0.5, beta1=0.9))
    pull(parameters, 0)
    gradients = {name: parameter.grad.clone() for name, parameter in parameters.items()}
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))
    assert norm > 0.5
    assert optimiser.step(0.01) == pytest.approx(norm, rel=1e-5)
    state = optimiser.state()
    for name, gradient in gradients.items():  # by hand: the first moment is a tenth of the clipped gradient
        assert torch.allclose(state[f"{name}#exp_avg"], 0.1 * gradient * 0.5 / norm, atol=1e-5)


@pytest.mark.parametrize("limit", [0.0, 100.0])
def test_small_gradients_and_no_limit_are_left_as_they_are(limit):
    parameters = made()
    optimiser = Optimiser(parameters, OptimiserConfig(max_grad_norm=limit, beta1=0.9))
    pull(parameters, 0)
    gradient = parameters["body.weight"].grad.clone()
    optimiser.step(0.01)
    assert torch.allclose(optimiser.state()["body.weight#exp_avg"], 0.1 * gradient)


def test_a_step_clears_gradients():
    parameters = made()
    pull(parameters, 0)
    Optimiser(parameters, OptimiserConfig()).step(0.01)
    assert all(parameter.grad is None for parameter in parameters.values())


# ------------------------------------------------------------------------------------------------ what is not finite


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(poison):
    clean, poisoned = made(), made()
    optimisers = [Optimiser(parameters, OptimiserConfig(weight_decay=0.1)) for parameters in (clean, poisoned)]
    for step in range(3):
        for parameters, optimiser in zip((clean, poisoned), optimisers, strict=True):
            pull(parameters, step)
            optimiser.step(0.1)
    before, state = values(poisoned), optimisers[1].state()
    pull(poisoned, 9)
    poisoned["body.weight"].grad[0, 0] = poison
    assert not math.isfinite(optimisers[1].step(0.1))
    assert equal(values(poisoned), before)
    assert equal(optimisers[1].state(), state)
    for parameters, optimiser in zip((clean, poisoned), optimisers, strict=True):
        pull(parameters, 4)
        optimiser.step(0.1)
    assert equal(values(poisoned), values(clean))  # the next step is as if it had never been


# ------------------------------------------------------------------------------------------------------ save, go on


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_a_saved_state_goes_on_bit_for_bit(stop, tmp_path):
    config = OptimiserConfig(weight_decay=0.1, max_grad_norm=0.7)
    whole = made()
    optimiser = Optimiser(whole, config)
    for step in range(6):
        pull(whole, step)
        optimiser.step(0.05)

    first = made()
    optimiser = Optimiser(first, config)
    for step in range(stop):
        pull(first, step)
        optimiser.step(0.05)
    save_file(values(first), tmp_path / "weights.safetensors")
    save_file(optimiser.state(), tmp_path / "moments.safetensors")

    second = {name: nn.Parameter(tensor) for name, tensor in load_file(tmp_path / "weights.safetensors").items()}
    second = {name: second[name] for name in first}
    optimiser = Optimiser(second, config)
    optimiser.load_state(load_file(tmp_path / "moments.safetensors"))
    for step in range(stop, 6):
        pull(second, step)
        optimiser.step(0.05)
    assert equal(values(second), values(whole))


def test_a_state_is_a_copy_and_replaces_what_was_there():
    parameters = made()
    optimiser = Optimiser(parameters, OptimiserConfig())
    empty = optimiser.state()
    assert empty == {}
    pull(parameters, 0)
    optimiser.step(0.1)
    state = optimiser.state()
    kept = {name: tensor.clone() for name, tensor in state.items()}
    pull(parameters, 1)
    optimiser.step(0.1)
    assert equal(state, kept)
    optimiser.load_state(state)
    pull(parameters, 2)
    optimiser.step(0.1)
    assert equal(state, kept)  # what was loaded is not written to
    optimiser.load_state(empty)
    assert optimiser.state() == {}


def test_a_state_of_another_network_is_refused():
    parameters = made()
    optimiser = Optimiser(parameters, OptimiserConfig())
    with pytest.raises(InputError, match=r"'other\.weight'"):
        optimiser.load_state({"other.weight#step": torch.tensor(1.0)})


def test_nothing_to_train_is_refused():
    with pytest.raises(InputError, match="nothing to train"):
        Optimiser({}, OptimiserConfig())


# ------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # by hand, peak 1, warm-up over 4 of 20 steps, at steps 0, 1, 3, 4, 10, 20
        ("constant", [0.25, 0.5, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.25, 0.5 * 0.955, 0.865, 0.82, 0.55, 0.1]),
        ("cosine", [0.25, 0.5 * 0.99446, 0.95095, 0.91406, 0.55, 0.1]),
    ],
)
def test_rates_rise_then_follow_the_schedule(schedule, expected):
    config = OptimiserConfig(learning_rate=1.0, warmup_steps=4, schedule=schedule)
    assert [rate_at(step, 20, config) for step in (0, 1, 3, 4, 10, 20)] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.1 + 0.9 / 24), ("cosine", 0.10385)])  # by hand
def test_the_last_step_is_one_before_the_tenth_as_the_settings_say(schedule, last):
    config = OptimiserConfig(learning_rate=1.0, warmup_steps=4, schedule=schedule)
    assert rate_at(23, 24, config) == pytest.approx(last, rel=1e-4)
    assert rate_at(24, 24, config) == pytest.approx(0.1)
    for settings in (OptimiserConfig, RlSettings):
        assert "one step after the last" in field_docs(settings)["schedule"]


def test_no_warm_up_starts_at_the_peak_and_nothing_goes_on_below_a_tenth():
    config = OptimiserConfig(learning_rate=2.0, warmup_steps=0, schedule="linear")
    assert rate_at(0, 10, config) == 2.0
    assert rate_at(99, 10, config) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", -1e-3),
        ("learning_rate", math.nan),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("beta2", math.nan),
        ("max_grad_norm", -1.0),
        ("max_grad_norm", math.nan),
        ("weight_decay", -0.1),
        ("weight_decay", math.inf),
        ("warmup_steps", -1),
    ],
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(InputError, match=name):
        OptimiserConfig(**{name: value})
