"""The report of a run: `report.json` for programs, `report.html` for people, `plots/` for slides.

The keys are those of the interface page and always all there, null where nothing was measured; every number is finite.
The page is one file that runs no program and asks nothing of any network.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from burnish.evaluation.compare import KEYS, Comparison
from burnish.evaluation.figures import Levels, draw
from burnish.evaluation.page import TaskWords, page
from burnish.evaluation.reward_card import RewardCard
from burnish.evaluation.samples import Sample
from burnish.evaluation.verdict import Limits, guards, verdict
from burnish.evaluation.wording import wording
from burnish.files import write_atomic
from burnish.records import Interval

_SURROGATE = re.compile("[\ud800-\udfff]")
_NESTED: Mapping[str, tuple[str, ...]] = {
    "feedback": ("records", "people", "by_kind", "agreement"),
    "reward_model": (
        "pair_accuracy",
        "ci95",
        "n_pairs",
        "baselines",
        "calibration_error",
        "length_correlation",
        "other_domains",
    ),
    "gold_model": ("how", "n_texts", "pair_accuracy", "ci95"),
    "before": KEYS,
    "after": KEYS,
    "win_rate": ("mean", "ci95", "n"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What report.json holds, by its keys; `extra` are further keys beside them."""

    schema: int = 1
    recipe: str | None = None
    model: str | None = None
    seed: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each stage, and "total" of the loop."""
    peak_memory_gib: float | None = None
    feedback: Mapping[str, Any] = field(default_factory=dict)
    reward_model: Mapping[str, Any] = field(default_factory=dict)
    gold_model: Mapping[str, Any] = field(default_factory=dict)
    """how, n_texts, pair_accuracy, ci95; and n_needed where there was too little feedback to make one."""
    before: Mapping[str, float | None] = field(default_factory=dict)
    after: Mapping[str, float | None] = field(default_factory=dict)
    difference: Mapping[str, Any] = field(default_factory=dict)
    win_rate: Mapping[str, Any] = field(default_factory=dict)
    kl_nats: float | None = None
    kl_budget_nats: float | None = None
    curve: Sequence[Mapping[str, Any]] = ()
    """A point a measured checkpoint (`compare.curve_point`)."""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Free; {"chain": [{"what", "id", "note"}, ...]} is drawn as a chain from the checkpoint back to the feedback."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that report.json holds: plain values, every promised key, null for what is missing."""
        found = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "extra"}
        return {**_whole(found), **{key: value for key, value in self.extra.items() if key not in found}}


def make_report(
    comparison: Comparison,
    *,
    recipe: str,
    model: str,
    seed: int,
    seconds: Mapping[str, float],
    peak_memory_gib: float | None = None,
    feedback: Mapping[str, Any] | None = None,
    card: RewardCard | None = None,
    gold_model: Mapping[str, Any] | None = None,
    kl_budget_nats: float | None = None,
    curve: Sequence[Mapping[str, Any]] = (),
    checkpoint: str | None = None,
    lineage: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    language: str = "en",
) -> Report:
    """Return the report of a comparison with its guards and its verdict.

    `details` says how it was measured: any mapping of versions, machine, sampling, data; shown as it stands.
    A number that is not finite becomes null, is named under `details.not_finite`, and brings a warning.
    """
    kl = comparison.kl
    values: dict[str, Any] = {
        "recipe": recipe,
        "model": model,
        "seed": seed,
        "seconds": seconds,
        "peak_memory_gib": peak_memory_gib,
        "feedback": feedback or {},
        "reward_model": card.summary() if card else {},
        "gold_model": gold_model or {},
        "before": comparison.before,
        "after": comparison.after,
        "difference": {key: _interval(found) for key, found in comparison.difference.items()},
        "win_rate": _interval(comparison.win_rate),
        "kl_nats": kl and kl.mean,
        "kl_budget_nats": kl_budget_nats,
        "curve": list(curve),
        "checkpoint": checkpoint,
        "lineage": lineage or {},
    }
    extra = {
        "kl": _interval(kl),
        "ratio": {key: _interval(found) for key, found in comparison.ratio.items()},
        "details": dict(details or {}),
    }
    lost: list[str] = []
    values, extra = _plain(values, "", lost), _plain(extra, "", lost)
    if lost:
        extra["details"]["not_finite"] = lost
    whole = _whole(values)
    extra["guards"] = guards(whole, limits)
    values["verdict"] = verdict(whole, limits, language=language, not_finite=lost)
    return Report(**values, extra=extra)


def write_report(
    folder: Path | str,
    report: Report,
    before: Sequence[Sample],
    after: Sequence[Sample],
    *,
    task: TaskWords,
    training_log: Sequence[Mapping[str, Any]] = (),
    card: RewardCard | None = None,
    language: str = "en",
) -> None:
    """Write plots/*.svg and *.png, report.html and, last, report.json into the folder; each file whole or not at all.

    training_log: one mapping a step, of which reward, kl_nats, length, truncated, loss and seconds are drawn.
    The bytes depend on the arguments alone.
    """
    say = wording(language)
    folder = Path(folder)
    figures = report.as_json()
    levels = Levels.of(before, after)
    drawn = draw(figures, levels, training_log, card, task.bounds, say)
    for name, found in drawn.items():
        write_atomic(folder / "plots" / f"{name}.svg", found.svg)
        write_atomic(folder / "plots" / f"{name}.png", found.png)
    html = page(figures, before, after, task=task, levels=levels, pictures=drawn, card=card, language=language)
    write_atomic(folder / "report.html", html)
    write_atomic(folder / "report.json", json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _interval(found: Interval | None) -> dict[str, Any]:
    if found is None:
        return {"mean": None, "ci95": None, "n": None}
    return {"mean": found.mean, "ci95": [found.low, found.high], "n": found.n}


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with every promised key of the parts that have parts."""
    whole = dict(values)
    for part, keys in _NESTED.items():
        whole[part] = {**dict.fromkeys(keys), **whole[part]}
    agreement = whole["feedback"]["agreement"] or {}
    whole["feedback"]["agreement"] = {"alpha": None, "ci95": None, **agreement}
    whole["difference"] = {**{key: _interval(None) for key in KEYS}, **whole["difference"]}
    whole["seconds"] = {"total": None, **whole["seconds"]}
    if "verdict" in whole:
        whole["verdict"] = {"improved": False, "reasons": [], "warnings": [], **whole["verdict"]}
    return whole


def _plain(value: Any, path: str, lost: list[str]) -> Any:
    """Return plain JSON values; numbers that are not finite become None and their paths go to `lost`."""
    if isinstance(value, Mapping):
        names = {_storable(str(key)): each for key, each in value.items()}
        return {name: _plain(each, f"{path}.{name}".lstrip("."), lost) for name, each in names.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{path}[{place}]", lost) for place, each in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(path)
        return None
    if isinstance(value, str):
        return _storable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _storable(str(value))


def _storable(text: str) -> str:
    """Half surrogates cannot be written as UTF-8: they become the replacement character."""
    return _SURROGATE.sub("\ufffd", text)
