"""The page: the report's figures put into words and rows, and the template filled with them.

Everything that may come from outside (prompts, completions, names) passes through the template's escaping; only our own
pictures are marked as safe. A policy in the page forbids programs and requests, should an escape ever be missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from burnish.evaluation import formats
from burnish.evaluation.compare import KEYS, smallest_detectable_difference
from burnish.evaluation.figures import LOGGED, WINDOW, Levels
from burnish.evaluation.pictures import accuracy_rows
from burnish.evaluation.reward_card import RewardCard
from burnish.evaluation.samples import Sample
from burnish.evaluation.side_by_side import Pair, pick, visible
from burnish.evaluation.svg import Picture
from burnish.evaluation.wording import glossary, wording

SECTIONS = ("verdict", "asked", "table", "asked_rated", "curve", "training", "guards", "card", "samples", "lineage")
"""Sections in order, by their heading's name in the wording; "how" and "glossary" follow."""


@dataclass(frozen=True, slots=True)
class TaskWords:
    """What a task says about itself in the report, in sentences; empty ones are left out."""

    title: str
    """The report's heading."""
    people: str = ""
    """What people were asked to judge, and what they were not."""
    model: str = ""
    """What every prompt asks of the model."""
    reward: str = ""
    """How a text's score follows, for the score trained on and for the judge alike."""
    gold: str = ""
    """How the independent judge was made."""
    bounds: tuple[float, float] = (-4.0, 4.0)
    """Lowest and highest rating people could give."""


