"""Any text goes in and comes back; what is frequent becomes one token."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.models.small import tokenizer as tokenizers

LEARNED = tokenizers.learn(["the good lamp and the good rose"] * 5, vocabulary=280, special=["<|good|>"])


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=30))
def test_any_text_comes_back(text):
    assert LEARNED.decode(LEARNED.encode(text).ids, skip_special_tokens=False) == text


def test_frequent_words_are_one_token_and_there_are_no_more_than_asked_for():
    assert len(LEARNED.encode(" the").ids) == 1
    assert len(LEARNED.encode("xyzzy").ids) == 5
    assert 270 < LEARNED.get_vocab_size() <= 280
    assert [LEARNED.token_to_id(token) for token in ("<|im_start|>", "<|im_end|>", "<|pad|>", "<|good|>")] == [
        0,
        1,
        2,
        3,
    ]
