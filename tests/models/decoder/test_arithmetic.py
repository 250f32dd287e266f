"""Values against the formula as anybody would write it; gradients against autograd's and finite differences."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from burnish.models.decoder.arithmetic import adapted, gated, rms_norm, rotate

EPS = 1e-3  # large, so that it is felt
ACTIVATIONS = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
}
both_kinds = pytest.mark.parametrize("gemma", [False, True], ids=["llama", "gemma"])
every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64, size: float = 1.0) -> torch.Tensor:
    values = size * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.to(dtype).requires_grad_()


def norm_by_the_book(x, weight, gemma):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * (1 + weight if gemma else weight)


def gate_by_the_book(gate_up, activation):
    gate, up = gate_up.split(gate_up.shape[-1] // 2, dim=-1)
    return ACTIVATIONS[activation](gate) * up


def gradients(found, inputs):
    pull = noise(*found.shape, seed=9, dtype=found.dtype).detach()
    return torch.autograd.grad((pull * found).sum(), inputs)


def assert_close(found, expected, dtype) -> None:
    """float64 to its last digits, float32 to its own; and there is something to compare."""
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == dtype
        assert torch.allclose(mine, theirs, **({} if dtype == torch.float32 else {"rtol": 1e-10}), atol=1e-5)
        assert theirs.abs().max() > 0.1


# --------------------------------------------------------------------------------------------------------- the norm


@both_kinds
def test_the_norms_gradient_is_that_of_finite_differences(gemma):
    x, weight = noise(3, 2, 7), noise(7, seed=1)
    assert gradcheck(lambda x, w: rms_norm(x, w, EPS, gemma=gemma), (x, weight))
    assert gradcheck(lambda x: rms_norm(x, weight.detach(), EPS, gemma=gemma), (x,))
    assert gradcheck(lambda w: rms_norm(x.detach(), w, EPS, gemma=gemma), (weight,))


@both_kinds
@pytest.mark.parametrize("shape", [(5, 24), (4, 3, 24), (1, 24)], ids=str)
@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
def test_the_norm_is_the_formula_and_so_is_its_gradient(gemma, shape, size):
    x, weight = noise(*shape, dtype=torch.float32, size=size), noise(24, seed=1, dtype=torch.float32)
    found, expected = rms_norm(x, weight, EPS, gemma=gemma), norm_by_the_book(x, weight, gemma)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(found, rms_norm(x.detach(), weight.detach(), EPS, gemma=gemma))  # as the sampler computes it
    for mine, theirs in zip(gradients(found, (x, weight)), gradients(expected, (x, weight)), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


@both_kinds
@pytest.mark.parametrize("of_weight", [torch.float32, torch.bfloat16], ids=["trained", "frozen"])
def test_bfloat16_is_rounded_once(gemma, of_weight):
    """By half a unit in the last place: 2^-8 of the value at most. A float32 weight gets its gradient in float32."""
    x, weight = noise(6, 64, dtype=torch.bfloat16), noise(64, seed=1, dtype=of_weight)
    found = rms_norm(x, weight, EPS, gemma=gemma)
    exact = norm_by_the_book(x.double(), weight.double(), gemma)
    assert found.dtype == torch.bfloat16
    assert ((found.double() - exact).abs() <= exact.abs() * 1.001 * 2**-8).all()
    found_gradients = gradients(found, (x, weight))
    assert [each.dtype for each in found_gradients] == [torch.bfloat16, of_weight]
    wide = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    for mine, theirs in zip(found_gradients, gradients(norm_by_the_book(*wide, gemma), wide), strict=True):
        assert (mine - theirs).abs().max() < 0.02 * theirs.abs().max()


# ---------------------------------------------------------------------------------------------------------- the gate


@every_activation
def test_the_gates_gradient_is_that_of_finite_differences(activation):
    assert gradcheck(lambda x: gated(x, activation), (noise(4, 10),))


@every_activation
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_gate_is_the_formula_and_so_is_its_gradient(activation, dtype):
    gate_up = noise(9, 30, dtype=dtype, size=3.0)
    found, expected = gated(gate_up, activation), gate_by_the_book(gate_up, activation)
    assert_close([found], [expected], dtype)
    assert_close(gradients(found, (gate_up,)), gradients(expected, (gate_up,)), dtype)
    before = gate_up.detach().clone()
    assert torch.equal(gated(before, activation), found)  # as the sampler computes it, without a graph
    assert torch.equal(before, gate_up)  # and its input is left alone
    with torch.no_grad():
        assert torch.equal(gated(gate_up, activation), found)


def test_activations_differ():
    gate_up = noise(50, 30, dtype=torch.float32, size=2.0).detach()
    silu, gelu, tanh = (gated(gate_up, activation) for activation in ACTIVATIONS)
    assert (silu - gelu).abs().max() > 0.1
    assert 1e-5 < (gelu - tanh).abs().max() < 0.1


# -------------------------------------------------------------------------------------------------------- positions


def tables(n: int, head_dim: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin (n, head_dim) of positions that are no plain counting."""
    angles = torch.arange(3, 3 + n, dtype=torch.float64)[:, None] / 10 ** torch.linspace(0, 2, head_dim // 2)
    both = torch.cat([angles, angles], dim=-1)
    return both.cos().to(dtype), both.sin().to(dtype)


def signed(sin: torch.Tensor) -> torch.Tensor:
    half = sin.shape[-1] // 2
    return torch.cat([-sin[:, :half], sin[:, half:]], dim=-1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_positions_turn_as_in_transformers_and_so_do_gradients(dtype):
    heads = noise(6, 3, 8, dtype=dtype)
    cos, sin = tables(6, 8, dtype)
    found = rotate(heads, cos[:, None], signed(sin)[:, None])
    as_theirs = heads.transpose(0, 1)[None]
    expected = apply_rotary_pos_emb(as_theirs, as_theirs, cos[None], sin[None])[0][0].transpose(0, 1)
    assert_close([found], [expected], dtype)
    assert_close(gradients(found, (heads,)), gradients(expected, (heads,)), dtype)
    assert torch.allclose(found.norm(dim=-1), heads.norm(dim=-1))  # turning changes no length


def test_turnings_gradient_is_that_of_finite_differences():
    cos, sin = tables(3, 6, torch.float64)
    assert gradcheck(lambda x: rotate(x, cos[:, None], signed(sin)[:, None]), (noise(3, 2, 6),))


def test_scores_hang_on_the_distance_alone():
    """RoFormer's reason to be (arXiv 2104.09864): the product of two turned vectors is that of their distance."""
    cos, sin = tables(20, 8, torch.float64)
    q, k = (noise(8, seed=seed).detach().expand(20, 1, 8) for seed in (1, 2))
    turned_q, turned_k = (rotate(each, cos[:, None], signed(sin)[:, None])[:, 0] for each in (q, k))
    scores = turned_q @ turned_k.T
    for distance in (0, 1, 7):
        along = scores.diagonal(distance)
        assert torch.allclose(along, along[:1].expand_as(along))
    assert (scores[0, 0] - scores[0, 7]).abs() > 0.1


# ---------------------------------------------------------------------------------------------- the adapted product


def test_the_adapted_product_is_the_formula_and_its_gradient_that_of_finite_differences():
    x, weight, down, up, plus = noise(5, 6), noise(7, 6, seed=1), noise(2, 6, seed=2), noise(7, 2, seed=3), noise(5, 7)
    weight = weight.detach()
    for more in (plus, None):
        found = adapted(x, weight, down, up, more)
        assert torch.allclose(found, x @ (weight + up @ down).T + (0 if more is None else more), rtol=1e-12)
        with torch.no_grad():
            assert torch.equal(adapted(x, weight, down, up, more), found)
    assert gradcheck(lambda x, a, b, plus: adapted(x, weight, a, b, plus), (x, down, up, plus))
    assert gradcheck(lambda a, b: adapted(x.detach(), weight, a, b), (down, up))  # the first trained layer's
