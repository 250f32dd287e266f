import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.judges.asking.quotes import find

TEXT = "The plot is thin -- but the actors\u2019 joy\nis real, and “art” wins. 剧情很好看。"


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("The plot is thin", "The plot is thin"),
        ("the PLOT", "The plot"),
        ('"actors\' joy is real"', "actors\u2019 joy\nis real"),
        ("The plot ... wins", "The plot is thin -- but the actors\u2019 joy\nis real, and “art” wins"),
        ("剧情很好", "剧情很好"),
        ("很好看", "很好看"),
    ],
)
def test_a_quote_is_found_where_it_stands(quote, found):
    span = find(quote, TEXT)
    assert TEXT[span.start : span.end] == found


@pytest.mark.parametrize(
    "quote", ["", "a", "...", '""', "the acting", "lot is", "wins ... The plot", "joy is false", "剧情不好", "\n"]
)
def test_what_the_text_does_not_say_is_not_found(quote):
    assert find(quote, TEXT) is None


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=80), st.data())
def test_every_whole_piece_of_words_is_found(text, data):
    words = text.split()
    if not words:
        return
    start = data.draw(st.integers(0, len(words) - 1))
    quote = " ".join(words[start : start + 3])
    if "..." in quote or "…" in quote or sum(map(str.isalnum, quote)) < 2 or quote[:1] in "\"'" or quote[-1:] in "\"'":
        return
    assert find(quote, text) is not None
