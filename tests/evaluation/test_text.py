import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluation.text import bigrams, distinct_2, repetition, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lamp's GOOD, isn't it?", ["the", "lamp's", "good", "isn't", "it"]),
        ("3.5 stars_out of 5", ["3", "5", "stars", "out", "of", "5"]),
        ("这台灯好 abc灯", ["这", "台", "灯", "好", "abc", "灯"]),
        ("Straße É", ["strasse", "é"]),
        ("... \n", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_distinct_2_by_hand():
    # a-b b-a a-b | a-b b-c: 5 bigrams, of which a-b, b-a, b-c differ
    assert distinct_2(["a b a b", "a b c"]) == 3 / 5


def test_bigrams_do_not_cross_texts():
    assert distinct_2(["a b", "c d"]) == 1.0
    assert bigrams("a b c", limit=2) == [("a", "b")]


def test_distinct_2_cut_to_equal_length():
    assert distinct_2(["a b a b"], [3]) == 1.0
    assert distinct_2(["a", "b"]) is None


def test_repetition_by_hand():
    # abcd bcda cdab dabc abcd: the last repeats the first
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert repetition("a b c") == 0.0
    assert repetition("a a a a a", n=1) == pytest.approx(4 / 5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5))
def test_shares_are_shares_and_saying_all_twice_halves_distinct_2(texts):
    share = distinct_2(texts)
    assert share is None or 0 < share <= 1
    assert all(0 <= repetition(text) < 1 for text in texts)
    if share is not None:
        assert distinct_2(texts + texts) == pytest.approx(share / 2)
