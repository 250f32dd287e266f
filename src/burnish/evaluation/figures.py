"""All pictures of one report, by name, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burnish.evaluation import formats, pictures
from burnish.evaluation.compare import Level, asked_levels
from burnish.evaluation.reward_card import RewardCard
from burnish.evaluation.samples import Sample
from burnish.evaluation.svg import Picture, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGGED = ("reward", "kl_nats", "length", "truncated", "loss", "seconds")
"""Measures of a training step that are drawn, in this order."""

WINDOW = 5
"""Steps in the running mean of a training curve."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Ratings by what was asked, on both sides; empty where the task asks for no rating."""

    before: list[Level]
    after: list[Level]

    @classmethod
    def of(cls, before: Sequence[Sample], after: Sequence[Sample]) -> Levels:
        return cls(asked_levels(before), asked_levels(after))


def draw(
    report: Mapping[str, Any],
    levels: Levels,
    log: Sequence[Mapping[str, Any]],
    card: RewardCard | None,
    bounds: tuple[float, float],
    say: Mapping[str, str],
) -> dict[str, Picture]:
    """Return the pictures by name; what was not measured has no picture.

    bounds: lowest and highest rating people could give.
    """
    with pictures.style():
        figures = [
            *_asked(report, levels, bounds, say),
            *_curve(report["curve"], say),
            *_training(log, report.get("kl_budget_nats"), say),
            *(_card(card, say) if card else ()),
        ]
        return {name: picture(name, figure, alt, pictures.COLOURS) for name, figure, alt in figures}


def logged(log: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Return (steps, values) where the log holds the measure; steps are counted from 1 where it does not name them."""
    found = [(line.get("step", place), line[name]) for place, line in enumerate(log, 1) if line.get(name) is not None]
    return [float(step) for step, _ in found], [float(value) for _, value in found]


_Drawn = Iterator[tuple[str, "Figure", str]]


def _asked(report: Mapping[str, Any], levels: Levels, bounds: tuple[float, float], say: Mapping[str, str]) -> _Drawn:
    for side, found in (("before", levels.before), ("after", levels.after)):
        if len(found) < 2:
            continue
        r = formats.number(report[side]["asked_rated_correlation"], 2)
        title = say["pic_correlation"].format(side=say[side], r=r)
        means = ", ".join(f"{level.words} {formats.number(level.mean, 1, signed=True)}" for level in found)
        alt = say["asked_rated_alt"].format(side=say[side], means=means, r=r)
        figure = pictures.asked_rated(found, title, is_after=side == "after", bounds=bounds, say=say)
        yield f"asked_rated_{side}", figure, alt


def _curve(curve: Sequence[Mapping[str, Any]], say: Mapping[str, str]) -> _Drawn:
    if len([point for point in curve if point.get("kl_nats") is not None]) < 2:
        return
    trails = {
        key: ", ".join(formats.number(point[key], 2) for point in curve if point.get(key) is not None) or formats.NONE
        for key in ("gold", "proxy")
    }
    yield "over_optimisation", pictures.over_optimisation(curve, say), say["curve_alt"].format(**trails)


def _training(log: Sequence[Mapping[str, Any]], budget: float | None, say: Mapping[str, str]) -> _Drawn:
    for name in LOGGED:
        steps, values = logged(log, name)
        if len(values) < 2:
            continue
        figure = pictures.training_curve(
            steps, values, say[f"log_{name}"], window=WINDOW, budget=budget if name == "kl_nats" else None, say=say
        )
        ends = {"first": formats.number(values[0]), "last": formats.number(values[-1])}
        yield f"training_{name}", figure, say["training_alt"].format(name=say[f"log_{name}"], n=len(values), **ends)


def _card(card: RewardCard, say: Mapping[str, str]) -> _Drawn:
    rows = pictures.accuracy_rows(card, say)
    if rows:
        values = ", ".join(f"{name} {formats.percent(found.accuracy)}" for name, found, _ in rows)
        yield "reward_accuracy", pictures.accuracy_bars(card, say), say["card_alt"].format(values=values)
    if card.calibration is not None:
        found = card.calibration
        dots = zip(found.predicted, found.observed, strict=True)
        values = ", ".join(f"{formats.percent(x, 0)} {formats.percent(y, 0)}" for x, y in dots)
        alt = say["calibration_alt"].format(error=formats.number(found.error, 3), values=values)
        yield "reward_calibration", pictures.calibration_curve(found, say), alt
    if card.spread is not None:
        dots = zip(card.spread.spread, card.spread.error, strict=True)
        values = ", ".join(f"{formats.number(x, 2)} {formats.number(y, 2)}" for x, y in dots)
        alt = say["spread_alt"].format(values=values, r=formats.number(card.spread.correlation, 2))
        yield "reward_spread", pictures.spread_curve(card.spread, say), alt
