import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.feedback.corrections import Operation, align
from burnish.feedback.corrections import alignment as module
from burnish.feedback.corrections.words import pieces

WORDS = st.lists(st.sampled_from(["a", "b", "cc", "灯", "亮", ",", ".", "don't", "3.5", " ", "  ", "\n"]), max_size=14)
TEXTS = WORDS.map("".join)


def told(original, corrected):
    found = align(original, corrected)
    return [
        (edit.operation.value, original[edit.start : edit.end], corrected[edit.new_start : edit.new_end])
        for edit in found.changes
    ]


def levenshtein(one, other):
    """Word edit distance, by the textbook's double loop."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]


def words(text):
    return [piece.text for piece in pieces(text) if not piece.is_space]


def test_pieces_are_words_chinese_characters_marks_numbers_and_spaces():
    found = [piece.text for piece in pieces("It isn't 3.5 m,\n这盏灯 well-lit!")]
    assert found == ["It", " ", "isn't", " ", "3.5", " ", "m", ",", "\n", "这", "盏", "灯", " ", "well-lit", "!"]


def test_each_operation():
    assert told("The lamp glow.", "The lamp glows.") == [("replace", "glow", "glows")]
    assert told("The the lamp.", "The lamp.") == [("delete", "the ", "")]
    assert told("The lamp.", "The red lamp.") == [("insert", "", "red ")]
    assert told("灯很亮。", "灯非常亮。") == [("replace", "很", "非常")]
    changes = told("so the cat sat there and", "there and so the cat sat")
    assert [change for change in changes if "".join(change[1:]).strip()] == [("move", "there and", "there and")]


def test_neighbouring_changes_are_one_phrase():
    assert told("it is cheap now", "it costs 9 euros now") == [("replace", "is cheap", "costs 9 euros")]


def test_distance_counts_words_and_a_moved_block_once():
    assert align("a b c d e", "c d e a b").distance == 1
    assert align("a b c d", "a x y c d").distance == 2
    assert align("a b c d", "a x y c d").share == pytest.approx(2 / 5)
    assert align("a  b", "a b").distance == 0


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_every_character_of_both_texts_is_in_one_operation(original, corrected):
    edits = align(original, corrected).edits
    for places, text in (
        ([(edit.start, edit.end) for edit in edits], original),
        ([(edit.new_start, edit.new_end) for edit in edits], corrected),
    ):
        covered = sorted(place for place in places if place[0] < place[1])
        assert all(before[1] == after[0] for before, after in pairwise(covered))
        assert "".join(text[start:end] for start, end in covered) == text
    for edit in edits:
        if edit.operation in (Operation.KEEP, Operation.MOVE):
            assert original[edit.start : edit.end] == corrected[edit.new_start : edit.new_end]


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_no_way_is_cheaper_and_moves_only_save(original, corrected):
    found = align(original, corrected)
    least = levenshtein(words(original), words(corrected))
    if any(edit.operation is Operation.MOVE for edit in found.edits):
        assert found.distance < least
    else:
        assert found.distance == least


def test_texts_too_large_for_the_table_are_aligned_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "MOST_CELLS", 10)
    assert told("a b c d e f", "a x c d y f") == [("replace", "b", "x"), ("replace", "e", "y")]


def test_a_long_text_with_few_changes_is_aligned_as_the_table_would(monkeypatch):
    draw = random.Random(1)
    words = [f"w{'abcdefghij'[draw.randrange(10)] * draw.randrange(1, 40)}" for _ in range(900)]
    corrected = list(words)
    for at in draw.sample(range(900), 12):
        corrected[at] = "changed"
    one, other = " ".join(words), " ".join(corrected)
    exact = align(one, other)
    monkeypatch.setattr(module, "MOST_CELLS", 20_000)
    assert align(one, other) == exact
    assert exact.distance == 12


def test_long_texts_without_a_word_in_common_are_one_replacement():
    (edit,) = align("w " * 4000, "v " * 4000).changes
    assert (edit.operation, edit.cost) == (Operation.REPLACE, 4000)
