"""Pictures as SVG markup for the dashboards: drawn here, coloured by the page's style sheet.

Nothing carries a style of its own (the content policy forbids it): shapes have classes that `static/results.css` knows,
so that a picture follows light and dark and the page's letters. A picture is as wide as a phone and grows with its
column; every text in it is escaped, and what it shows is also said in words (`alt`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from markupsafe import Markup, escape

from burnish.evaluation import formats

Point: TypeAlias = tuple[float, float]
Range: TypeAlias = tuple[float, float]

WIDTH = 360
"""Width of a picture's own coordinates: one unit is about one pixel on a phone."""
MOST_DOTS = 800
"""Dots of a scatter; more say no more and weigh a page down."""
_LETTER = 6.2  # width of a letter or digit at 11 units, for the room that labels need


@dataclass
class Plot:
    """A picture with two axes, being drawn. Coordinates are the data's own."""

    x: Range
    y: Range
    height: int = 190
    left: int = 44
    bottom: int = 36
    top: int = 14
    right: int = 14
    parts: list[Markup] = field(default_factory=list)

    def at(self, x: float, y: float) -> Point:
        """Where a point of the data lies in the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        wide, high = WIDTH - self.left - self.right, self.height - self.top - self.bottom
        return round(self.left + across * wide, 1), round(self.height - self.bottom - up * high, 1)

    def x_axis(self, ticks: Iterable[tuple[float, str]], label: str = "") -> None:
        """Draw the line at the bottom with its marks, and what it measures below."""
        bottom = self.height - self.bottom
        self.parts.append(_line(self.left, bottom, WIDTH - self.right, bottom, "axis"))
        for value, words in ticks:
            place = self.at(value, self.y[0])[0]
            self.parts.append(_line(place, bottom, place, bottom + 4, "axis"))
            self.parts.append(_text(place, bottom + 15, words, "tick", "middle"))
        if label:
            self.parts.append(_text(WIDTH - self.right, self.height - 3, label, "label", "end"))

    def y_axis(self, ticks: Iterable[tuple[float, str]], label: str = "") -> None:
        """Draw faint lines across at the marks, and what they measure above. Comes first: the label needs room."""
        self.top = 26 if label else self.top
        for value, words in ticks:
            place = self.at(self.x[0], value)[1]
            self.parts.append(_line(self.left, place, WIDTH - self.right, place, "grid"))
            self.parts.append(_text(self.left - 6, place + 4, words, "tick", "end"))
        if label:
            self.parts.append(_text(2, 10, label, "label", "start"))

    def rule(self, value: float, words: str) -> None:
        """Draw a dashed line across with its name."""
        place = self.at(self.x[0], value)[1]
        self.parts.append(_line(self.left, place, WIDTH - self.right, place, "rule"))
        self.parts.append(_text(WIDTH - self.right, place - 4, words, "label", "end"))

    def line(self, points: Sequence[Point], kind: str = "line") -> None:
        """Draw a line through the points."""
        path = " ".join(f"{'L' if number else 'M'}{_xy(self.at(*point))}" for number, point in enumerate(points))
        self.parts.append(Markup('<path class="{}" d="{}"/>').format(kind, path))

    def band(self, lows: Sequence[Point], highs: Sequence[Point]) -> None:
        """Fill what lies between two lines."""
        around = [*lows, *reversed(highs)]
        path = " ".join(f"{'L' if number else 'M'}{_xy(self.at(*point))}" for number, point in enumerate(around))
        self.parts.append(Markup('<path class="band" d="{}Z"/>').format(path))

    def dots(self, points: Iterable[Point], kind: str = "dot", radius: float = 3) -> None:
        """Draw a dot a point."""
        for point in points:
            x, y = self.at(*point)
            self.parts.append(Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(kind, x, y, radius))

    def bar(self, x: Range, height: float, kind: str = "bar") -> None:
        """Draw a bar from the bottom."""
        (left, bottom), (right, top) = self.at(x[0], self.y[0]), self.at(x[1], height)
        shape = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
        self.parts.append(shape.format(kind, left, top, max(0.5, round(right - left - 1, 1)), round(bottom - top, 1)))

    def whisker(self, x: float, low: float, high: float) -> None:
        """Draw an interval upright."""
        (place, bottom), (_, top) = self.at(x, low), self.at(x, high)
        self.parts.append(_line(place, bottom, place, top, "whisker"))

    def markup(self, alt: str) -> Markup:
        """Return the finished picture."""
        return _svg(WIDTH, self.height, alt, self.parts)


# ---------------------------------------------------------------------------------------------------------- whole ones


def interval(value: float, low: float, high: float, bounds: Range, alt: str, *, mark: float | None = None) -> Markup:
    """Return a small picture for a table's cell: a dot on its interval between two bounds, and a mark to compare with.

    What lies outside the bounds is drawn at their edge.
    """

    def place(number: float) -> float:
        share = (min(max(number, bounds[0]), bounds[1]) - bounds[0]) / (bounds[1] - bounds[0])
        return round(6 + share * 148, 1)

    parts = [_line(6, 10, 154, 10, "grid")]
    if mark is not None:
        parts.append(_line(place(mark), 2, place(mark), 18, "rule"))
    parts.append(_line(place(low), 10, place(high), 10, "whisker"))
    parts.append(Markup('<circle class="dot" cx="{}" cy="10" r="4.5"/>').format(place(value)))
    return _svg(160, 20, alt, parts, kind="inline")


def share_bar(share: float, low: float, high: float, most: float, alt: str) -> Markup:
    """Return a small bar with its interval, for a table's cell; `most` fills the cell."""
    wide = [round(152 * min(1.0, each / most), 1) for each in (share, low, high)]
    bar = Markup('<rect class="bar" x="2" y="4" width="{}" height="12"/>').format(max(1.0, wide[0]))
    track = Markup('<rect class="track" x="2" y="4" width="152" height="12"/>')
    return _svg(160, 20, alt, [track, bar, _line(2 + wide[1], 10, 2 + wide[2], 10, "whisker")], kind="inline")


