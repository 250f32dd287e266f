"""A run's figures as its page wants them: curves by step, the state in words, reward against distance."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from burnish.evaluation import formats
from burnish.evaluation.figures import WINDOW
from burnish.evaluation.pictures import running_mean
from burnish.studio import figures
from burnish.studio.run_folders import DONE, STOPPED, Run

MEASURES = (("reward", "reward"), ("kl", "kl_nats"), ("length", "length"), ("loss", "loss"), ("seconds", "seconds"))
"""Name of the sentence, and of the measure in the log, in the order in which they are drawn."""
_STAGES = ("feedback", "before", "reward", "train", "after", "gold", "report", "new")


def state(run: Run, say: Any) -> str:
    """Return in words what the run is doing."""
    if run.state == DONE:
        return str(say("runs.state_done"))
    if run.is_live:
        stage = run.state.partition("-")[0]
        return str(say("runs.state_live", stage=say(f"runs.stage_{stage}") if stage in _STAGES else run.state))
    return str(say("runs.state_stopped" if run.state == STOPPED else "runs.state_broken"))


def curves(run: Run, round: int, say: Any) -> list[tuple[str, Markup]]:
    """Return (name, picture) of each measure that was logged at two steps or more."""
    found = []
    for key, measure in MEASURES:
        steps, values = run.series(measure, round)
        if len(values) < 2:
            continue
        name = str(say(f"runs.{key}"))
        ends = {"first": formats.number(values[0]), "last": formats.number(values[-1])}
        alt = say("runs.curve_alt", name=name, n=len(values), **ends)
        line = (run.kl_budget, str(say("runs.budget"))) if run.kl_budget is not None and key == "kl" else None
        points = list(zip(steps, values, strict=True))
        found.append((name, figures.curve(points, running_mean(values, WINDOW), say("runs.step"), alt, budget=line)))
    return found


def overoptimisation(run: Run, say: Any) -> Markup | None:
    """Return judge and reward by the square root of KL; None before two looks were judged."""
    points = [each for each in run.report.get("curve") or () if each.get("kl_nats") is not None]
    lines = []
    for key in ("gold", "proxy"):
        rows = [_row(each, key) for each in points if each.get(key) is not None]
        if len(rows) > 1:
            lines.append((str(say(f"runs.line_{key}")), sorted(rows)))
    if not lines:
        return None
    said = {key: ", ".join(formats.number(each.get(key), 2) for each in points) for key in ("gold", "proxy")}
    return figures.compared(lines, say("runs.axis_kl"), say("runs.overopt_alt", **said))


def _row(point: Any, key: str) -> tuple[float, float, float, float]:
    low, high = point.get(f"{key}_ci95") or (point[key], point[key])
    return math.sqrt(max(0.0, point["kl_nats"])), float(point[key]), float(low), float(high)


def outcome(run: Run) -> tuple[float, float, float] | None:
    """Return the change by the independent judge with its interval; None where it was not measured."""
    found = (run.report.get("difference") or {}).get("gold") or {}
    if found.get("mean") is None or not found.get("ci95"):
        return None
    return found["mean"], found["ci95"][0], found["ci95"][1]


def steps(run: Run) -> int:
    """Return the number of training steps logged, over all rounds."""
    return len(run.log)
