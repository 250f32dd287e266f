"""How far several judges agree with each other, before anybody asks how far they agree with people.

Of a pair a judge says first, second or neither; a text has a place on its scale, and is good above its middle. Judges
of one family share their errors, so agreement is no proof of being right: `burnish.evaluation.judge_card` sets each of
them, and the panel, beside people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from burnish.errors import InputError
from burnish.evaluation.judge_card import MIDDLE, place_of
from burnish.evaluation.resampling import Floats
from burnish.feedback.answers import Answer
from burnish.judges.asking.verdict import Verdict
from burnish.maths.agreement import Agreement, alpha, count
from burnish.maths.intervals import wilson
from burnish.records import Interval


@dataclass(frozen=True, slots=True)
class PanelCard:
    """The agreement of a panel's judges on the items that at least two of them answered."""

    judges: tuple[str, ...]
    form: Literal["pairs", "texts"]
    n: int
    same: Interval | None
    """Share of items on which all who answered said the same: the same choice, the same side of the middle."""
    alpha: Agreement
    """Krippendorff's: of pairs nominal, of texts on the place between worst and best."""
    two: Mapping[tuple[str, str], Interval]
    """The share for every two judges."""


def panel_card(judged: Mapping[str, Sequence[Verdict]]) -> PanelCard:
    """Return how far judges agree; `judged`: by judge its verdicts on the same items in the same order, one form.

    Raises InputError for fewer than two judges.
    """
    if len(judged) < 2:
        raise InputError(f"panel: {len(judged)} judge. Agreement needs two.")
    names = tuple(judged)
    is_pair = any(len(verdict.completions) == 2 for verdicts in judged.values() for verdict in verdicts)
    told = np.array([[_place(verdict) for verdict in judged[name]] for name in names])  # (judges, items), NaN: failed
    sides = np.sign(told - MIDDLE)
    if not is_pair:
        sides = np.where(np.isnan(told), np.nan, told > MIDDLE)
    answered = ~np.isnan(told)
    shared = answered.sum(axis=0) > 1
    return PanelCard(
        judges=names,
        form="pairs" if is_pair else "texts",
        n=int(shared.sum()),
        same=_same(sides[:, shared]),
        alpha=_alpha(sides, "nominal") if is_pair else _alpha(told, "interval"),
        two={
            (names[a], names[b]): found
            for a, b in combinations(range(len(names)), 2)
            if (found := _same(sides[[a, b]][:, answered[a] & answered[b]])) is not None
        },
    )


def _place(verdict: Verdict) -> float:
    """Return what a verdict says from 0 to 1: of a pair 1 for the first and one half for neither; NaN of a failure."""
    said = verdict.feedback
    if said is None:
        return float("nan")
    if said.kind == "comparison":
        return MIDDLE if "chosen" not in said.value else float(said.value["chosen"] == 0)
    return place_of(Answer(verdict.prompt, verdict.completions, said))


def _same(sides: Floats) -> Interval | None:
    """Return the share of columns whose known rows are all equal; None without columns."""
    if not sides.shape[1]:
        return None
    equal = np.nanmax(sides, axis=0) == np.nanmin(sides, axis=0)
    return wilson(int(equal.sum()), len(equal))


def _alpha(values: Floats, metric: Literal["nominal", "interval"]) -> Agreement:
    judge_K, item_K = np.nonzero(~np.isnan(values))
    return alpha(count(item_K, values[judge_K, item_K]), metric)