def bars(heights: Sequence[float], ticks: Sequence[tuple[float, str]], label: str, alt: str) -> Markup:
    """Return a picture of counts side by side; ticks name places of the sequence."""
    plot = Plot((0, len(heights)), (0, max(1.0, *heights)))
    plot.y_axis(ticks_of(plot.y, 4, whole=True), label)
    for place, height in enumerate(heights):
        if height:
            plot.bar((place, place + 1), height)
    plot.x_axis(ticks)
    return plot.markup(alt)


def with_intervals(
    rows: Sequence[tuple[float, float, float]],
    ticks: Sequence[tuple[float, str]],
    bounds: Range,
    alt: str,
    *,
    rules: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Return (value, low, high) one after another, joined by a line; dashed lines across to compare with."""
    plot = Plot((-0.5, len(rows) - 0.5), bounds)
    plot.y_axis(ticks_of(bounds, 4))
    for value, words in rules:
        plot.rule(value, words)
    for place, (_, low, high) in enumerate(rows):
        plot.whisker(place, low, high)
    plot.line([(place, value) for place, (value, _, _) in enumerate(rows)])
    plot.dots([(place, value) for place, (value, _, _) in enumerate(rows)], radius=4)
    plot.x_axis(ticks)
    return plot.markup(alt)


def curve(
    points: Sequence[Point], smooth: Sequence[float], label: str, alt: str, *, budget: tuple[float, str] | None = None
) -> Markup:
    """Return one measure by step: a dot a step, a line through the running mean, and the budget where there is one."""
    values = [y for _, y in points] + ([budget[0]] if budget else [])
    plot = Plot((points[0][0], max(points[-1][0], points[0][0] + 1)), room(values), height=170)
    plot.y_axis(ticks_of(plot.y, 4))
    if budget:
        plot.rule(*budget)
    plot.dots(points[-MOST_DOTS:], "faint", 2)
    plot.line([(x, y) for (x, _), y in zip(points, smooth, strict=True)])
    plot.x_axis(ticks_of(plot.x, 5, whole=True), label)
    return plot.markup(alt)


def scatter(points: Sequence[Point], labels: tuple[str, str], alt: str, *, diagonal: bool = False) -> Markup:
    """Return a cloud of dots with both axes named; `diagonal` draws the line on which both are equal."""
    shown = points if len(points) <= MOST_DOTS else points[:: math.ceil(len(points) / MOST_DOTS)]
    plot = Plot(room([x for x, _ in points]), room([y for _, y in points]), height=260)
    plot.y_axis(ticks_of(plot.y, 5), labels[1])
    if diagonal:
        low, high = max(plot.x[0], plot.y[0]), min(plot.x[1], plot.y[1])
        plot.line([(low, low), (high, high)], "rule")
    plot.dots(shown, "cloud", 2.6)
    plot.x_axis(ticks_of(plot.x, 5), labels[0])
    return plot.markup(alt)


def calibration(
    predicted: Sequence[float],
    observed: Sequence[float],
    labels: tuple[str, str],
    alt: str,
    intervals: Sequence[tuple[float, float]] = (),
) -> Markup:
    """Return observed against predicted shares, both from 0 to 1, with the line of perfect honesty.

    intervals: of the observed shares, where they are known.
    """
    plot = Plot((0, 1), (0, 1), height=300)
    quarters = [(each / 4, formats.percent(each / 4, 0)) for each in range(5)]
    plot.y_axis(quarters, labels[1])
    plot.line([(0, 0), (1, 1)], "rule")
    for place, (low, high) in zip(predicted, intervals, strict=False):
        plot.whisker(place, low, high)
    points = list(zip(predicted, observed, strict=True))
    plot.line(points)
    plot.dots(points, radius=4)
    plot.x_axis(quarters, labels[0])
    return plot.markup(alt)


def compared(curves: Sequence[tuple[str, Sequence[tuple[float, float, float, float]]]], label: str, alt: str) -> Markup:
    """Return several named lines of (x, value, low, high), with their intervals as bands; the first is the main one."""
    every = [row for _, rows in curves for row in rows]
    plot = Plot(room([row[0] for row in every], share=0), room([y for row in every for y in row[1:]]), height=230)
    plot.right = 14 + round(_LETTER * max(len(name) for name, _ in curves))
    plot.y_axis(ticks_of(plot.y, 5))
    for place, (_, rows) in enumerate(curves):
        if not place:
            plot.band([(x, low) for x, _, low, _ in rows], [(x, high) for x, _, _, high in rows])
        plot.line([(x, value) for x, value, _, _ in rows], "second" if place else "line")
        plot.dots([(x, value) for x, value, _, _ in rows], "faint" if place else "dot", 3.5)
    ends = _apart([plot.at(*rows[-1][:2]) for _, rows in curves])
    for (name, _), (x, y) in zip(curves, ends, strict=True):
        plot.parts.append(_text(x + 7, y + 4, name, "label", "start"))
    plot.x_axis(ticks_of(plot.x, 5), label)
    return plot.markup(alt)


# ---------------------------------------------------------------------------------------------------------- small parts


def ticks_of(bounds: Range, most: int, *, whole: bool = False) -> list[tuple[float, str]]:
    """Return at most about `most` round numbers between two bounds, with their words."""
    span = bounds[1] - bounds[0]
    rough = span / max(1, most) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough)
    step = max(1.0, float(math.ceil(step))) if whole else step
    places = (
        0 if step >= 1 and step == int(step) else max(0, -math.floor(math.log10(step) + 1e-9)) + (step == 2.5 * power)
    )
    first = math.ceil(bounds[0] / step - 1e-9)
    count = math.floor(bounds[1] / step + 1e-9) - first + 1
    return [((first + n) * step, formats.number((first + n) * step, places)) for n in range(count)]


def room(values: Sequence[float], share: float = 0.06) -> Range:
    """Return bounds around the values with a little room; of one value, or none, a span of one."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return low - 0.5, high + 0.5
    return low - share * (high - low), high + share * (high - low)


def _apart(places: Sequence[Point], least: float = 13) -> list[Point]:
    """Names at the ends of lines, moved so that none covers another."""
    order = sorted(range(len(places)), key=lambda each: places[each][1])
    moved = list(places)
    for above, below in pairwise(order):
        if moved[below][1] - moved[above][1] < least:
            moved[below] = moved[below][0], moved[above][1] + least
    return moved


def _svg(width: int, height: int, alt: str, parts: Sequence[Markup], kind: str = "picture") -> Markup:
    opening = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(kind, width, height, alt)
    return opening + Markup("").join(parts) + Markup("</svg>")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> Markup:
    shape = Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>')
    return shape.format(kind, x, y, anchor, escape(words))


def _xy(place: Point) -> str:
    return f"{place[0]} {place[1]}"
