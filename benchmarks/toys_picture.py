"""Draws reward against KL of all policies from the numbers that benchmarks/toys.py wrote; it measures nothing.

python benchmarks/toys_picture.py docs/toys.json docs/toys.svg

One panel for each way to learn, with its own curves in colour and all others in grey. Each line ends after equally many
completions and has its name there; lines that end in the same place share one label.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from burnish import methods
from burnish.conformance import toys
from burnish.errors import InputError
from burnish.records import Critique, Preference

EQUAL = 4_800
"""Completions after which every curve of the picture ends: no toy takes fewer."""
FAMILIES: tuple[tuple[str, Callable[[methods.Needs], bool], str], ...] = (
    ("learns from preferences", lambda needs: not needs.fresh and Preference in needs.eats, "tab:blue"),
    ("draws its own completions", lambda needs: needs.fresh, "tab:orange"),
    ("learns from words", lambda needs: Critique in needs.eats, "tab:green"),
    ("imitates, or learns from scores", lambda needs: True, "tab:purple"),
)
"""(what, whether a method is one, colour); the first that fits."""
SAME_PLACE = np.array([0.1, 0.008])
"""Lines that end this near to each other, in nats and in reward, share a label."""
OFFSETS = [
    (float(np.cos(angle) * far), float(np.sin(angle) * far))
    for far in (7, 14, 22, 32, 44, 58, 75, 95, 120)
    for angle in np.radians([0, -20, 35, -35, -50, -70, 70, 145, 110, 180])
]
"""Where a label may stand, in points from the end of its line, the most wanted first."""
LEADS = 10
"""From so many points on, a thin line leads from the label to the end."""

Path_N2 = NDArray[np.float64]
"""(KL, reward) along the way."""


def main() -> int:
    """Draw the picture; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", type=Path, help="what `benchmarks/toys.py --json` wrote")
    parser.add_argument("picture", type=Path, help="SVG to write")
    args = parser.parse_args()
    draw(json.loads(args.numbers.read_text("utf-8")), args.picture)
    return 0


def draw(found: Mapping[str, Mapping[str, Any]], target: Path) -> None:
    """Write reward against KL, mean over seeds, up to `EQUAL` completions; each line ends in its name."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "burnish"
    from matplotlib import pyplot as plt

    policies = {name: row for name, row in found.items() if row["measure"] == "reward" and row["kl_nats"] > 0.05}
    paths = {name: equal(row["path"]) for name, row in policies.items()}
    figure, panels = plt.subplots(2, 2, figsize=(11, 9), sharex=True, sharey=True)
    right = max(path[:, 0].max() for path in paths.values())
    panels[0, 0].set_xlim(-0.04 * right, right * 1.24)
    for axes, (what, _, colour) in zip(panels.flat, FAMILIES, strict=True):
        own = {name: path for name, path in paths.items() if family(name) == what}
        for path in (path for name, path in paths.items() if name not in own):
            axes.plot(path[:, 0], path[:, 1], color="0.86", linewidth=0.8, zorder=1)
        for path in own.values():
            axes.plot(path[:, 0], path[:, 1], color=colour, marker=".", markersize=3, linewidth=1.2)
            axes.plot(*path[-1], color=colour, marker="o", markersize=5)
        axes.set_title(what, color=colour, fontsize=10)
        axes.grid(alpha=0.3)
    for axes in panels[1]:
        axes.set_xlabel("KL from the untouched policy, nats a completion")
    for axes in panels[:, 0]:
        axes.set_ylabel("exact mean true reward")
    figure.suptitle(f"Reward against KL after {EQUAL:,} completions each, mean over seeds")
    figure.tight_layout()
    for axes, (what, _, colour) in zip(panels.flat, FAMILIES, strict=True):  # sizes are settled only now
        label(axes, {name: path for name, path in paths.items() if family(name) == what}, colour)
    figure.savefig(target, metadata={"Date": None})


def family(name: str) -> str:
    """Return the panel that a method stands in."""
    module = methods.load(name)
    needs = module.needs(module.Config(**toys.toy_of(name).config))
    return next(what for what, fits, _ in FAMILIES if fits(needs))


def equal(path: Sequence[Sequence[float]]) -> Path_N2:
    """Return (KL, reward) up to exactly `EQUAL` completions; the end lies between two points where a step passes it."""
    points = np.array(path)
    end = [np.interp(EQUAL, points[:, 0], points[:, column]) for column in (1, 2)]
    return np.vstack([points[points[:, 0] < EQUAL, 1:], end])


# -------------------------------------------------------------------------------------------------------------- labels


def label(axes: Axes, own: Mapping[str, Path_N2], colour: str) -> None:
    """Write names where lines end, each in the first place that no line and no other name of the panel crosses."""
    drawn = [on_screen(axes, path) for path in own.values()]
    taken: list[Bbox] = []
    for names, end in together(own):
        offset, box = first_free(axes, ", ".join(names), end, taken, drawn, colour)
        taken.append(box)
        if np.hypot(*offset) > LEADS:
            leads = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 3, "shrinkB": 2}
            axes.annotate("", end, offset, textcoords="offset points", arrowprops=leads)


def together(own: Mapping[str, Path_N2]) -> list[tuple[list[str], Path_N2]]:
    """Return (names, end of the first) of lines that end in the same place, the highest first."""
    found: list[tuple[list[str], Path_N2]] = []
    for name, path in sorted(own.items(), key=lambda item: -item[1][-1, 1]):
        same = next((names for names, end in found if (np.abs(end - path[-1]) < SAME_PLACE).all()), None)
        if same is None:
            found.append(([name], path[-1]))
        else:
            same.append(name)
    return found


def first_free(
    axes: Axes, text: str, end: Path_N2, taken: Sequence[Bbox], drawn: Sequence[Path_N2], colour: str
) -> tuple[tuple[float, float], Bbox]:
    """Write a name and return the offset at which it stands, with its box."""
    frame = axes.get_window_extent()
    for offset in OFFSETS:
        across = "center" if abs(offset[0]) < 0.5 * abs(offset[1]) else "left" if offset[0] > 0 else "right"
        style: dict[str, Any] = {"color": colour, "fontsize": 8, "ha": across, "va": "center"}
        written = axes.annotate(text, end, offset, textcoords="offset points", **style)
        box = written.get_window_extent()
        is_inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
        if is_inside and not any(map(box.overlaps, taken)) and not any(crosses(box, path) for path in drawn):
            return offset, box
        written.remove()
    raise InputError(f"toys_picture: {text} finds no place beside its line. Give OFFSETS more of them.")


def on_screen(axes: Axes, path: Path_N2) -> Path_N2:
    """Return a path in pixels with a point every few of them, so that no label slips through between two."""
    pixels = axes.transData.transform(path)
    steps = np.linspace(0, len(pixels) - 1, 60 * len(pixels))
    return np.stack([np.interp(steps, np.arange(len(pixels)), pixels[:, axis]) for axis in (0, 1)], axis=1)


def crosses(box: Bbox, path: Path_N2) -> bool:
    """Whether a line runs through a box."""
    x, y = path.T
    return bool(((x > box.x0 - 1) & (x < box.x1 + 1) & (y > box.y0) & (y < box.y1)).any())


if __name__ == "__main__":
    sys.exit(main())
