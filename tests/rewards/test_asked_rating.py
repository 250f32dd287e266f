import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.records import Reward
from burnish.rewards.asked_rating import AskedRating, conservative, variance

MEMBERS = (1.0, 2.0, 6.0)
"""Mean 3, variance ((2)^2 + 1 + 3^2) / 2 = 7, by hand."""


def test_the_three_ways_to_one_number():
    assert conservative(MEMBERS, "mean", 0.5) == pytest.approx(3.0)
    assert conservative(MEMBERS, "worst", 0.5) == 1.0
    assert conservative(MEMBERS, "variance", 0.5) == pytest.approx(3.0 - 0.5 * 7.0)
    assert variance(MEMBERS) == pytest.approx(7.0)


def test_one_member_has_no_doubt():
    assert [conservative((2.0,), way, 9.0) for way in ("mean", "worst", "variance")] == [2.0] * 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=6), st.floats(0, 3))
def test_doubt_never_raises_a_reward(members, penalty):
    mean = conservative(members, "mean", penalty)
    assert conservative(members, "worst", penalty) <= mean + 1e-9
    assert conservative(members, "variance", penalty) <= mean


@pytest.mark.parametrize(
    ("uncertainty", "expected"),
    [
        # by hand: asked 2, the members' values are -1, 0, -4: mean -5/3, variance (4/9 + 25/9 + 49/9)/2 = 13/3
        ("mean", -5 / 3),
        ("worst", -4.0),
        ("variance", -5 / 3 - 0.5 * 13 / 3),
    ],
)
def test_it_is_minus_the_distance_to_the_asked_rating_member_by_member(told, scored, uncertainty, expected):
    reward = AskedRating(told({"text": MEMBERS}), uncertainty=uncertainty, penalty=0.5)
    (score,) = scored(reward, ({"asked": 2.0}, "text"))
    assert score.value == pytest.approx(expected)
    assert score.members == (-1.0, 0.0, -4.0)
    assert score.variance == 0.25  # the rating's own, as it was told
    assert score.reason == "rated +3.00, asked +2.00"
    assert score.source == "told"


def test_gushing_cannot_win(told, scored):
    reward = AskedRating(told({"gush": (4.0, 4.0), "as asked": (-2.0, -2.0)}))
    gush, right = scored(reward, ({"asked": -2.0}, "gush"), ({"asked": -2.0}, "as asked"))
    assert right.value == 0.0 > gush.value


def test_asked_for_nothing_the_rating_itself_counts(told, scored):
    ratings = told({"text": MEMBERS})
    (plain,) = scored(AskedRating(ratings, "mean"), ({}, "text"))
    assert (plain.value, plain.members, plain.reason) == (pytest.approx(3.0), MEMBERS, "rated +3.00")
    (heedless,) = scored(AskedRating(ratings, "worst", heeds=False), ({"asked": 2.0}, "text"))
    assert heedless.value == 1.0
    (nought,) = scored(AskedRating(ratings, "mean"), ({"asked": 0.0}, "text"))
    assert nought.value == pytest.approx(-3.0)  # asked for 0 is asked


@pytest.mark.parametrize("uncertainty", ["mean", "worst", "variance"])
def test_unscored_stays_unscored(told, scored, uncertainty):
    (score,) = scored(AskedRating(told({}), uncertainty), ({"asked": 2.0}, "unknown"))
    assert score.value is None
    assert score.reason == "nobody knows"


def test_a_rating_of_nought_is_a_rating(told, scored):
    (score,) = scored(AskedRating(told({"text": (-1.0, 1.0)}), "mean"), ({"asked": 3.0}, "text"))
    assert score.value == pytest.approx(-3.0)


def test_a_rating_that_is_one_number_is_an_ensemble_of_one(told, scored):
    class Alone(told):
        def score(self, prompts, completions):
            return [dataclasses.replace(score, members=()) for score in super().score(prompts, completions)]

    (score,) = scored(AskedRating(Alone({"text": (1.0,)})), ({"asked": 3.0}, "text"))
    assert (score.value, score.members) == (-2.0, (-2.0,))


def test_it_is_a_reward(told):
    assert isinstance(AskedRating(told({})), Reward)
