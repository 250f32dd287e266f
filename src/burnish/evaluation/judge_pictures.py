"""The picture of what judges' probabilities are worth: what a judge told, against how often people say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from burnish.evaluation.judge_card import JudgeCard
from burnish.evaluation.pictures import ACCENT, COLOURS, FAINT, INK, MUTED, new_figure, style
from burnish.evaluation.side_by_side import visible
from burnish.evaluation.svg import Picture, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = (ACCENT, INK, FAINT, MUTED)
"""Colours of judges; later ones begin again with another mark."""
MARKS = ("o", "s", "^", "D")
ASKED = {"pairs": "it says: the first is better", "texts": "it says: the text is good"}


def reliability_picture(cards: Sequence[JudgeCard]) -> Picture:
    """Return one line for each card that has a reliability, with the intervals of people's shares."""
    with style():
        return picture("reliability", _figure(cards), "What judges say, against how often people say so", COLOURS)


def _figure(cards: Sequence[JudgeCard]) -> Figure:
    figure, axes = new_figure(4.4, 4.2 + 0.2 * len(cards))
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for place, card in enumerate(cards):
        _line(axes, card, place)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axes.set(xlabel=ASKED[cards[0].form], ylabel="people say so in")
    axes.set_title("What a judge says, and what people say")
    figure.legend(frameon=False, fontsize=8, loc="outside lower left", labelcolor=INK)
    return figure


def _line(axes: Axes, card: JudgeCard, place: int) -> None:
    found = card.reliability
    assert found is not None
    colour, mark = LINES[place % len(LINES)], MARKS[place // len(LINES) % len(MARKS)]
    told = [each.told for each in found.bins]
    shares = [each.people for each in found.bins]
    for at, share in zip(told, shares, strict=True):
        axes.plot([at, at], [share.low, share.high], color=colour, linewidth=0.8, alpha=0.6)
    score = f", Brier {found.brier.mean:.2f}" if found.brier else ""
    name = f"{visible(card.judge.rpartition('#')[2])[-40:]} (n = {found.n:,}{score})"
    how: dict[str, Any] = {"color": colour, "marker": mark, "markersize": 5, "linewidth": 1.2, "clip_on": False}
    axes.plot(told, [share.mean for share in shares], label=name, **how)
