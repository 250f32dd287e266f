"""Returns and advantages: by hand, against a double loop, over masks with holes, and what must change nothing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.returns import (
    at_last,
    discounted,
    explained_variance,
    following,
    generalised_advantages,
    n_step,
    whitened,
)

DOUBLE = torch.float64
NAN = float("nan")


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=DOUBLE)


ALL = torch.ones(1, 3, dtype=torch.bool)
HOLE = torch.tensor([[True, False, True, True, False]])

# ------------------------------------------------------------------------------------------------------------ by hand


def test_generalised_advantages_by_hand():
    # rewards 1, 0, 2; values 0.5, 1, 1.5; discount 0.5, trace 0.5
    # by hand: deltas 1 + 0.5 - 0.5 = 1, 0 + 0.75 - 1 = -0.25, 2 + 0 - 1.5 = 0.5
    # A_2 = 0.5, A_1 = -0.25 + 0.25 * 0.5 = -0.125, A_0 = 1 + 0.25 * -0.125 = 0.96875
    found = generalised_advantages(row(1, 0, 2), row(0.5, 1, 1.5), ALL, discount=0.5, trace=0.5)
    assert found.tolist() == [[0.96875, -0.125, 0.5]]


def test_returns_by_hand():
    assert discounted(row(1, 0, 2), ALL, 0.5).tolist() == [[1.5, 1.0, 2.0]]
    # by hand, values 8, 4, 2: one step 1 + 0.5 * 4, 0 + 0.5 * 2, 2; two steps 1 + 0 + 0.25 * 2, 0 + 1, 2
    assert n_step(row(1, 0, 2), row(8, 4, 2), ALL, discount=0.5, steps=1).tolist() == [[3.0, 1.0, 2.0]]
    assert n_step(row(1, 0, 2), row(8, 4, 2), ALL, discount=0.5, steps=2).tolist() == [[1.5, 1.0, 2.0]]


def test_tokens_in_between_are_stepped_over_with_one_decay():
    """Trap T11: a tool's tokens stand between; the decay across them is one token's, whatever stands there."""
    short = {"discount": 0.5, "trace": 0.5}
    plain = generalised_advantages(row(1, 0, 2), row(0.5, 1, 1.5), ALL, **short)
    rewards, values = row(1, NAN, 0, 2, 7), row(0.5, 99, 1, 1.5, NAN)
    found = generalised_advantages(rewards, values, HOLE, **short)
    assert found.tolist() == [[plain[0, 0], 0.0, plain[0, 1], plain[0, 2], 0.0]]
    assert discounted(rewards, HOLE, 0.5).tolist() == [[1.5, 0.0, 1.0, 2.0, 0.0]]
    assert n_step(rewards, row(8, NAN, 4, 2, 5), HOLE, discount=0.5, steps=1).tolist() == [[3.0, 0.0, 1.0, 2.0, 0.0]]
    assert following(row(1, 9, 3, 4, 9), HOLE).tolist() == [[3.0, 0.0, 4.0, 0.0, 0.0]]


def test_the_final_reward_is_on_the_last_trained_token():
    """Trap T10: not on the first padding, not on the tool's tokens that follow, not on the last column."""
    mask = torch.tensor([[True, True, False, False], [True, False, True, False], [True] * 4, [False] * 4])
    found = at_last(torch.tensor([1.0, 2.0, 3.0, 4.0]), mask)
    assert found.tolist() == [[0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 3], [0, 0, 0, 0]]


def test_whitening_counts_what_is_trained_on_alone():
    """Trap T12: mean and variance of masked-in entries, Bessel's correction."""
    mask = torch.tensor([[True, True, False], [True, False, False]])
    values = torch.tensor([[1.0, 3.0, NAN], [5.0, 1000.0, NAN]], dtype=DOUBLE)
    # by hand: mean 3, variance (4 + 0 + 4) / 2 = 4
    assert torch.allclose(
        whitened(values, mask), torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=DOUBLE), atol=1e-7
    )
    assert whitened(values[:1, :1], mask[:1, :1]).tolist() == [[0.0]]
    assert whitened(torch.full((1, 3), 2.0), ALL).tolist() == [[0.0, 0.0, 0.0]]


