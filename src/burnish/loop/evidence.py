"""What a run learns from: the recipe's feedback, the user's (a file, a store, a snapshot), or both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from burnish import files, progress
from burnish.errors import InputError
from burnish.feedback.evidence import Evidence
from burnish.feedback.intake import Problem, read_entries
from burnish.feedback.signals import signals_from
from burnish.maths import agreement as agreements
from burnish.records import (
    Completion,
    Preference,
    Prompt,
    Score,
    Signal,
    share_of,
    signal_from_plain,
    snapshot_lines,
)
from burnish.store.entry import Entry

GOLD_SHARE, TEST_SHARE, CALIBRATION_SHARE = 0.20, 0.10, 0.10


def gather(task: ModuleType, feedback: str | None, *, mix: bool) -> Evidence:
    """Return the evidence of a run. User's prompts are split by hash: 20% for gold, then 10% test, 10% calibration."""
    if feedback is None:
        found: Evidence = task.evidence()
        return found
    entries = list(_entries(feedback))
    own = _split(entries, feedback)
    if not mix:
        return own
    base: Evidence = task.evidence()
    return replace(
        base,
        fit=own.fit + own.calibration + own.test + base.fit,
        gold=base.gold,
        records=base.records + own.records,
        people=own.people,
        by_kind=dict(Counter(base.by_kind) + Counter(own.by_kind)),
        sources=base.sources + own.sources,
    )


def _entries(feedback: str) -> Iterable[Entry]:
    if "://" in feedback:
        from burnish.store import open_store

        with open_store(feedback, create=False) as store:
            yield from store.entries()
        return
    if not Path(feedback).exists():
        raise InputError(
            f"--feedback {feedback}: no such file. Give a JSONL file, or a store such as sqlite:///burnish.db."
        )
    bad = 0
    for entry in read_entries(feedback):
        if isinstance(entry, Problem):
            bad += 1
            if bad <= 20:
                progress.say(f"{entry.file}:{entry.line}: {entry.reason}")
        else:
            yield entry
    if bad:
        progress.say(f"{feedback}: {bad} line(s) could not be used")


def _split(entries: Sequence[Entry], source: str) -> Evidence:
    signals = signals_from(entries)
    parts: dict[str, list[Signal]] = {"gold": [], "test": [], "calibration": [], "fit": []}
    for signal in signals:
        if not isinstance(signal, Score | Preference):
            continue
        share = share_of(signal.prompt.id, "gold")
        if share < GOLD_SHARE:
            part = "gold"
        elif share < GOLD_SHARE + TEST_SHARE and len(signals) >= 200:
            part = "test"
        elif share < GOLD_SHARE + TEST_SHARE + CALIBRATION_SHARE and len(signals) >= 200 and isinstance(signal, Score):
            part = "calibration"
        else:
            part = "fit"
        parts[part].append(signal)
    if not parts["fit"]:
        parts["fit"], parts["gold"] = parts["gold"], []  # so few that the hash put all of them aside
    authors = {(f.author.kind, f.author.id) for e in entries for f in e.feedback if f.author.id}
    kinds = Counter(f.kind for e in entries for f in e.feedback)
    return Evidence(
        fit=tuple(parts["fit"]),
        calibration=tuple(s for s in parts["calibration"] if isinstance(s, Score)),
        test=tuple(parts["test"]),
        gold=tuple(parts["gold"]),
        records=sum(kinds.values()),
        people=len(authors),
        by_kind=dict(kinds),
        sources=(f"{source}:proxy",),
        gold_sources=(f"{source}:gold", "minilm"),
    )


def with_scripted(evidence: Evidence, task: ModuleType, drawn: Sequence[tuple[Prompt, Completion]]) -> Evidence:
    """Return the evidence with what the task's rule author says of fresh samples put first."""
    said = task.scripted_feedback([prompt for prompt, _ in drawn], [completion for _, completion in drawn], 1.0)
    return replace(
        evidence,
        fit=tuple(said) + evidence.fit,
        records=evidence.records + len(said),
        by_kind={**evidence.by_kind, "rule": evidence.by_kind.get("rule", 0) + len(said)},
        sources=(*evidence.sources, "rule:lexicon"),
    )


def agreement(evidence: Evidence) -> dict[str, Any]:
    """Return Krippendorff's alpha of all rated texts with its interval; null where nobody rated what another did."""
    scores = [s for part in (evidence.fit, evidence.calibration, evidence.test, evidence.gold) for s in part]
    counted = [s.counts for s in scores if isinstance(s, Score) and sum(n for _, n in s.counts) > 1]
    if len(counted) < 2:
        return {"alpha": None, "ci95": None}
    values = sorted({value for counts in counted for value, _ in counts})
    table = np.zeros((len(counted), len(values)))
    place = {value: number for number, value in enumerate(values)}
    for row, counts in enumerate(counted):
        for value, count in counts:
            table[row, place[value]] += count
    found = agreements.alpha(agreements.from_matrix(table, values), "interval")
    return {"alpha": found.alpha, "ci95": found.ci95, "reason": found.reason}


def evenly(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """Return `count` prompts, by hash, as evenly over what they ask for as the count allows."""
    by_asked: dict[str, list[Prompt]] = {}
    for prompt in sorted(prompts, key=lambda p: share_of(p.id, "chosen")):
        by_asked.setdefault(str(prompt.metadata.get("asked_words", "")), []).append(prompt)
    chosen: list[Prompt] = []
    place = 0
    while len(chosen) < min(count, len(prompts)):
        for level in sorted(by_asked):
            if place < len(by_asked[level]) and len(chosen) < count:
                chosen.append(by_asked[level][place])
        place += 1
    return chosen


def write(path: Path, signals: Sequence[Signal]) -> None:
    """Write a snapshot: its SHA-256 is `records.snapshot_hash`."""
    files.write_atomic(path, "".join(line + "\n" for line in snapshot_lines(signals)))


def read(path: Path) -> list[Signal]:
    """Return the signals that `write` wrote."""
    import json

    return [signal_from_plain(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
