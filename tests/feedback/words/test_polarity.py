"""Strength by the words round an opinion; which of them turn it is measured on the sets of test_reading.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.words import polarity
from burnish.feedback.words.lexicon import own
from burnish.feedback.words.reading import parse, read, rule_value, strength

GOOD, IMPRESSIVE = (own().word(word).valence for word in ("good", "impressive"))


def valences(comment):
    return [round(opinion.valence, 3) for found in parse(comment).opinions for opinion in found]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("good", [GOOD]),
        ("very good", [1.3 * GOOD]),
        ("a bit good", [0.6 * GOOD]),
        ("not good", [-0.8 * GOOD]),
        ("not very good", [-0.8 * 1.3 * GOOD]),
        ("It is not without its good side", [GOOD]),  # turned twice
        ("It isn't good", [-0.8 * GOOD]),
        ("It isnt good", [-0.8 * GOOD]),
        ("not only good", [GOOD]),
        ("I don't know why it is so good", [1.3 * GOOD]),  # "why" ends the scope
        ("It would be good", [0.3 * GOOD]),
        ("I wish it were good", [-0.5 * GOOD]),
        ("Make it impressive, please.", [-0.5 * IMPRESSIVE]),  # what is asked for is not there
        ("Make it clearer, please.", [polarity.REQUESTED]),  # ... and is missed at least so much
        ("More examples, please.", [polarity.REQUESTED]),
        ("I give it 8/10.", [1.8]),
        ("Two stars.", [-1.5]),
        ("less good", [-0.8 * 0.6 * GOOD]),
        ("GOOD and the rest", [GOOD + polarity.SHOUTED]),
        ("the", []),
        ("That is no table.", [polarity.UNRESOLVED]),
    ],
)
def test_what_an_opinion_counts(comment, expected):
    assert valences(comment) == pytest.approx(expected, abs=1e-3)


def test_one_missing_thing_is_missed_once():
    assert valences("There is no evidence or example.") == [-1.6]


def test_a_complaint_by_too():
    assert valences("It is too technical.") == [-1.95]
    assert read("It is too technical.").whole.value < 0 < read("It is not too technical.").whole.value


def test_an_adverb_only_strengthens_what_follows():
    assert valences("spectacularly stupid") == [pytest.approx(polarity.LENT * own().word("stupid").valence, abs=1e-3)]


def test_a_curse_before_an_opinion_only_strengthens_it():
    (found,) = valences("It's damn good.")
    assert found > GOOD
    assert valences("Damn.")[0] < 0


def test_like_is_an_opinion_only_where_somebody_likes():
    assert valences("I like poems.") == [own().word("like").valence]
    assert valences("It is like poems.") == []


def test_a_sign_speaks_for_the_writer_and_is_not_turned():
    assert read("I can't come :)").whole.value > 0


@pytest.mark.parametrize("word", ["good", "terrible", "wrong", "clear", "太长", "准确"])
def test_but_lets_the_second_outweigh(word):
    other = "bad" if strength(word) > 0 else "excellent"
    assert (strength(f"{other}, but {word}") > 0) == (strength(word) > 0)
    assert (strength(f"although {other}, it is {word}") > 0) == (strength(word) > 0)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_read(text):
    found = read(text, "A completion. 一句话。")
    assert found.whole is None or -4 <= found.whole.value <= 4
    for said in found.said:
        assert text[said.start : said.end] == said.text
        assert all(0 <= span.start < span.end <= len("A completion. 一句话。") for span in said.spans)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["good", "bad", "not", "very", "but", "the", ",", "!", "好", "不", "但是"]), max_size=9)
)
def test_blanks_and_case_change_nothing(words):
    plain, loud = " ".join(words), "   ".join(words).upper()
    assert strength(plain) == pytest.approx(strength(loud))


@given(st.floats(-50, 50))
def test_the_value_of_a_strength_keeps_sign_and_bounds(found):
    assert -4 < rule_value(found) < 4
    assert rule_value(found) * found >= 0
    assert rule_value(-found) == -rule_value(found)
