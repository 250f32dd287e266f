import pytest

from burnish import judges
from burnish.errors import InputError


def test_a_file_is_a_way_to_ask():
    assert judges.names() == ["adaptive", "comparison", "constitution", "panel", "rating", "rubric"]
    assert judges.load("rating").Rating
    with pytest.raises(InputError, match="Did you mean 'rating'"):
        judges.load("ratng")
