from dataclasses import asdict

import pytest
import torch

from burnish.maths.control import LengthController


def test_texts_that_grew_short_are_paid_for_length():
    controller = LengthController(target=40.0, gain=0.5, decay=0.0).after(30.0)
    # by hand: gap (40 - 30)/40 = 0.25, times the gain
    assert controller.price == pytest.approx(0.125)
    # by hand: 0.125 * (length - 40)/40
    assert controller.payment(torch.tensor([40.0, 60.0, 20.0])).tolist() == pytest.approx([0.0, 0.0625, -0.0625])


def test_texts_that_grew_long_are_charged_for_it():
    controller = LengthController(target=40.0, gain=0.5).after(60.0)
    assert controller.price < 0
    assert float(controller.payment(torch.tensor([60.0]))) < 0 < float(controller.payment(torch.tensor([20.0])))


def test_the_price_follows_the_smoothed_length_and_forgets_it():
    controller = LengthController(target=10.0, gain=1.0, decay=0.5)
    prices = [(controller := controller.after(length)).price for length in (5.0, 5.0, 10.0, 10.0)]
    # by hand: smoothed 7.5, 6.25, 8.125, 9.0625
    assert prices == pytest.approx([0.25, 0.375, 0.1875, 0.09375])


def test_nothing_seen_yet_costs_nothing():
    assert LengthController(target=40.0, gain=0.5).price == 0.0


def test_no_completion_to_measure_moves_nothing():
    controller = LengthController(target=40.0, gain=0.5).after(30.0)
    assert controller.after(float("nan")) == controller


def test_no_gain_is_off():
    controller = LengthController(target=40.0, gain=0.0).after(1.0)
    assert controller.payment(torch.tensor([5.0, 500.0])).tolist() == [0.0, 0.0]


def test_it_holds_a_length_that_drifts_and_moves_a_little_with_every_price():
    """A made-up policy: every window it shrinks by half a token, and moves 4 tokens for a price of 1."""
    controller, length, lengths = LengthController(target=40.0, gain=3.0), 40.0, []
    for _ in range(200):
        length += 4.0 * controller.price - 0.5
        lengths.append(length)
        controller = controller.after(length)
    assert min(lengths) > 36.0
    assert max(lengths) <= 40.0


def test_without_it_the_same_policy_shrinks_away():
    controller, length = LengthController(target=40.0), 40.0
    for _ in range(50):
        length += 4.0 * controller.price - 0.5
        controller = controller.after(length)
    assert length == pytest.approx(15.0)


def test_the_state_of_a_controller_goes_through_a_save():
    controller = LengthController(target=33.5, gain=0.4, decay=0.3).after(20.0)
    assert LengthController(**asdict(controller)) == controller
