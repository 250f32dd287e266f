"""The shift is as long as asked, along the gradient, each text by itself."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.worst_case import worst_shift


def test_each_text_is_shifted_along_its_own_gradient():
    """Worked by hand: text 0 has |g| = 5, text 1 has |g| = 2, the last place is nobody's."""
    gradient = torch.tensor([[3.0, 0.0], [0.0, 4.0], [2.0, 0.0], [7.0, 7.0]])
    found = worst_shift(gradient, torch.tensor([0, 0, 1, -1]), 10.0)
    assert torch.allclose(found, torch.tensor([[6.0, 0.0], [0.0, 8.0], [10.0, 0.0], [0.0, 0.0]]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.floats(0.01, 5), st.floats(1e-6, 1e6))
def test_its_length_is_what_was_asked_whatever_the_loss_is_multiplied_by(seed, length, scale):
    generator = torch.Generator().manual_seed(seed)
    gradient = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    text = torch.arange(2)[:, None].expand(-1, 5)
    found = worst_shift(gradient, text, length)
    assert torch.allclose(found.flatten(1).norm(dim=1), torch.full((2,), length, dtype=torch.float64))
    assert torch.allclose(worst_shift(scale * gradient, text, length), found, rtol=1e-9)


def test_no_shift_of_that_length_is_steeper():
    generator = torch.Generator().manual_seed(3)
    gradient = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    best = (gradient * worst_shift(gradient, torch.zeros(6, dtype=torch.int64), 0.5)).sum()
    for _ in range(50):
        other = torch.randn(6, 4, generator=generator, dtype=torch.float64)
        assert (gradient * (0.5 * other / other.norm())).sum() <= best


def test_a_text_without_gradient_stays_where_it_is():
    found = worst_shift(torch.zeros(3, 2), torch.tensor([0, 0, 1]), 1.0)
    assert torch.equal(found, torch.zeros(3, 2))
    assert worst_shift(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), 1.0).shape == (0, 2)
