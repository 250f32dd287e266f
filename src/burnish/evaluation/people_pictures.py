"""The figures of the page on people: agreement by kind, slopes with intervals, and slope against side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from burnish.evaluation.pictures import ACCENT, FAINT, INK, MUTED, SOFT, new_figure
from burnish.evaluation.side_by_side import visible
from burnish.feedback.person import SLIGHT, Manner, Person
from burnish.maths.agreement import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRM, _TENTATIVE = 0.8, 0.667  # Krippendorff's readings of alpha
_COLOUR: Mapping[Manner, str] = {Manner.CAREFUL: INK, Manner.UNCLEAR: MUTED, Manner.FEW: FAINT, Manner.ALONE: FAINT}
"""Of a manner; all others stand out in the accent."""


def agreement_bars(found: Mapping[str, Agreement]) -> Figure:
    """Alpha of each kind as a dot with its interval, and the lines above which it is tentative and firm."""
    rows = [(kind, each, each.alpha) for kind, each in found.items() if each.alpha is not None]
    figure, axes = new_figure(5.0, 1.15 + 0.38 * len(rows))
    for place, (_, each, alpha) in enumerate(rows):
        if each.low is not None and each.high is not None:
            axes.plot([each.low, each.high], [place, place], color=SOFT, linewidth=4)
        axes.plot([alpha], [place], "o", color=ACCENT, markersize=6)
    for line, name in ((_TENTATIVE, "tentative"), (_FIRM, "firm")):
        axes.axvline(line, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        how: dict[str, Any] = {"xytext": (2, 3), "textcoords": "offset points", "color": MUTED, "fontsize": 8.5}
        axes.annotate(name, (line, -0.75), **how)
    axes.set_yticks(range(len(rows)), [kind for kind, _, _ in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    lowest = min([0.0, *(each.low for _, each, _ in rows if each.low is not None)])
    axes.set(xlim=(lowest - 0.02, 1.02), ylim=(len(rows) - 0.4, -1.0), xlabel="Krippendorff's alpha, 95% interval")
    axes.spines["left"].set_visible(False)
    axes.set_title("How far people agree")
    return figure


def slopes(people: Sequence[Person]) -> Figure:
    """Slope of each person with its 95% interval, the least careful first."""
    rows = sorted(people, key=lambda person: _slope(person).mean)
    figure, axes = new_figure(5.0, 1.2 + 0.24 * len(rows))
    for line, name in ((0.0, "guesses"), (1.0, "careful")):
        axes.axvline(line, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        how: dict[str, Any] = {"xytext": (3, 3), "textcoords": "offset points", "color": MUTED, "fontsize": 8.5}
        axes.annotate(name, (line, -0.8), **how)
    for place, person in enumerate(rows):
        found = _slope(person).interval
        colour = _COLOUR.get(person.manner, ACCENT)
        axes.plot([found.low, found.high], [place, place], color=colour, linewidth=1.4)
        axes.plot([found.mean], [place], "o", color=colour, markersize=4.5)
    axes.set_yticks(range(len(rows)), [visible(person.author.id)[:24] for person in rows])
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8.5)
    axes.set(ylim=(len(rows) - 0.4, -1.2), xlabel="slope, 95% interval")
    axes.spines["left"].set_visible(False)
    axes.set_title("How closely each person follows what others see")
    return figure


def manner_map(people: Sequence[Person]) -> Figure:
    """Slope against the liking for the side shown first: careless, contrary and one-sided people lie apart."""
    figure, axes = new_figure(5.0, 4.0)
    axes.axvspan(-SLIGHT, SLIGHT, color=FAINT, alpha=0.12, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for person in people:
        assert person.slope is not None
        assert person.side is not None
        colour = _COLOUR.get(person.manner, ACCENT)
        axes.plot([person.slope.mean], [person.side.mean], "o", color=colour, markersize=6)
        if person.manner not in _COLOUR:
            how: dict[str, Any] = {"xytext": (6, 3), "textcoords": "offset points", "color": colour, "fontsize": 8.5}
            axes.annotate(visible(person.author.id)[:18], (person.slope.mean, person.side.mean), **how)
    axes.set(xlabel="slope (0 guesses, 1 careful)", ylabel="liking for the one shown first (logit)")
    axes.set_title("Guessing, contradicting, picking a side")
    axes.margins(0.12)
    return figure


def _slope(person: Person) -> Any:
    return person.slope or next(iter(person.sees.values()))
