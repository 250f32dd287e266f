"""A store in which a few people have answered, and a run folder beside it: small, made in milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store

HOSTILE = "<script>alert('x')</script> & <b>bold</b>"


def answer(
    name: str, kind: str, texts: tuple[Completion, ...], value: dict[str, Any], who: str, **more: Any
) -> Feedback:
    """Return an answer given in the study `films`."""
    metadata = {"study": "films", "version": 1, "question": kind, **more.pop("metadata", {})}
    ids = tuple(text.id for text in texts)
    time = more.pop("time", "2026-11-20T10:00:00Z")
    author = more.pop("author", Author(who))
    return Feedback(
        name, kind, texts[0].prompt_id, ids, value, author, time=time, run="studio:films", metadata=metadata, **more
    )


def fill(store: Store, items: int = 16) -> None:
    """Three people compare pairs (cy always says the opposite), rate the first text and now and then say why."""
    for number in range(items):
        prompt = Prompt.of(f"Which is better, {number}?")
        good, bad = (
            Completion(prompt.id, f"good {number} {HOSTILE}"),
            Completion(prompt.id, f"a long and vague text {number}"),
        )
        said = []
        for who in ("ana", "ben", "cy"):
            shown = (good, bad) if (number + len(who)) % 2 else (bad, good)
            chosen = shown.index(good if who != "cy" else bad)
            item = {"item": f"i{number}"}
            when = f"2026-11-20T{8 + number // 60:02}:{number % 60:02}:00Z"
            more: dict[str, Any] = {"metadata": item, "time": when, "seconds_spent": 7.5}
            said.append(answer(f"{number}-{who}-c", "comparison", shown, {"chosen": chosen}, who, **more))
            grade = 1 + (number + (3 if who == "cy" else 0)) % 5
            said.append(answer(f"{number}-{who}-r", "rating", (good,), {"rating": grade, "scale": [1, 5]}, who, **more))
            if number % 3 == 0:
                words = "too long and unclear" if who == "cy" else "short and clear, nice"
                said.append(answer(f"{number}-{who}-w", "comment", (good,), {"comment": words}, who, **more))
        judge = {"author": Author("judge", "ai"), "metadata": {"orders": [1.0, 1.0]}}
        said.append(answer(f"{number}-judge", "comparison", (good, bad), {"chosen": 0}, "", **judge))
        store.submit(Entry(prompt, (good, bad), tuple(said)))


def run_folder(root: Path, name: str = "reviews-0", *, state: str = "done", steps: int = 12, **report: Any) -> Path:
    """Return a run folder as `burnish run` leaves it."""
    folder = root / name
    (folder / "validation").mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": state, "done": [], "seconds": {}}), "utf-8")
    lines = [
        {"step": step, "round": 0, "reward": step / 10, "kl_nats": step / 5, "length": 20, "loss": 0.1, "seconds": 9.0}
        for step in range(1, steps + 1)
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 13, "rew', "utf-8"
    )
    for step in (0, 6):
        rows = [{"prompt_id": f"p{number}", "text": f"step {step} says {HOSTILE}"} for number in range(5)]
        file = folder / "validation" / f"round-0-step-{step:04}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    if report:
        (folder / "report.json").write_text(json.dumps(report), "utf-8")
        (folder / "report.html").write_text("<!doctype html><title>Report</title><style>p{color:red}</style>", "utf-8")
    return folder


REPORT: dict[str, Any] = {
    "checkpoint": "k_1",
    "kl_budget_nats": 12.0,
    "verdict": {"improved": True, "reasons": ["The model got better: the judge's score rose by 0.31."], "warnings": []},
    "before": {"gold": -1.2, "length": 30.0},
    "after": {"gold": -0.9, "length": 30.5},
    "difference": {"gold": {"mean": 0.3, "ci95": [0.2, 0.4], "n": 9}, "length": {"mean": 0.5, "ci95": [-1, 2], "n": 9}},
    "curve": [
        {"step": 0, "kl_nats": 0.0, "gold": -1.0, "gold_ci95": [-1.3, -0.7], "proxy": -1.0, "proxy_ci95": [-1.2, -0.8]},
        {"step": 6, "kl_nats": 2.2, "gold": -0.9, "gold_ci95": [-1.2, -0.6], "proxy": -0.8, "proxy_ci95": [-1.0, -0.6]},
    ],
}
