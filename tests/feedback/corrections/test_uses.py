from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.corrections import adjacent, align, graded, marks, steps, token_weights
from burnish.records import Span

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "灯", "亮", ",", ".", " "]), max_size=14).map("".join)


def test_marks_lie_on_the_changed_words_of_either_text():
    found = align("The lamp glow.", "The red lamp glows.")
    assert marks(found) == (Span(9, 13, "replace", -1.0, "glows"),)
    assert marks(found, "corrected") == (Span(4, 8, "insert", 1.0, ""), Span(13, 18, "replace", 1.0, "glow"))


def test_tokens_of_changed_words_weigh_more():
    found = align("The lamp glow.", "The lamp glows.")
    offsets = [(0, 3), (3, 8), (8, 11), (11, 14), (14, 15)]  # The| lamp| gl|ows|.
    assert token_weights(found, offsets, "corrected") == [0.1, 0.1, 1.0, 1.0, 0.1]
    assert token_weights(found, [(0, 8), (8, 14)], "original", changed=2.0, kept=0.0) == [0.0, 2.0]


def test_the_grade_is_what_stayed_by_words_and_by_meaning():
    vectors = {"good lamp": [1.0, 0.0], "fine lamp": [0.8, 0.6]}
    grade = graded("good lamp", "fine lamp", embed=lambda texts: [vectors[text] for text in texts])
    assert (grade.by_words, grade.by_meaning) == (pytest.approx(0.5), pytest.approx(0.8))
    assert grade.value == pytest.approx(0.65)
    assert graded("good lamp", "fine lamp").value == pytest.approx(0.5)


def test_opposite_vectors_are_no_negative_grade():
    assert graded("a", "b", embed=lambda texts: [[1.0], [-1.0]]).by_meaning == 0


def test_a_correction_one_change_at_a_time():
    chain = steps(align("It glow and it hum.", "It glows and it hums."))
    assert chain == ["It glow and it hum.", "It glows and it hum.", "It glows and it hums."]
    assert adjacent(chain) == [(chain[1], chain[0]), (chain[2], chain[1])]


def test_a_moved_block_is_one_step_that_loses_no_words():
    chain = steps(align("so the cat sat there and", "there and so the cat sat"))
    assert all(sorted(text.split()) == sorted(chain[0].split()) for text in chain)


@settings(max_examples=150, deadline=None)
@given(WORDS, WORDS)
def test_steps_lead_from_the_original_to_the_corrected_text(original, corrected):
    chain = steps(align(original, corrected))
    assert (chain[0], chain[-1]) == (original, corrected)
    assert all(before != after for before, after in pairwise(chain))
