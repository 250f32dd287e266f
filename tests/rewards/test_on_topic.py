import pytest

from burnish.records import Prompt
from burnish.rewards.asked_rating import AskedRating
from burnish.rewards.on_topic import StaysOnTopic, is_on_topic


def on_topic(text: str, *words: str) -> bool | None:
    return is_on_topic(Prompt.of("p", metadata={"words": list(words)}), text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A fine lamp.", "lamp"),
        ("Lamp! LAMP?", "lamp"),
        ("the lamp's shade", "lamp"),
        ("lamps everywhere", "lamp"),
        ("two lunch boxes", "box"),
        ("too many batteries", "battery"),
        ("these toys", "toy"),
        ("a desk-lamp", "lamp"),
        ("(lamp)", "lamp"),
        ("my Fernhollow", "fernhollow"),
        ("my fernhollow", "Fernhollow"),
        ("his daughter-in-law", "daughter-in-law"),
        ("I write C++ daily", "c++"),
        ("50% off", "50%"),
    ],
)
def test_the_word_and_its_plural_are_on_topic(text, word):
    assert on_topic(text, word) is True


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a clamp", "lamp"),
        ("lampshade", "lamp"),
        ("lamplight and headlamps", "lamp"),
        ("the lam p", "lamp"),
        ("", "lamp"),
        ("toies", "toy"),
        ("a b c", "a.c"),
        ("abc", "a.c"),
        ("lamp_post", "lamp"),
    ],
)
def test_parts_of_words_and_patterns_are_not(text, word):
    assert on_topic(text, word) is False


def test_any_of_the_words_will_do():
    assert on_topic("the radio hums", "fernhollow", "radio") is True


def test_without_words_there_is_no_topic():
    assert on_topic("anything") is None
    assert is_on_topic(Prompt.of("p"), "anything") is None


def test_straying_costs_the_penalty(told, scored):
    reward = StaysOnTopic(AskedRating(told({"a lamp": (1.0, 3.0), "a clamp": (1.0, 3.0)}), "mean"), penalty=0.5)
    words = {"words": ["lamp"]}
    near, far, free = scored(reward, (words, "a lamp"), (words, "a clamp"), ({}, "a clamp"))
    assert (near.value, near.members) == (2.0, (1.0, 3.0))
    assert (far.value, far.members) == (1.5, (0.5, 2.5))
    assert far.reason == "rated +2.00; not about the thing named"
    assert free.value == 2.0


def test_unscored_stays_unscored_and_is_not_blamed(told, scored):
    (score,) = scored(StaysOnTopic(told({})), ({"words": ["lamp"]}, "a clamp"))
    assert score.value is None
    assert score.reason == "nobody knows"
