import pytest

from burnish.feedback.words.praise import only_praises
from burnish.feedback.words.reading import read


@pytest.mark.parametrize(
    "comment",
    [
        "great, keep it like this",
        "Great, keep it like this!",
        "Perfect. Clear and correct.",
        "I love it, very helpful.",
        "很好，就这样。",
        "写得非常清楚，喜欢！",
    ],
)
def test_praise_that_asks_for_nothing(comment):
    assert only_praises(read(comment))


@pytest.mark.parametrize(
    "comment",
    [
        "Great, but too long.",  # finds fault
        "Great! Mention the price.",  # asks
        "Good, now add an example",
        "Nice, could you make it shorter?",
        "Great answer, a bit more detail next time.",
        "I wish it were as good as the first.",
        "Not good.",
        "It is blue.",  # says nothing of quality
        "",
        "Oh great, as if that helped.",  # sarcasm
        "很好，请再短一点。",
        "不错，但是太长了。",
        "Excellent?",
    ],
)
def test_what_finds_fault_asks_or_says_nothing_is_no_praise(comment):
    assert not only_praises(read(comment))
