import pytest
import torch

from burnish.records import Reward
from burnish.rewards.asked_rating import AskedRating
from burnish.rewards.learned import AskedOnce, LearnedRating


class Network:
    """Rates a text by its length, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def predict(self, texts, prompts=None):
        self.seen += zip(texts, prompts, strict=True)
        return torch.tensor([[len(text), len(text) + 2.0, len(text) + 4.0] for text in texts])


def test_ratings_are_calibrated_member_by_member(scored):
    (score,) = scored(LearnedRating(Network(), "k_1", slope=0.5, offset=-1.0), ({}, "four"))
    # by hand: 4, 6, 8 -> 1, 2, 3: mean 2, variance 1
    assert score.members == (1.0, 2.0, 3.0)
    assert (score.value, score.variance, score.source) == (pytest.approx(2.0), pytest.approx(1.0), "k_1")


def test_an_empty_completion_is_not_scored_and_not_shown_to_the_network(scored):
    network = Network()
    found = scored(LearnedRating(network, "k_1"), ({}, "a"), ({}, ""), ({}, " \n"), ({}, "abc"))
    assert [score.value for score in found] == [3.0, None, None, 5.0]
    assert [score.reason for score in found[1:3]] == ["the completion is empty"] * 2
    assert network.seen == [("a", "p0"), ("abc", "p3")]  # each with its own prompt


def test_nothing_but_empty_completions_asks_nothing(scored):
    network = Network()
    (score,) = scored(LearnedRating(network, "k_1"), ({}, ""))
    assert (score.value, network.seen) == (None, [])


def test_through_an_asked_rating_the_empty_stays_unscored(scored):
    found = scored(AskedRating(LearnedRating(Network(), "k_1"), "worst"), ({"asked": 1.0}, ""), ({"asked": 1.0}, "a"))
    assert [score.value for score in found] == [None, -4.0]


def test_it_is_a_reward():
    assert isinstance(LearnedRating(Network(), "k_1"), Reward)


def test_the_network_is_asked_once_for_the_same_texts_in_a_row(scored):
    network = Network()
    reward = AskedOnce(LearnedRating(network, "k_1"))
    first = scored(reward, ({}, "a"), ({}, "abc"))
    assert scored(reward, ({}, "a"), ({}, "abc")) == first
    assert len(network.seen) == 2
    assert scored(reward, ({}, "abc"), ({}, "a")) != first
    assert len(network.seen) == 4


def test_the_stated_variance_is_what_calibration_found(scored):
    rating = LearnedRating(Network(), "k_1", slope=0.5, floor=0.25, factor=3.0)
    (score,) = scored(rating, ({}, "four"))
    # by hand: heads 2, 3, 4 after the slope: variance 1
    assert score.variance == pytest.approx(0.25 + 3.0 * 1.0)
