"""Pictures: what they show stands in the markup, nothing in them runs or carries a style."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from burnish.studio import figures

HOSTILE = '"><script>alert(1)</script>&'
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def drawn() -> list[Markup]:
    """One of each kind, with a hostile text wherever a text may stand."""
    rows = [(0.2, 0.1, 0.3), (0.4, 0.2, 0.6)]
    points = [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]
    return [
        figures.interval(0.5, 0.4, 0.6, (0, 1), HOSTILE, mark=0.5),
        figures.share_bar(0.5, 0.4, 0.6, 1, HOSTILE),
        figures.bars([3, 0, 5], [(0.5, HOSTILE)], HOSTILE, HOSTILE),
        figures.with_intervals(rows, [(0, HOSTILE)], (0, 1), HOSTILE, rules=[(0.8, HOSTILE)]),
        figures.curve(points, [1, 2, 2], HOSTILE, HOSTILE, budget=(2.5, HOSTILE)),
        figures.scatter(points, (HOSTILE, HOSTILE), HOSTILE, diagonal=True),
        figures.calibration([0.1, 0.9], [0.2, 0.8], (HOSTILE, HOSTILE), HOSTILE),
        figures.compared(
            [(HOSTILE, [(0, 1, 0.5, 1.5), (1, 2, 1, 3)]), ("b", [(0, 1, 1, 1), (1, 2, 2, 2)])], "x", HOSTILE
        ),
    ]


@pytest.mark.parametrize("markup", drawn())
def test_a_picture_is_whole_named_and_harmless(markup: Markup) -> None:
    root = ET.fromstring(str(markup))
    assert root.get("role") == "img"
    assert root.get("aria-label") == HOSTILE
    found = list(root.iter())
    assert not {each.tag for each in found} & {"script", "style", "a", "image", "foreignObject"}
    assert not any(name == "style" or name.startswith("on") for each in found for name in each.attrib)


def numbers(markup: Markup, tag: str, name: str) -> list[float]:
    return [float(each.attrib[name]) for each in ET.fromstring(str(markup)).iter(tag)]


def test_higher_lies_higher_and_later_lies_to_the_right() -> None:
    markup = figures.scatter([(0, 0), (1, 2), (2, 4)], ("x", "y"), "alt")
    across, down = numbers(markup, "circle", "cx"), numbers(markup, "circle", "cy")
    assert across == sorted(across)
    assert down == sorted(down, reverse=True)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted))
@settings(max_examples=30, deadline=None)
def test_an_interval_stays_in_its_cell(values: list[float]) -> None:
    low, value, high = values
    markup = figures.interval(value, low, high, (-1, 1), "alt", mark=0)
    assert all(0 <= place <= 160 for place in numbers(markup, "line", "x1") + numbers(markup, "circle", "cx"))


@given(NUMBERS, st.floats(1e-3, 1e6), st.integers(2, 8))
@settings(max_examples=60, deadline=None)
def test_ticks_are_few_round_and_within(low: float, span: float, most: int) -> None:
    ticks = figures.ticks_of((low, low + span), most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * span <= value <= low + span + 1e-6 * span for value, _ in ticks)
    words = [text for _, text in ticks]
    assert len(set(words)) == len(words)


def test_a_great_cloud_is_thinned() -> None:
    markup = figures.scatter([(float(n), float(n % 7)) for n in range(10_000)], ("x", "y"), "alt")
    assert len(re.findall("<circle", markup)) <= figures.MOST_DOTS
