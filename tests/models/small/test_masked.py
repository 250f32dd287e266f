"""Padded rows against one row at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.models.small.masked import run

PLACES = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@settings(max_examples=15, deadline=None)
@given(PLACES)
def test_only_the_places_of_tokens_count(kind, places):
    torch.manual_seed(0)
    network = kind(3, 4, 2, batch_first=True)
    mask, inputs = torch.tensor(places), torch.randn(len(places), 5, 3)
    before = tuple(torch.randn(2, len(places), 4) for _ in range(2 if kind is nn.LSTM else 1))
    outputs, after = run(network, inputs, mask, before)
    for row, held in enumerate(mask):
        mine = tuple(part[:, row : row + 1].contiguous() for part in before)
        expected, reached = torch.zeros(0, 4), mine
        if held.any():
            found, last = network(inputs[row : row + 1, held], mine if kind is nn.LSTM else mine[0])
            expected, reached = found[0], last if kind is nn.LSTM else (last,)
        assert torch.allclose(outputs[row, held], expected, atol=1e-6)
        assert outputs[row, ~held].eq(0).all()
        for new, old in zip(after, reached, strict=True):
            assert torch.allclose(new[:, row], old[:, 0], atol=1e-6)


def test_both_directions_stop_at_the_padding():
    torch.manual_seed(0)
    network = nn.GRU(3, 4, 1, batch_first=True, bidirectional=True)
    inputs = torch.randn(2, 4, 3)
    outputs, (ends,) = run(network, inputs, torch.tensor([[False, True, True, True], [True, True, False, False]]), None)
    for row, place in ((0, slice(1, 4)), (1, slice(0, 2))):
        expected, last = network(inputs[row : row + 1, place])
        assert torch.allclose(outputs[row, place], expected[0], atol=1e-6)
        assert torch.allclose(ends[:, row], last[:, 0], atol=1e-6)