def test_explained_variance_by_hand():
    # by hand: returns 0, 2, 4 have variance 4; errors 0, 1, 2 have variance 1
    assert explained_variance(row(0, 1, 2), row(0, 2, 4), ALL) == pytest.approx(0.75)
    assert explained_variance(row(7, 7, 7), row(0, 2, 4), ALL) == pytest.approx(0.0)
    assert explained_variance(row(4, 2, 0), row(0, 2, 4), ALL) == pytest.approx(-3.0)
    assert math.isnan(explained_variance(row(0, 1, 2), row(5, 5, 5), ALL))
    assert explained_variance(row(0, 99, 1, 2, NAN), row(0, NAN, 2, 4, 9), HOLE) == pytest.approx(0.75)


# --------------------------------------------------------------------------------------------------------- double loop


def slow_advantages(rewards, values, discount, trace):
    """GAE as it is written down: a sum of sums, over the trained tokens of one row."""
    n = len(rewards)
    found = []
    for t in range(n):
        total = 0.0
        for k in range(n - t):
            after = values[t + k + 1] if t + k + 1 < n else 0.0
            total += (discount * trace) ** k * (rewards[t + k] + discount * after - values[t + k])
        found.append(total)
    return found


def slow_n_step(rewards, values, discount, steps):
    n = len(rewards)
    found = []
    for t in range(n):
        total = sum(discount**k * rewards[t + k] for k in range(min(steps, n - t)))
        found.append(total + (discount**steps * values[t + steps] if t + steps < n else 0.0))
    return found


number = st.floats(-5, 5)
unit = st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(number, number, st.booleans()), min_size=1, max_size=7), unit, unit, st.integers(1, 8))
def test_against_the_double_loop(places, discount, trace, steps):
    rewards, values, mask = (list(each) for each in zip(*places, strict=True))
    kept = [i for i, here in enumerate(mask) if here]
    r, v = [rewards[i] for i in kept], [values[i] for i in kept]
    hidden = [x if here else NAN for x, here in zip(rewards, mask, strict=True)]
    given_ = row(*hidden), row(*values), torch.tensor([mask])
    advantages = generalised_advantages(*given_, discount=discount, trace=trace)
    assert advantages[0, kept].tolist() == pytest.approx(slow_advantages(r, v, discount, trace), abs=1e-9)
    assert advantages[~given_[2]].eq(0).all()
    stepped = n_step(*given_, discount=discount, steps=steps)
    assert stepped[0, kept].tolist() == pytest.approx(slow_n_step(r, v, discount, steps), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(number, number), min_size=1, max_size=7), unit)
def test_the_ends_of_the_trace_are_monte_carlo_and_one_step(places, discount):
    rewards, values = (row(*each) for each in zip(*places, strict=True))
    mask = torch.ones_like(rewards, dtype=torch.bool)
    whole = generalised_advantages(rewards, values, mask, discount=discount, trace=1.0)
    assert torch.allclose(whole + values, discounted(rewards, mask, discount), atol=1e-9)
    assert torch.allclose(whole + values, n_step(rewards, values, mask, discount=discount, steps=9), atol=1e-9)
    one = generalised_advantages(rewards, values, mask, discount=discount, trace=0.0)
    assert torch.allclose(one + values, n_step(rewards, values, mask, discount=discount, steps=1), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(number, min_size=3, max_size=6))
def test_padding_and_rubbish_change_no_whitened_value(values):
    mask = torch.ones(1, len(values), dtype=torch.bool)
    wide = torch.nn.functional.pad(mask, (0, 4))
    plain = whitened(row(*values), mask)
    assert torch.allclose(whitened(row(*values, NAN, 1e9, -1e9, 0.0), wide)[:, : len(values)], plain)
    assert float(plain.mean()) == pytest.approx(0.0, abs=1e-6)