def page(
    report: Mapping[str, Any],
    before: Sequence[Sample],
    after: Sequence[Sample],
    *,
    task: TaskWords,
    levels: Levels,
    pictures: Mapping[str, Picture],
    card: RewardCard | None,
    language: str = "en",
) -> str:
    """Return report.html for the mapping of report.json, the samples of both sides and the pictures drawn."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    say = wording(language)
    files = resources.files("burnish.evaluation")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    template = environment.from_string((files / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        say=say,
        language=language,
        style=Markup((files / "report.css").read_text(encoding="utf-8")),
        sections=(*SECTIONS, "how", "glossary"),
        report=report,
        task=task,
        pictures={name: (Markup(found.inline), found.width) for name, found in pictures.items()},
        lead=_lead(report, say),
        example=before[0] if before else None,
        rows=list(_rows(report, say)),
        level_rows=list(_level_rows(levels)),
        curve_rows=list(_curve_rows(report["curve"])),
        window=WINDOW,
        logged=[f"training_{name}" for name in LOGGED if f"training_{name}" in pictures],
        guards=list(_guards(report.get("guards") or [], say)),
        card=card,
        card_rows=list(_card_rows(card, say)),
        card_length=_card_length(card, say),
        card_coverage=_card_coverage(card, say),
        gold_text=_gold_text(report["gold_model"], say),
        pairs=_pairs(pick(before, after, seed=report["seed"] or 0)),
        chain=[{"what": "", "id": "", "note": "", **link} for link in report["lineage"].get("chain") or []],
        lineage=list(_flat({key: value for key, value in report["lineage"].items() if key != "chain"})),
        rows_of_run=[*_facts(report, len(after), say), *_flat(report.get("details") or {})],
        times=list(_times(report["seconds"])),
        glossary=glossary(language),
    )


def _lead(report: Mapping[str, Any], say: Mapping[str, str]) -> dict[str, Any]:
    """The main number, its interval as places on a bar, and the figures beside it."""
    found = report["difference"]["gold"]
    rate, before, after = report["win_rate"], report["before"], report["after"]
    sides = [formats.number(side["asked_rated_correlation"], 2) for side in (before, after)]
    beside = [
        (formats.percent(rate["mean"]), say["win_rate_short"]),
        (" \u2192 ".join(sides), say["correlation_short"]),
        (say["nats"].format(value=formats.number(report["kl_nats"], 1)), say["kl_short"]),
    ]
    lead: dict[str, Any] = {"number": formats.change("gold", found["mean"]), "bar": None, "beside": beside}
    if found["ci95"]:
        lead["bar"] = _bar(found["mean"], found["ci95"], spare=1.25)
        lead["interval"] = say["interval_of"].format(ci=formats.interval("gold", found["ci95"]), n=found["n"])
        lead["ends"] = say["worse_better"].split("|")
    return lead


def _bar(mean: float, bounds: Sequence[float], *, spare: float = 1.1) -> dict[str, Any]:
    """Places of an interval in percent of a bar whose middle is zero."""
    reach = max(abs(bounds[0]), abs(bounds[1]), abs(mean)) * spare or 1.0
    low, middle, high = (round(50 + 50 * value / reach, 2) for value in (bounds[0], mean, bounds[1]))
    apart = bounds[0] > 0 or bounds[1] < 0
    return {"low": low, "mean": middle, "width": round(high - low, 2), "apart": apart}


def _rows(report: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for key in KEYS:
        found = report["difference"][key]
        yield {
            "name": say[key],
            "note": say[f"{key}_note"],
            "before": formats.measure(key, report["before"][key]),
            "after": formats.measure(key, report["after"][key]),
            "difference": formats.change(key, found["mean"]),
            "interval": formats.interval(key, found["ci95"]),
            "bar": _bar(found["mean"], found["ci95"]) if found["ci95"] else None,
        }
    kl = report.get("kl") or {"mean": report["kl_nats"], "ci95": None}
    yield {
        "name": say["kl_nats"],
        "note": say["kl_nats_note"],
        "before": formats.number(0),
        "after": formats.number(kl["mean"], 1),
        "difference": formats.number(kl["mean"], 1, signed=True),
        "interval": " to ".join(formats.number(each, 1, signed=True) for each in kl["ci95"] or ()) or formats.NONE,
        "bar": _bar(kl["mean"], kl["ci95"]) if kl["ci95"] else None,
    }


def _level_rows(levels: Levels) -> Iterator[tuple[str, ...]]:
    after_of = {level.asked: level for level in levels.after}
    for old in levels.before:
        cells = [f"{old.words} ({formats.short(old.asked)})"]
        for level in (old, after_of.get(old.asked)):
            cells.append(formats.number(level.mean, 2, signed=True) if level else formats.NONE)
            found = level.interval if level else None
            cells.append(formats.interval("gold", (found.low, found.high)) if found else formats.NONE)
        yield tuple(cells)


def _curve_rows(curve: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for point in curve:
        cells = [str(point.get("step", formats.NONE)), formats.number(point.get("kl_nats"), 2)]
        for key in ("gold", "proxy"):
            cells.append(formats.number(point.get(key), 2))
            bounds = point.get(f"{key}_ci95")
            cells.append(formats.interval("gold", bounds, signed=False) if bounds else formats.NONE)
        yield tuple(cells)


def _guards(found: Sequence[Mapping[str, Any]], say: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for guard in found:
        name, value = guard["name"], guard["value"]
        unlimited = guard["low"] is None and guard["high"] is None
        limits = {side: formats.percent(guard[side], 0) for side in ("low", "high")}
        stands = say["of_before"].format(value=formats.percent(value, 1))
        if name == "kl_nats":
            limits["high"] = formats.number(guard["high"], 1)
            stands = say["nats"].format(value=formats.number(value, 1))
        elif name == "asked_rated_correlation":
            stands = say["change_by"].format(value=formats.change(name, value))
        yield {
            "name": say[name],
            "allowed": formats.NONE if unlimited else say[f"guard_{name}"].format(**limits),
            "found": formats.NONE if value is None else stands,
            "held": guard["held"],
        }


def _card_rows(card: RewardCard | None, say: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for name, found, _ in accuracy_rows(card, say) if card else ():
        bounds = formats.interval("win_rate", (found.low, found.high), signed=False)
        yield name, formats.percent(found.accuracy), bounds, f"{found.n_pairs:,}", f"{found.n_texts:,}"


def _card_length(card: RewardCard | None, say: Mapping[str, str]) -> str:
    if card is None or card.length_correlation is None:
        return ""
    people = formats.number(card.people_length_correlation, 2)
    return say["card_length"].format(ours=formats.number(card.length_correlation, 2), people=people)


def _card_coverage(card: RewardCard | None, say: Mapping[str, str]) -> str:
    if card is None or card.coverage is None:
        return ""
    return say["card_coverage"].format(share=formats.percent(card.coverage))


def _gold_text(gold: Mapping[str, Any], say: Mapping[str, str]) -> str:
    if gold["pair_accuracy"] is None or gold["n_texts"] is None:
        return ""
    share = formats.percent(gold["pair_accuracy"])
    if gold["ci95"]:
        share += f" ({formats.interval('win_rate', gold['ci95'], signed=False)})"
    return say["gold_text"].format(how=gold["how"] or formats.NONE, n=f"{gold['n_texts']:,}", share=share)


def _pairs(picked: Mapping[str, list[Pair]]) -> list[dict[str, Any]]:
    """The picked pairs as (kind, cards), each card with its prompt and both sides."""
    return [
        {
            "kind": kind,
            "cards": [
                {
                    "before": old,
                    "after": new,
                    "sides": [("before", old, _score(old), _rating(old)), ("after", new, _score(new), _rating(new))],
                }
                for old, new in pairs
            ],
        }
        for kind, pairs in picked.items()
        if pairs
    ]


def _score(sample: Sample) -> str:
    return "" if sample.gold is None else formats.number(sample.gold, 2)


def _rating(sample: Sample) -> str:
    return "" if sample.rated_gold is None else formats.number(sample.rated_gold, 1, signed=True)


def _facts(report: Mapping[str, Any], samples: int, say: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    gold, feedback = report["difference"]["gold"], report["feedback"]
    values: dict[str, Any] = {
        "row_recipe": report["recipe"],
        "row_model": report["model"],
        "row_seed": report["seed"],
        "row_checkpoint": report["checkpoint"],
        "row_prompts": gold["n"] or report["win_rate"]["n"],
        "row_samples": samples,
        "row_records": feedback["records"],
        "row_people": feedback["people"],
        "row_agreement": feedback["agreement"]["alpha"],
        "row_total": report["seconds"]["total"],
        "row_memory": report["peak_memory_gib"],
    }
    if gold["ci95"]:
        standard_error = (gold["ci95"][1] - gold["ci95"][0]) / (2 * 1.959964)
        values["row_detectable"] = smallest_detectable_difference(standard_error, 1)
    for name, value in values.items():
        if value is not None:
            yield say[name], _value(value)


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Rows of (name, value) of a nested mapping, names joined by a middle dot."""
    for key, value in mapping.items():
        name = f"{prefix} \u00b7 {key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif isinstance(value, list):
            yield name, ", ".join(map(_value, value))
        else:
            yield name, _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return formats.NONE if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return formats.number(value) if isinstance(value, float) else str(value)


def _times(seconds: Mapping[str, float | None]) -> Iterator[dict[str, Any]]:
    stages = {name: value for name, value in seconds.items() if name != "total" and value is not None}
    whole = sum(stages.values()) or 1.0
    for name, value in stages.items():
        share = value / whole
        yield {
            "name": name,
            "seconds": formats.number(value, 1),
            "share": formats.percent(share, 0),
            "width": 100 * share,
        }
