import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.feedback import fields


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (fields.number, True, "x: true is not a number"),
        (fields.number, "4", "x: '4' is not a number. Remove the quotes."),
        (fields.number, None, "x: null is not a number"),
        (fields.number, float("inf"), "x: inf is not a finite number"),
        (fields.number, float("nan"), "x: nan is not a finite number"),
        (fields.number, 10**30, r"x: beyond 2\^53"),
        (fields.number, [4], r"x: \[4\] is not a number"),
        (fields.claim, 1, "x: 1 is not true or false"),
        (fields.claim, "true", "x: 'true' is not true or false"),
        (fields.text, "", "x: empty"),
        (fields.text, " \n", "x: empty"),
        (fields.text, 3, "x: 3 is not text"),
        (fields.characters, ["a"], r"x: \['a'\] is not text"),
        (fields.name, "a" * 257, "x: 257 characters, at most 256"),
        (fields.items, "a", "x: 'a' is not a list"),
        (fields.mapping, [1], r"x: \[1\] is not an object"),
        (fields.moment, "yesterday", "x: 'yesterday' is not an RFC 3339 time"),
        (fields.moment, "2026-01-31", "not an RFC 3339 time"),
        (fields.moment, "2026-01-31T12:00:00", "not an RFC 3339 time"),
        (fields.moment, "2026-13-31T12:00:00Z", "not an RFC 3339 time"),
        (fields.moment, "2999-01-31T12:00:00Z", "is in the future"),
        (fields.moment, 17, "x: 17 is not an RFC 3339 time"),
    ],
)
def test_wrong_values_are_named_with_what_was_expected(read, value, said):
    with pytest.raises(InputError, match=said):
        read(value, "x")


def test_whole_numbers_have_one_content_and_no_minus_zero():
    assert repr(fields.number(4.0, "x")) == "4"
    assert repr(fields.number(-0.0, "x")) == "0"
    assert repr(fields.number(3.5, "x")) == "3.5"
    assert fields.whole(2.0, "x", 1, 3) == 2
    for wrong in (0, 4, 1.5, True, "2"):
        with pytest.raises(InputError):
            fields.whole(wrong, "x", 1, 3)


def test_time_is_utc_and_a_utc_time_stays_as_it_is_written():
    assert fields.moment("2026-01-31T12:00:00+02:00", "x") == "2026-01-31T10:00:00Z"
    assert fields.moment("2026-01-31T12:00:00Z", "x") == "2026-01-31T12:00:00Z"
    assert fields.moment("2026-01-31T12:00:00+00:00", "x") == "2026-01-31T12:00:00+00:00"
    assert fields.moment("2026-01-31t12:00:00.5-01:00", "x") == "2026-01-31T13:00:00.500000Z"


def test_clocks_may_differ_a_little():
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    assert fields.moment(soon, "x") == soon
    later = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    with pytest.raises(InputError, match=re.escape(later)):
        fields.moment(later, "x")


@settings(max_examples=60, deadline=None)
@given(
    value=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3))
)
def test_any_value_is_shown_in_one_short_line(value):
    text = fields.shown(value)
    assert len(text) <= 60
    assert "\n" not in text


def test_what_cannot_be_printed_is_shown_by_its_type():
    assert fields.shown(10**5000) == "a int"


def test_a_missing_field_is_named():
    with pytest.raises(InputError, match="scale: missing, but a rating needs it"):
        fields.needed({"rating": 4, "scale": None}, "scale", "rating")
