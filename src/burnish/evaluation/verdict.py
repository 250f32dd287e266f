"""The verdict in plain words, as a pure function of the report.

A run counts as an improvement only if the independent judge says so beyond chance, and no guard is broken: a score can
be raised by writing badly. What was not measured cannot be held against a run, nor for it: it is named in a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import InputError
from burnish.evaluation import formats
from burnish.evaluation.compare import smallest_detectable_difference
from burnish.evaluation.wording import wording


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the guarded measures may go."""

    on_topic: float = 0.95
    """At least this many times the share before."""
    perplexity: float = 1.25
    """At most this many times the perplexity before."""
    distinct_2: float = 0.80
    """At least this many times the share before."""
    length: float = 0.30
    """Mean length may change by at most this share, either way."""
    few_prompts: int = 20
    """Fewer prompts than this bring a warning: percentile intervals of so few are too narrow."""
    weak_gold: float = 0.70
    """An independent judge with a pair accuracy below this brings a warning."""
    truncated: float = 0.20
    """A share of cut-off texts above this brings a warning."""


def guards(report: Mapping[str, Any], limits: Limits | None = None) -> list[dict[str, Any]]:
    """Return each guard: name, value, low, high, held; `held` is None where it was not measured.

    Ratios are after / before; kl_nats is in nats; the correlation's value is after - before and must be above 0.
    """
    limits = limits or Limits()
    before, after = report["before"], report["after"]

    def ratio(key: str) -> float | None:
        old, new = before.get(key), after.get(key)
        return new / old if old and new is not None else None

    rise = (report["difference"].get("asked_rated_correlation") or {}).get("mean")
    length = (1 - limits.length, 1 + limits.length)
    return [
        _guard("on_topic", ratio("on_topic"), limits.on_topic, None),
        _guard("perplexity", ratio("perplexity"), None, limits.perplexity),
        _guard("distinct_2", ratio("distinct_2"), limits.distinct_2, None),
        _guard("length", ratio("length"), *length),
        _guard("kl_nats", report.get("kl_nats"), None, report.get("kl_budget_nats")),
        {**_guard("asked_rated_correlation", rise, 0.0, None), "held": None if rise is None else rise > 0},
    ]


def verdict(
    report: Mapping[str, Any],
    limits: Limits | None = None,
    *,
    language: str = "en",
    not_finite: Iterable[str] = (),
) -> dict[str, Any]:
    """Return {"improved": bool, "reasons": [str], "warnings": [str]} for the mapping that report.json holds.

    The first reason is the verdict in one sentence. `not_finite` names figures that had to be left out.
    """
    limits = limits or Limits()
    say = wording(language)
    found = guards(report, limits)
    broken = [guard for guard in found if guard["held"] is False]
    gold = _measured(report["difference"].get("gold"))
    if gold is None:
        reasons, improved = list(_no_gold(report, say)), False
    else:
        improved = gold["ci95"][0] > 0 and not broken
        reasons = list(_reasons(report, say, gold, broken, found))
    return {
        "improved": improved,
        "reasons": reasons,
        "warnings": list(_warnings(report, say, found, limits, not_finite)),
    }


def require_independent(gold_sources: Iterable[str], checkpoint_sources: Iterable[str]) -> None:
    """Raise InputError when a source of the gold judge stands in the lineage of the checkpoint it is to judge."""
    shared = sorted(set(gold_sources) & set(checkpoint_sources))
    if shared:
        raise InputError(
            f"gold: {', '.join(shared)} took part in training the checkpoint, so a judge made of it is not "
            "independent. Make gold from feedback that was set aside."
        )


