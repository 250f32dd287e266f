"""Stage "report": what was measured before and after, told as report.json, report.html and samples.jsonl."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish import __version__, files, progress
from burnish.evaluation.compare import compare, curve_point
from burnish.evaluation.page import TaskWords
from burnish.evaluation.report import make_report, write_report
from burnish.evaluation.samples import Sample
from burnish.loop import measure
from burnish.loop.gold import Gold
from burnish.loop.run import machine, versions

if TYPE_CHECKING:
    from burnish.loop.ring import Ring

Sides = dict[str, list[Sample]]
"""Measured samples of the test prompts, `before` and `after`."""


def tell(ring: Ring) -> None:
    """Write the run's report, and say its verdict."""
    last = ring.recipe.loop.rounds - 1
    judge = ring.judge()
    sides = _measured(ring, judge)
    curve = _curve(ring, judge)
    feedback = json.loads((ring.path / "feedback.json").read_text("utf-8"))
    card = ring.card(last)
    checkpoint = ring.promoted(last)
    ring.folder.update()  # counts this stage's time so far
    comparison = compare(sides["before"], sides["after"], seed=ring.recipe.seed)
    seconds = {name: round(value, 1) for name, value in ring.folder.status["seconds"].items()}
    report = make_report(
        comparison,
        recipe=ring.task.NAME,
        model=ring.recipe.model,
        seed=ring.recipe.seed,
        seconds={"total": round(sum(seconds.values()), 1), **seconds},
        peak_memory_gib=round(ring.folder.status["peak_memory_gib"], 3),
        feedback=feedback,
        card=card,
        gold_model=_gold_summary(ring),
        kl_budget_nats=ring.recipe.rl.kl_budget_nats,
        curve=curve,
        checkpoint=checkpoint.name,
        lineage=_lineage(ring, feedback, checkpoint),
        details=_details(ring, sides),
    )
    _write_pairs(ring.path / "samples.jsonl", sides)
    words = TaskWords(**{**ring.task.REPORT, **_own_words(ring)})
    write_report(ring.path, report, sides["before"], sides["after"], task=words, training_log=_log(ring), card=card)
    for reason in report.verdict["reasons"]:
        progress.say(str(reason))


def _measured(ring: Ring, judge: Gold | None) -> Sides:
    proxy, rating = ring.rewards(ring.recipe.loop.rounds - 1)
    prompts = ring.prompts["test"]
    drawn = {side: measure.read(ring.path / "samples" / f"{side}.jsonl") for side in ("before", "after")}
    return {
        side: measure.samples(prompts, found, proxy, rating, judge, heeds=ring.asks) for side, found in drawn.items()
    }


def _own_words(ring: Ring) -> dict[str, str]:
    judge = _gold_summary(ring).get("how")
    words = {"gold": f"The gold judge: {judge}, learned from texts that trained nothing else." if judge else ""}
    if not ring.asks:
        words |= {
            "people": f"The feedback given with --feedback ({ring.options.feedback}).",
            "reward": "A text's score is the score people are predicted to give it: higher is better.",
        }
    return words


def _curve(ring: Ring, judge: Gold | None) -> list[dict[str, Any]]:
    """Gold and the round's own proxy at every look, from its validation samples: gold chose nothing."""
    points = []
    prompts = ring.prompts["validation"]
    for number in range(ring.recipe.loop.rounds):
        proxy, rating = ring.rewards(number)
        for look in ring.folder.status[f"looks-{number}"]:
            drawn = measure.read(ring.path / "validation" / f"round-{number}-step-{look['step']:04d}.jsonl")
            found = measure.samples(prompts, drawn, proxy, rating, judge, heeds=ring.asks)
            step = look["step"] + _steps_before(ring, number)
            points.append({**curve_point(step, found, seed=ring.recipe.seed), "round": number})
    return points


def _log(ring: Ring) -> list[dict[str, Any]]:
    path = ring.path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [{**line, "step": line["step"] + _steps_before(ring, line["round"])} for line in lines]


def _steps_before(ring: Ring, number: int) -> int:
    """Return how many steps the rounds before this one took: pictures count on."""
    return sum(ring.folder.status[f"looks-{earlier}"][-1]["step"] for earlier in range(number))


def _gold_summary(ring: Ring) -> dict[str, Any]:
    path = ring.path / "checkpoints" / "gold" / "gold.json"
    if not path.exists():
        return {"how": None, "n_texts": len(ring.evidence.gold), "n_needed": ring.recipe.gold.least_signals}
    plain: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return {key: plain[key] for key in ("how", "n_texts", "pair_accuracy", "ci95")}


def _lineage(ring: Ring, feedback: dict[str, Any], checkpoint: Path) -> dict[str, Any]:
    last = ring.recipe.loop.rounds - 1
    learned, name = ring.learned(last), f"fit-{last}" if last else "fit"
    chain = [
        {"what": "checkpoint", "id": checkpoint.name, "note": f"GRPO, LoRA rank {ring.recipe.adapter.rank}"},
        {"what": "model", "id": ring.recipe.model, "note": "the untouched model: adapter off"},
        {"what": "reward model", "id": f"reward-{last}", "note": f"on {ring.recipe.model}"},
        {"what": "snapshot", "id": learned["snapshot"], "note": f"SHA-256 of signals/{name}.jsonl"},
        {"what": "feedback", "id": ", ".join(learned["sources"]), "note": f"{feedback['records']:,} records"},
    ]
    return {"chain": chain, "snapshot": learned["snapshot"]}


def _details(ring: Ring, sides: Sides) -> dict[str, Any]:
    recipe = ring.recipe
    empty = {side: sum(not sample.text.strip() for sample in found) for side, found in sides.items()}
    return {
        "versions": versions(),
        "machine": machine(),
        "dtype": recipe.dtype,
        "temperature": recipe.sampling.temperature,
        "most new tokens": recipe.sampling.max_new_tokens,
        "test prompts": len(ring.prompts["test"]),
        "samples of each": recipe.evaluation.samples,
        "empty texts, scored by nobody": f"{empty['before']} before, {empty['after']} after",
        "training ended": ring.folder.status[f"ended-{recipe.loop.rounds - 1}"],
        "code": __version__,
    }


def _write_pairs(path: Path, sides: Sides) -> None:
    pairs = zip(sides["before"], sides["after"], strict=True)
    plain = ({"prompt": old.prompt, "before": asdict(old), "after": asdict(new)} for old, new in pairs)
    files.write_atomic(path, "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in plain))
