from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.maths.preference_loss import (
    identity_preference,
    implicit_reward,
    log_odds,
    prospect,
    smoothed,
    soft_bradley_terry,
    squared_error,
)

DOUBLE = torch.float64


def loss(chosen: float, rejected: float, probability: float) -> float:
    values = (torch.tensor([[value]], dtype=DOUBLE) for value in (chosen, rejected))
    return float(soft_bradley_terry(*values, torch.tensor([probability])))


def test_known_values():
    assert loss(0, 0, 1.0) == pytest.approx(log(2))
    # by hand: sigma(2) = 1 / (1 + e^-2)
    assert loss(3, 1, 1.0) == pytest.approx(log(1 + exp(-2)))
    assert loss(3, 1, 0.0) == pytest.approx(log(1 + exp(2)))
    assert loss(3, 1, 0.7) == pytest.approx(0.7 * log(1 + exp(-2)) + 0.3 * log(1 + exp(2)), rel=1e-6)


def test_a_tie_of_opinions_pulls_the_two_together():
    apart = torch.tensor([[2.0]], requires_grad=True)
    soft_bradley_terry(apart, torch.zeros(1, 1), torch.tensor([0.5])).sum().backward()
    assert float(apart.grad) > 0
    assert loss(1, 1, 0.5) < loss(1.2, 1, 0.5)


@settings(max_examples=40, deadline=None)
@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0, 1), st.floats(-100, 100))
def test_swapping_the_pair_swaps_the_probability_and_a_shift_changes_nothing(chosen, rejected, p, shift):
    p = float(torch.tensor(p))  # the probability as float32, so that 1 - p is its complement
    assert loss(chosen, rejected, p) == pytest.approx(loss(rejected, chosen, 1 - p), rel=1e-4, abs=1e-6)
    assert loss(chosen + shift, rejected + shift, p) == pytest.approx(loss(chosen, rejected, p), abs=1e-6)


def test_it_is_least_where_the_difference_is_the_logit_of_the_probability():
    best = log(0.8 / 0.2)
    assert loss(best, 0, 0.8) < min(loss(best + 0.01, 0, 0.8), loss(best - 0.01, 0, 0.8))


def test_gradient_against_finite_differences():
    chosen = torch.tensor([[0.3, -2.0], [1.0, 40.0]], dtype=DOUBLE, requires_grad=True)
    rejected = torch.tensor([[0.1, 1.0], [3.0, -40.0]], dtype=DOUBLE, requires_grad=True)
    probability = torch.tensor([0.9, 0.35], dtype=DOUBLE)
    assert torch.autograd.gradcheck(lambda c, r: soft_bradley_terry(c, r, probability), (chosen, rejected))


def test_rewards_far_apart_stay_finite():
    assert loss(1e4, -1e4, 0.5) == pytest.approx(1e4)
    assert loss(-1e4, 1e4, 1.0) == pytest.approx(2e4)


def test_squared_error_and_what_is_not_known():
    predicted = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    target = torch.tensor([[0.0, torch.nan], [3.0, 2.0]])
    found = squared_error(predicted, target)
    assert found.tolist() == [[0.5, 0.0], [0.0, 2.0]]
    found.sum().backward()
    assert predicted.grad.tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_a_prediction_that_is_not_a_number_where_nothing_is_known_does_no_harm():
    predicted = torch.tensor([[torch.nan, 2.0]], requires_grad=True)
    squared_error(predicted, torch.tensor([[torch.nan, 1.0]])).sum().backward()
    assert predicted.grad.tolist() == [[0.0, 1.0]]


def test_an_implicit_reward_is_beta_times_the_log_ratio():
    found = implicit_reward(torch.tensor([-3.0, -5.0]), torch.tensor([-4.0, -5.0]), 0.5)
    assert found.tolist() == [0.5, 0.0]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 0.45))
def test_robust_undoes_what_flipped_labels_do_and_no_flips_change_nothing(p, e):
    true = torch.tensor([p], dtype=DOUBLE)
    observed = smoothed(true, e, "conservative")
    assert 0 <= float(observed) <= 1
    assert float(smoothed(observed, e, "robust")) == pytest.approx(p, abs=1e-9)
    assert float(smoothed(true, 0.0, "robust")) == float(smoothed(true, 0.0, "conservative")) == p


def test_a_lead_is_asked_of_whoever_is_preferred():
    chosen, rejected, p = torch.tensor([[2.0]]), torch.tensor([[0.5]]), torch.tensor([0.8])
    found = soft_bradley_terry(chosen, rejected, p, torch.tensor([0.7]))
    # by hand: differences 1.5 - 0.7 and -1.5 - 0.7
    assert float(found) == pytest.approx(0.8 * log(1 + exp(-0.8)) + 0.2 * log(1 + exp(2.2)), rel=1e-6)
    assert torch.equal(soft_bradley_terry(chosen, rejected, p, torch.zeros(1)), soft_bradley_terry(chosen, rejected, p))


def test_the_best_lead_of_ipo_is_finite_and_none_on_a_tie():
    for p, best in ((1.0, 2.5), (0.8, 1.5), (0.5, 0.0), (0.1, -2.0)):  # by hand: (2p - 1) / (2 * 0.2)
        leaf = torch.tensor([best], dtype=DOUBLE, requires_grad=True)
        identity_preference(leaf, torch.tensor([p], dtype=DOUBLE), 0.2).sum().backward()
        assert leaf.grad.item() == pytest.approx(0, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1 - 1e-6))
def test_log_odds_of_a_probability(p):
    assert float(log_odds(torch.tensor(p, dtype=DOUBLE).log())) == pytest.approx(log(p / (1 - p)), rel=1e-8, abs=1e-9)


def test_what_people_would_value_by_hand():
    good = torch.tensor([1.0, 0.0, 0.25])
    found = prospect(torch.full((3,), 0.5), 0.2, good, 2.0, 3.0)
    up, down = 2 * (1 - 1 / (1 + exp(-0.3))), 3 * (1 - 1 / (1 + exp(0.3)))
    assert found.tolist() == pytest.approx([up, down, 0.25 * up + 0.75 * down])