def _guard(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    held = None
    if value is not None and (low is not None or high is not None):
        held = (low is None or value >= low) and (high is None or value <= high)
    return {"name": name, "value": value, "low": low, "high": high, "held": held}


def _no_gold(report: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[str]:
    if report["after"].get("gold") is not None and report["before"].get("gold") is not None:
        yield say["no_interval"].format(n=_prompts(report) or 1)
        return
    answers = (report.get("feedback") or {}).get("records")
    yield say["too_few"].format(n=answers) if answers else say["no_gold"]
    judge = report.get("gold_model") or {}
    if judge.get("n_needed") is not None:
        yield say["no_gold_counts"].format(have=judge.get("n_texts") or 0, needed=judge["n_needed"])
    yield say["no_gold_remedy"]


def _reasons(
    report: Mapping[str, Any],
    say: Mapping[str, str],
    gold: Mapping[str, Any],
    broken: list[dict[str, Any]],
    found: list[dict[str, Any]],
) -> Iterator[str]:
    low, high = gold["ci95"]
    facts = {
        "gold": formats.change("gold", gold["mean"])
        if low <= 0 <= high
        else formats.measure("gold", abs(gold["mean"])),
        "ci": formats.interval("gold", gold["ci95"]),
        "low": formats.change("gold", low),
        "high": formats.change("gold", high),
        "n": gold.get("n") or _prompts(report) or formats.NONE,
    }
    if low > 0:
        yield say["at_a_price" if broken else "improved"].format(**facts)
    elif high < 0:
        yield say["worse"].format(**facts)
    else:
        yield say["not_shown"].format(**facts)
    rate = _measured(report.get("win_rate"))
    if rate:
        bounds = formats.interval("win_rate", rate["ci95"], signed=False)
        yield say["win_rate"].format(rate=formats.percent(rate["mean"]), ci=bounds)
    if low <= 0:
        yield from _why_not(report, say, low, high, facts["n"])
    for guard in broken:
        yield say[f"broken_{guard['name']}"].format(
            value=_guard_value(guard), limit=formats.number(guard["high"]) if guard["high"] is not None else ""
        )
    held = [say[guard["name"]] for guard in found if guard["held"]]
    if not broken and held and low > 0:
        yield say["guards_held"].format(names=_listed(held))


def _why_not(report: Mapping[str, Any], say: Mapping[str, str], low: float, high: float, n: object) -> Iterator[str]:
    """Explain a score that did not rise: did the trained score rise, and what could have been seen at all?"""
    proxy = _measured(report["difference"].get("proxy"))
    if proxy and proxy["ci95"][0] > 0:
        yield say["over_optimised"].format(proxy=formats.measure("proxy", proxy["mean"]))
    elif proxy:
        yield say["proxy_flat"].format(proxy=formats.change("proxy", proxy["mean"]))
    if high >= 0:
        size = smallest_detectable_difference((high - low) / (2 * 1.959964), 1)  # the interval's own standard error
        yield say["detectable"].format(n=n, size=formats.measure("gold", size))


def _warnings(
    report: Mapping[str, Any],
    say: Mapping[str, str],
    found: list[dict[str, Any]],
    limits: Limits,
    not_finite: Iterable[str],
) -> Iterator[str]:
    n = _prompts(report)
    if n is not None and 2 <= n < limits.few_prompts:
        yield say["few_prompts"].format(n=n)
    if unmeasured := [say[guard["name"]] for guard in found if guard["held"] is None]:
        yield say["unmeasured"].format(names=_listed(unmeasured))
    yield from _past_its_best(report.get("curve") or [], say)
    reward = report.get("reward_model") or {}
    rivals = {name: share for name, share in (reward.get("baselines") or {}).items() if share is not None}
    if rivals and reward.get("pair_accuracy") is not None:
        name, theirs = max(rivals.items(), key=lambda item: item[1])
        if reward["pair_accuracy"] <= theirs:
            shares = {"ours": formats.percent(reward["pair_accuracy"]), "theirs": formats.percent(theirs)}
            yield say["weak_reward"].format(name=name, **shares)
    judge = (report.get("gold_model") or {}).get("pair_accuracy")
    if judge is None and _measured(report["difference"].get("gold")):
        yield say["unmeasured_gold"]
    if report.get("reward_model") and reward.get("pair_accuracy") is None:
        yield say["unmeasured_reward"]
    if judge is not None and judge < limits.weak_gold:
        yield say["weak_gold"].format(share=formats.percent(judge))
    cut = report["after"].get("truncated")
    if cut is not None and cut > limits.truncated:
        yield say["cut_share"].format(share=formats.percent(cut))
    if names := sorted(not_finite):
        yield say["not_finite"].format(names=", ".join(names))


def _past_its_best(curve: list[Mapping[str, Any]], say: Mapping[str, str]) -> Iterator[str]:
    """Warn when gold ended clearly below its own best: the last point's interval ends below the best point's mean."""
    measured = [point for point in curve if point.get("gold") is not None]
    if len(measured) < 3:
        return
    best, last = max(measured, key=lambda point: float(point["gold"])), measured[-1]
    ceiling = (last.get("gold_ci95") or [None, None])[1]
    if ceiling is not None and best["gold"] > ceiling:
        top, end = (formats.measure("gold", point["gold"]) for point in (best, last))
        yield say["past_its_best"].format(best=best["step"], top=top, last=end)


def _guard_value(guard: Mapping[str, Any]) -> str:
    if guard["name"] == "asked_rated_correlation":
        return formats.change(guard["name"], guard["value"])
    return formats.number(guard["value"], 1 if guard["name"] == "kl_nats" else 2)


def _listed(names: list[str]) -> str:
    """Names of measures inside a sentence."""
    return ", ".join(name[:1].lower() + name[1:] for name in names)


def _measured(found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The mean with its interval, or None where there is none."""
    return found if found and found.get("mean") is not None and found.get("ci95") else None


def _prompts(report: Mapping[str, Any]) -> int | None:
    """Number of prompts compared: behind gold's difference, else behind the largest other comparison."""
    gold = (report["difference"].get("gold") or {}).get("n")
    if gold is not None:
        return int(gold)
    counts = [(each or {}).get("n") for each in (report.get("win_rate"), *report["difference"].values())]
    return max((int(count) for count in counts if count is not None), default=None)
