import pytest

from burnish.evaluation import formats


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        (None, {}, "\u2013"),
        (0.123456, {}, "0.123"),
        (12345.6, {}, "12,346"),
        (-0.5, {"digits": 2}, "\u22120.50"),
        (0.5, {"digits": 2, "signed": True}, "+0.50"),
        (-0.001, {"digits": 2, "signed": True}, "0.00"),
        (0, {}, "0"),
    ],
)
def test_number(value, options, expected):
    assert formats.number(value, **options) == expected


def test_shares_are_percentages_and_their_changes_points():
    assert formats.measure("on_topic", 0.934) == "93.4%"
    assert formats.change("on_topic", -0.021) == "\u22122.1 pts"
    assert formats.measure("gold", -1.234) == "\u22121.23"
    assert formats.interval("gold", [0.1, 0.2]) == "+0.10 to +0.20"
    assert formats.interval("win_rate", [0.5, 0.6], signed=False) == "50.0% to 60.0%"
    assert formats.interval("gold", None) == "\u2013"


@pytest.mark.parametrize(("value", "expected"), [(-1.5, "\u22121.5"), (3.0, "+3"), (0.0, "0"), (0.25, "+0.25")])
def test_short(value, expected):
    assert formats.short(value) == expected
