"""The figures of the report: one style, one accent colour, labels beside what they name.

Every function returns a matplotlib Figure, made without pyplot and without global state; `svg.py` turns it into files
and into markup whose colours follow the page. Figures are small and single, so that a phone shows them readable and a
wide page sets them side by side.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.evaluation import formats
from burnish.evaluation.compare import Level
from burnish.evaluation.reward_card import Calibration, RewardCard, Spread
from burnish.evaluation.side_by_side import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, MUTED, RULE = "#fdfcfb", "#22201d", "#6b665f", "#d8d3cb"
FAINT, ACCENT, SOFT = "#aaa49b", "#a4460d", "#dfae8c"
COLOURS: Mapping[str, str] = {
    PAPER: "paper",
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    FAINT: "faint",
    ACCENT: "accent",
    SOFT: "soft",
}
"""Colour in the files and the name of the page's variable that takes its place in the page."""

STYLE: Mapping[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "burnish",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Hold the figures' style while the block runs, and nothing of the user's own settings."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(dict(STYLE))
        yield


def asked_rated(
    levels: Sequence[Level], title: str, *, is_after: bool, bounds: tuple[float, float], say: Any
) -> Figure:
    """Ratings by what was asked: a dot a text, the mean with its interval a level, and the line of exactly as asked."""
    figure, axes = new_figure(4.5, 4.0)
    low, high = bounds
    asked = [level.asked for level in levels]
    gap = min((b - a for a, b in itertools.pairwise(asked)), default=(high - low) / 4)
    rng = np.random.default_rng(0)  # only spreads the dots sideways
    ends = np.array([min(asked), max(asked)])
    axes.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for level in levels:
        across = level.asked + rng.uniform(-0.26, 0.26, len(level.ratings)) * gap
        colour = SOFT if is_after else FAINT
        axes.plot(across, level.ratings, "o", color=colour, markersize=2.6, alpha=0.55, markeredgewidth=0, zorder=2)
    colour = ACCENT if is_after else INK
    axes.plot(asked, [level.mean for level in levels], color=colour, linewidth=1.2, zorder=3)
    for level in levels:
        if level.interval is not None:
            ends_y = [level.interval.low, level.interval.high]
            axes.plot([level.asked] * 2, ends_y, color=colour, linewidth=3.2, zorder=4)
        axes.plot([level.asked], [level.mean], "o", color=colour, markersize=6, zorder=5)
    behind = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
    label: dict[str, Any] = {"ha": "left", "va": "top", "color": MUTED, "fontsize": 9, "bbox": behind, "zorder": 6}
    axes.text(ends[0] + 0.32 * gap, ends[0] + 0.1 * gap, say["pic_ideal"], **label)
    pad = 0.04 * (high - low)
    axes.set(xlim=(min(asked) - 0.55 * gap, max(asked) + 0.55 * gap), ylim=(low - pad, high + pad))
    axes.set_xticks(asked, [f"{_folded(level.words)}\n{formats.short(level.asked)}" for level in levels])
    axes.set(xlabel=say["pic_asked"], ylabel=say["pic_rated"])
    axes.set_title(title, color=colour)
    return figure


def over_optimisation(curve: Sequence[Mapping[str, Any]], say: Any) -> Figure:
    """Gold and proxy against the square root of KL, with intervals: where they part, the reward model is exploited."""
    figure, axes = new_figure(5.0, 3.6)
    ends: list[tuple[float, float, str, str]] = []
    for key, colour, dashes in (("proxy", MUTED, (0, (5, 2))), ("gold", ACCENT, "-")):
        points = [p for p in curve if p.get("kl_nats") is not None and p.get(key) is not None]
        if not points:
            continue
        x = np.sqrt(np.maximum(0, [p["kl_nats"] for p in points]))
        y = np.array([float(p[key]) for p in points])
        bands = [p.get(f"{key}_ci95") or (math.nan, math.nan) for p in points]
        axes.fill_between(x, *np.array(bands).T, color=colour, alpha=0.14, linewidth=0)
        axes.plot(x, y, color=colour, linestyle=dashes, marker="o", markersize=4.5)
        ends.append((x[-1], y[-1], say[f"pic_{key}"], colour))
    axes.set(xlabel=say["pic_kl"], ylabel=say["pic_score"])
    axes.margins(x=0.02)
    _label_ends(axes, ends)
    _ticks(axes, x=6)
    return figure


def training_curve(
    steps: Sequence[float], values: Sequence[float], name: str, *, window: int, budget: float | None, say: Any
) -> Figure:
    """One measure over the steps, and its running mean."""
    figure, axes = new_figure(2.9, 2.15)
    axes.plot(steps, values, "o", color=FAINT, markersize=2.8, markeredgewidth=0)
    axes.plot(steps, running_mean(values, window), color=ACCENT)
    if budget is not None:
        axes.axhline(budget, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        place: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "color": MUTED, "fontsize": 8.5}
        axes.annotate(say["pic_budget"], (min(steps), budget), **place)
    axes.set_title(name)
    axes.set_xlabel(say["pic_step"])
    _ticks(axes, x=5, y=4, whole=True)
    return figure


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last `window` values up to each place; of fewer at the start."""
    return [float(np.mean(values[max(0, end - window) : end])) for end in range(1, len(values) + 1)]


def accuracy_bars(card: RewardCard, say: Any) -> Figure:
    """Pair accuracies as bars that start where guessing stands, with intervals; the reward model in the accent."""
    rows = [
        (name, found, {"ours": ACCENT, "people": MUTED, "other": SOFT}.get(kind, FAINT))
        for name, found, kind in accuracy_rows(card, say)
    ]
    figure, axes = new_figure(5.0, 0.85 + 0.42 * len(rows))
    for place, (_, found, colour) in enumerate(rows):
        fill: dict[str, Any] = {"color": colour, "linewidth": 0}
        if colour == MUTED:
            fill = {"facecolor": "none", "edgecolor": MUTED}
        axes.barh(place, found.accuracy - 0.5, left=0.5, height=0.62, **fill)
        axes.plot([found.low, found.high], [place, place], color=INK, linewidth=1.2)
        at = max(found.high, found.accuracy) + 0.008
        bold = "bold" if colour == ACCENT else "normal"
        axes.text(at, place, formats.percent(found.accuracy), va="center", fontsize=9, color=INK, fontweight=bold)
    axes.set_yticks(range(len(rows)), [_folded(name, 34) for name, _, _ in rows], multialignment="right")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.invert_yaxis()
    lowest = min([0.5, *(found.low for _, found, _ in rows)])
    axes.set_xlim(lowest, max(0.9, *(found.high + 0.08 for _, found, _ in rows)))
    axes.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9], [f"50%\n{say['pic_chance']}", "60%", "70%", "80%", "90%"])
    axes.spines["left"].set_visible(False)
    axes.axvline(0.5, color=MUTED, linewidth=1)
    axes.set_title(say["pic_accuracy"])
    return figure


def accuracy_rows(card: RewardCard, say: Any) -> list[tuple[str, Any, str]]:
    """Return (name, PairAccuracy, kind) of everything whose accuracy was measured, the reward model first."""
    rows = [(say["pic_reward_model"], card.accuracy, "ours")] if card.accuracy else []
    best_first = sorted(card.baselines.items(), key=lambda item: -item[1].accuracy)
    rows += [(name, found, "baseline") for name, found in best_first]
    if card.one_person is not None:
        rows.append((say["pic_one_person"], card.one_person, "people"))
    rows += [(say["pic_other_domain"].format(name=name), found, "other") for name, found in card.other_domains.items()]
    return rows


def calibration_curve(found: Calibration, say: Any) -> Figure:
    """Observed against predicted share of people, a dot for each bin of equally many pairs."""
    figure, axes = new_figure(4.1, 3.7)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(found.predicted, found.observed, color=ACCENT, marker="o", markersize=5, linewidth=1.2)
    axes.text(0.6, 0.5, say["pic_perfect"], ha="center", va="center", color=MUTED, fontsize=9, rotation=45)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.set(xlabel=say["pic_predicted"], ylabel=say["pic_observed"])
    axes.set_title(say["pic_calibration"].format(error=formats.number(found.error, 3)))
    return figure


def spread_curve(found: Spread, say: Any) -> Figure:
    """Mean error against the heads' spread: rising means that the reward model knows where it is unsure."""
    figure, axes = new_figure(4.1, 3.7)
    axes.plot(found.spread, found.error, color=ACCENT, marker="o", markersize=5, linewidth=1.2)
    axes.set_ylim(0, max(found.error) * 1.15)
    axes.set(xlabel=say["pic_spread"], ylabel=say["pic_error"])
    axes.set_title(say["pic_spread_title"].format(r=formats.number(found.correlation, 2)))
    return figure


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure with its axes, in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Name lines beside their last points, apart from each other where the points nearly meet."""
    bottom, top = axes.get_ylim()
    middle = sum(y for _, y, _, _ in ends) / max(1, len(ends))
    close = len(ends) > 1 and max(y for _, y, _, _ in ends) - min(y for _, y, _, _ in ends) < 0.07 * (top - bottom)
    for place, (x, y, text, colour) in enumerate(ends):
        above = y > middle or (y == middle and place == 0)
        shift = (7 if above else -7) if close else 0
        how: dict[str, Any] = {"xytext": (9, shift), "textcoords": "offset points", "va": "center", "color": colour}
        axes.annotate(text, (x, y), annotation_clip=False, **how)


def _folded(text: str, width: int = 10) -> str:
    """Words of an axis label, on as many lines as keep it narrow."""
    whole = visible(text)
    return "\n".join(textwrap.wrap(whole, width, break_long_words=False)) or whole


def _ticks(axes: Axes, *, x: int, y: int | None = None, whole: bool = False) -> None:
    """At most so many ticks; whole numbers across where asked."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=x, integer=whole))
    if y is not None:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=y))
