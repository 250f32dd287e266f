"""What differs between two texts: both sides are whole, and say what became of each part."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.studio.worddiff import MOST_CHARACTERS, Part, difference

TEXTS = st.text("ab cd，好。", max_size=30)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_the_parts_of_each_side_are_its_text(old: str, new: str) -> None:
    found = difference(old, new)
    assert found is not None
    assert "".join(part.text for part in found.old) == old
    assert "".join(part.text for part in found.new) == new
    assert [part.text for part in found.both if part.change == "keep"] == [
        part.text for part in found.old if part.change == "keep"
    ]


def test_a_changed_word_stands_beside_what_it_was() -> None:
    found = difference("the cat sat", "the dog sat")
    assert found is not None
    assert found.both == (Part("keep", "the "), Part("out", "cat"), Part("in", "dog"), Part("keep", " sat"))
    assert (found.words, round(found.share, 2)) == (1, 0.33)


def test_texts_that_would_keep_somebody_waiting_are_not_compared() -> None:
    assert difference("a " * MOST_CHARACTERS, "b") is None
