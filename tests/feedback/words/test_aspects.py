import pytest

from burnish.errors import InputError
from burnish.feedback.words.aspects import DEFAULT, SEEDS, Aspects
from burnish.feedback.words.reading import read


def aspects(comment, known=None):
    return {name: estimate.value > 0 for name, estimate in read(comment, own_aspects=known).aspects.items()}


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("The grammar is good.", {"fluency": True}),
        ("Its tone is terrible and the facts are great.", {"style": False, "correctness": True}),
        ("Accurate but wordy.", {"correctness": True, "length": False}),
        ("The tone is right.", {"style": True}),  # `right` gives way to what is named
        ("The answer is right.", {"correctness": True}),
        ("It is good.", {}),
        ("语气很好，事实很差。", {"style": True, "correctness": False}),
        ("篇幅不合适。", {"length": False}),
        ("有种族歧视。", {"safety": False}),
        ("It does not answer the question.", {"relevance": False}),
    ],
)
def test_in_which_respect_something_is_said(comment, expected):
    assert aspects(comment) == expected


def test_the_users_own_list_stands_beside_the_six_and_comes_first():
    own = Aspects.with_own({"speed": ["slow", "latency", "速度"], "voice": ["tone"]})
    assert aspects("It is slow, but the facts are right.", own) == {"speed": False, "correctness": True}
    assert aspects("The latency is terrible.", own) == {"speed": False}
    assert aspects("速度很好。", own) == {"speed": True}
    assert aspects("Lovely tone.", own) == {"voice": True}
    assert aspects("Lovely tone.") == {"style": True}


def test_more_words_for_one_of_the_six():
    known = Aspects.with_own({"correctness": ["chemistry"]})
    assert aspects("The chemistry is wrong.", known) == aspects("The facts are wrong.", known) == {"correctness": False}


def test_an_aspect_without_words_is_refused():
    with pytest.raises(InputError, match="'price' has no seed words"):
        Aspects.with_own({"price": []})


def test_the_six_have_words_in_both_languages():
    assert set(SEEDS) == {"correctness", "fluency", "relevance", "style", "length", "safety"}
    for words in SEEDS.values():
        assert any(word.isascii() for word in words)
        assert any(not word.isascii() for word in words)
    assert DEFAULT.words() >= set(SEEDS["style"])
