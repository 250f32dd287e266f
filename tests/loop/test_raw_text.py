"""A text file in pieces: at paragraphs where it has them, none longer than was said, nothing lost."""

import pytest

from burnish.errors import InputError
from burnish.loop import raw_text
from burnish.records import FinishReason


def pieces(tmp_path, text, characters):
    (tmp_path / "a.txt").write_text(text, "utf-8")
    return [each.completion for each in raw_text.demonstrations(tmp_path / "a.txt", characters)]


def test_short_paragraphs_are_joined_and_every_piece_ends_where_one_does(tmp_path):
    found = pieces(tmp_path, "one two\n\n\n\nthree\n\n" + "four\n\n" * 3, 14)
    assert [each.text for each in found] == ["one two\n\nthree", "four\n\nfour", "four"]
    assert {each.finish_reason for each in found} == {FinishReason.GIVEN}


def test_one_long_line_is_cut_at_words_and_goes_on_until_its_last_piece(tmp_path):
    text = "word " * 100
    found = pieces(tmp_path, text, 48)
    assert "".join(each.text for each in found) == text
    assert max(len(each.text) for each in found) <= 48
    assert [each.finish_reason for each in found[-2:]] == [FinishReason.LENGTH, FinishReason.GIVEN]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \n\n \n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "byte 0 is not UTF-8"),
        (b"text\0text", "byte 4 is 0, so this is no text"),
    ],
)
def test_what_is_no_text_is_refused(content, said, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        raw_text.demonstrations(tmp_path / "a.txt")


def test_a_mark_before_the_text_and_windows_line_ends_are_no_part_of_it(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo")
    assert [each.completion.text for each in raw_text.demonstrations(tmp_path / "a.txt", 4)] == ["one", "two"]
