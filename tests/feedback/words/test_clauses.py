from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.words.clauses import MOST_WORDS, clauses
from burnish.feedback.words.lexicon import own


def parts(text):
    words = own().cut(text)
    return [(" ".join(word.text for word in words[c.first : c.last]), c.weight) for c in clauses(text, words)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is short, but it is wrong.", [("it is short", 0.5), ("it is wrong", 1.5)]),
        ("Although it is short, it is wrong.", [("it is short", 0.5), ("it is wrong", 1.5)]),
        ("It is wrong, although it is short.", [("it is wrong", 1.5), ("it is short", 0.5)]),
        ("It is wrong despite the nice tone.", [("it is wrong", 1.5), ("the nice tone", 0.5)]),
        ("It is short. However, it is wrong.", [("it is short", 0.5), ("it is wrong", 1.5)]),
        ("One. Two. However, three.", [("one", 1.0), ("two", 0.5), ("three", 1.5)]),
        ("It is short and it is wrong.", [("it is short", 1.0), ("it is wrong", 1.0)]),
        ("It is short and wrong.", [("it is short and wrong", 1.0)]),
        ("It is nothing but good.", [("it is nothing but good", 1.0)]),
        ("It is not there yet.", [("it is not there yet", 1.0)]),
        ("But it is wrong.", [("it is wrong", 1.0)]),  # nothing stands before it
        ("Smooth, yet wrong", [("smooth", 0.5), ("wrong", 1.5)]),
        ("I read it while eating.", [("i read it while eating", 1.0)]),
        ("虽然很长，但是正确。", [("很 长", 0.25), ("正确", 2.25)]),
        ("语言优美，却没用。", [("语言 优美", 0.5), ("没用", 1.5)]),
        ("Nice :-) but wrong ;-)", [("nice :-)", 0.5), ("wrong ;-)", 1.5)]),
        ("one\ntwo", [("one", 1.0), ("two", 1.0)]),
        ("a well-known state - and more", [("a well - known state", 1.0), ("and more", 1.0)]),
        ("", []),
        ("...", []),
    ],
)
def test_clauses_and_what_outweighs_what(text, expected):
    found = parts(text)
    assert [words for words, _ in found] == [words for words, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


def test_a_text_without_marks_is_cut():
    found = clauses("good " * 200, own().cut("good " * 200))
    assert [clause.last - clause.first for clause in found] == [MOST_WORDS] * 3 + [20]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "it",
                "is",
                "good",
                "but",
                "although",
                "however",
                "and",
                ",",
                ".",
                "?",
                "\n",
                "(",
                ")",
                "-",
                "但",
                "虽然",
                "好",
                "。",
            ]
        ),
        max_size=14,
    )
)
def test_no_two_clauses_share_a_word_and_every_weight_is_above_zero(pieces):
    text = " ".join(pieces)
    found = clauses(text, own().cut(text))
    assert all(first.last <= second.first for first, second in pairwise(found))
    assert all(clause.first < clause.last and clause.weight > 0 for clause in found)
