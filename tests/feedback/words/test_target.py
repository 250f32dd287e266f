from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.words.target import find, sentences, spans_of

TEXT = """A title

Dr. Smith built it in 1889, for 3.5 million. Nobody liked it at first! Is it tall?

- It is iron.
- It is grey.

Then it was “saved” by radio. 它在巴黎。很高。"""


def parts(words, text=TEXT):
    return [text[span.start : span.end] for span in spans_of(words, text)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('"Nobody liked it" is false', ["Nobody liked it"]),
        ("“nobody   LIKED it” is false", ["Nobody liked it"]),
        ("the word 'art' is wrong", []),  # stands inside other words only
        ("「很高」不对", ["很高"]),
        ('the second sentence is wrong: "1889"', ["1889"]),
        ("the third sentence is wrong", ["Nobody liked it at first!"]),
        ("sentence 2 is wrong", ["Dr. Smith built it in 1889, for 3.5 million."]),
        ("the last sentence is odd", ["很高。"]),
        ("the last two sentences are odd", ["它在巴黎。", "很高。"]),
        ("the first line", ["A title"]),
        ("the second bullet is dull", ["- It is grey."]),
        ("the 2nd paragraph", ["Dr. Smith built it in 1889, for 3.5 million. Nobody liked it at first! Is it tall?"]),
        ("I dislike the ending", ["Then it was “saved” by radio. 它在巴黎。很高。"]),
        ("the title is weak", ["A title"]),
        ("第三句不对", ["Nobody liked it at first!"]),
        ("最后一句不对", ["很高。"]),
        ("最后两句不对", ["它在巴黎。", "很高。"]),
        ("第二段太长", ["Dr. Smith built it in 1889, for 3.5 million. Nobody liked it at first! Is it tall?"]),
        ("标题不好", ["A title"]),
        ("the year 1889 is wrong", ["1889"]),
        ("Smith was no builder", ["Smith"]),
        ("radio did not save it", ["radio"]),
        ("它不在巴黎", ["在巴黎"]),
        ("the fortieth sentence", []),
        ("the twentieth century", []),
        ("it is too long", []),
        ("", []),
    ],
)
def test_the_part_that_words_speak_of(words, expected):
    assert parts(words) == expected


def test_what_stands_too_often_names_no_part():
    assert parts("the radio is bad", "radio radio radio radio") == []


def test_words_of_opinion_name_no_part():
    assert spans_of("it sounds terrible", "A terrible storm.", opinions=["terrible"]) == ()


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=60), st.data())
def test_what_is_quoted_is_found_where_it_stands(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    for place in find(text[start:end], text):
        assert (
            text[slice(*place)].lower().split() == text[start:end].strip().strip(".,;:!?。，；：！？…").lower().split()
        )


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab .!?\n。”3", max_size=60))
def test_sentences_cover_all_letters_once_and_in_order(text):
    places = sentences(text)
    assert all(first[1] <= second[0] for first, second in pairwise(places))
    inside = {at for place in places for at in range(*place)}
    assert all(at in inside for at, letter in enumerate(text) if letter in "ab")
