"""What a run learns from: the recipe's feedback, the user's (a file, a store, a snapshot), or both.

The user's feedback is read once and kept in the run folder, so that a run that goes on learns from what it began with,
whatever became of the file or the store since.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from burnish import files, progress
from burnish.errors import InputError
from burnish.feedback.evidence import Evidence
from burnish.feedback.intake import Problem, read_entries
from burnish.feedback.overview import Overview, overview
from burnish.feedback.signals import signals_from
from burnish.maths import agreement as agreements
from burnish.plain import signal_from_plain, snapshot_hash, snapshot_lines
from burnish.records import Checkpoint, Completion, Preference, Prompt, Score, Signal, share_of
from burnish.store.entry import Entry

GOLD_SHARE, TEST_SHARE, CALIBRATION_SHARE = 0.20, 0.10, 0.10
ENOUGH_TO_TEST = 200  # with fewer signals, all that gold leaves is learned from
SHOWN_PROBLEMS = 20
PARTS = ("fit", "calibration", "test", "gold")
DEFAULT_STORE = "sqlite:///burnish.db"


@dataclass(frozen=True)
class Brought:
    """The user's feedback as signals, split, and how far its authors agree."""

    evidence: Evidence
    agreement: Mapping[str, Any]
    store: str = ""
    """URL of the store it came from; empty for a file."""


def bring(feedback: str, db: str | None = None) -> Brought:
    """Return the user's feedback: a JSONL file, a store's URL, or the hash of a snapshot in the store `db`.

    Split by the hash of the prompt: a fifth for gold, and where there is enough of it a tenth each for test and
    calibration. A bad line is named and left out. Raises InputError when there is nothing to learn from.
    """
    if re.fullmatch(r"[0-9a-f]{64}", feedback):
        found = _snapshot(feedback, db or DEFAULT_STORE)
    else:
        url = feedback if "://" in feedback else ""
        entries = list(_stored(url) if url else _lines(feedback))
        seen = overview(entries)
        found = Brought(_split(signals_from(entries), feedback, seen), _agreement_of(seen), url)
    if not found.evidence.fit:
        raise InputError(
            f"--feedback {feedback}: nothing to learn from in {found.evidence.records:,} records "
            f"({_counted(found.evidence.by_kind)}). Bring ratings, thumbs, comparisons, rankings or corrections."
        )
    return found


def joined(task: ModuleType, own: Brought | None, *, mix: bool) -> Evidence:
    """Return the evidence of a run: the recipe's, the user's, or (`mix`) both, each part joined with its like.

    In a mix the recipe's test and calibration stay as they are; what the user's would have held is learned from.
    """
    if own is not None and not mix:
        return own.evidence
    base: Evidence = task.evidence()
    if own is None:
        return base
    brought = own.evidence
    return replace(
        base,
        fit=brought.fit + brought.calibration + brought.test + base.fit,
        gold=base.gold + brought.gold,
        records=base.records + brought.records,
        people=(base.people or 0) + (brought.people or 0),
        by_kind=dict(Counter(base.by_kind) + Counter(brought.by_kind)),
        sources=base.sources + brought.sources,
        gold_sources=base.gold_sources + brought.gold_sources,
    )


def _counted(by_kind: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in by_kind.items()) or "none"


# ---------------------------------------------------------------------------------------------------- reading it


def _stored(url: str) -> Iterable[Entry]:
    from burnish.store import open_store

    with open_store(url, create=False) as store:
        yield from store.entries()


def _lines(feedback: str) -> Iterable[Entry]:
    if not Path(feedback).exists():
        raise InputError(
            f"--feedback {feedback}: there is no such file. Give a JSONL file, a store such as sqlite:///burnish.db, "
            "or the hash of a snapshot (64 digits; --db says in which store)."
        )
    bad = 0
    for entry in read_entries(feedback):
        if isinstance(entry, Problem):
            bad += 1
            if bad <= SHOWN_PROBLEMS:
                progress.say(str(entry))
        else:
            yield entry
    if bad:
        left_out = f" (the first {SHOWN_PROBLEMS} are named above)" if bad > SHOWN_PROBLEMS else ""
        progress.say(f"{feedback}: {bad:,} bad line(s) left out{left_out}; the others are used")


def _snapshot(name: str, url: str) -> Brought:
    from burnish.store import open_store

    with open_store(url, create=False) as store:
        signals = store.load_snapshot(name)
        ids = dict.fromkeys(each for signal in signals for each in signal.feedback_ids)
        records = [record for each in ids if (record := store.feedback(each))]
    people = len({record.author.id for record in records if record.author.kind == "human" and record.author.id})
    kinds = dict(sorted(Counter(record.kind for record in records).items()))
    evidence = replace(_split(signals, name), records=len(ids), people=people, by_kind=kinds)
    return Brought(evidence, agreement(evidence), url)


def _split(signals: Sequence[Signal], source: str, seen: Overview | None = None) -> Evidence:
    usable = [signal for signal in signals if isinstance(signal, Score | Preference)]
    parts: dict[str, list[Signal]] = {part: [] for part in PARTS}
    for signal in usable:
        parts[_part(signal, len(usable))].append(signal)
    if not parts["fit"]:
        parts["fit"], parts["gold"] = parts["gold"], []  # so few prompts that the hash put all of them aside
    return Evidence(
        fit=tuple(parts["fit"]),
        calibration=tuple(signal for signal in parts["calibration"] if isinstance(signal, Score)),
        test=tuple(parts["test"]),
        gold=tuple(parts["gold"]),
        records=seen.records if seen else 0,
        people=seen.people if seen else None,
        by_kind=dict(seen.by_kind) if seen else {},
        sources=(f"{source}:proxy",),
        gold_sources=(f"{source}:gold",),
    )


def _part(signal: Score | Preference, count: int) -> str:
    share = share_of(signal.prompt.id, "gold")
    if share < GOLD_SHARE:
        return "gold"
    if count >= ENOUGH_TO_TEST and share < GOLD_SHARE + TEST_SHARE:
        return "test"
    if count >= ENOUGH_TO_TEST and share < GOLD_SHARE + TEST_SHARE + CALIBRATION_SHARE and isinstance(signal, Score):
        return "calibration"
    return "fit"


# -------------------------------------------------------------------------------------------------- keeping it


def keep(folder: Path, brought: Brought) -> None:
    """Write the user's feedback into the run folder, whole or not at all."""
    evidence = brought.evidence
    with files.publish(folder) as temporary:
        for part in PARTS:
            write(temporary / f"{part}.jsonl", getattr(evidence, part))
        about = {
            "records": evidence.records,
            "people": evidence.people,
            "by_kind": dict(evidence.by_kind),
            "sources": list(evidence.sources),
            "gold_sources": list(evidence.gold_sources),
            "agreement": dict(brought.agreement),
            "store": brought.store,
        }
        (temporary / "about.json").write_text(json.dumps(about), "utf-8")


def kept(folder: Path) -> Brought | None:
    """Return what `keep` wrote, None when it did not yet. Raises DamagedFileError when it changed since."""
    if not folder.exists():
        return None
    files.verify(folder)
    about = json.loads((folder / "about.json").read_text("utf-8"))
    agreed, store = about.pop("agreement"), about.pop("store")
    sources: Any = {name: tuple(about.pop(name)) for name in ("sources", "gold_sources")}
    parts: Any = {part: tuple(read(folder / f"{part}.jsonl")) for part in PARTS}
    return Brought(Evidence(**parts, **sources, **about), agreed, store)


def write(path: Path, signals: Sequence[Signal]) -> None:
    """Write signals, one canonical line each: the file's SHA-256 is `plain.snapshot_hash`."""
    files.write_atomic(path, "".join(line + "\n" for line in snapshot_lines(signals)))


def read(path: Path) -> list[Signal]:
    """Return the signals that `write` wrote."""
    return [signal_from_plain(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def save_snapshots(brought: Brought) -> None:
    """Save what is about to be learned from in the user's store, so that erasing somebody's words can name it."""
    from burnish.store import open_store

    with open_store(brought.store, create=False) as store:
        for part in PARTS:
            if signals := getattr(brought.evidence, part):
                store.save_snapshot(signals)


def record(brought: Brought, checkpoints: Sequence[Checkpoint]) -> None:
    """Write down in the user's store which checkpoints learned from its words; a store that is gone is only told of."""
    from burnish.store import open_store

    try:
        with open_store(brought.store, create=False) as store:
            for checkpoint in checkpoints:
                store.record_checkpoint(replace(checkpoint, snapshot=snapshot_hash(brought.evidence.fit)))
    except InputError as error:
        progress.say(f"the store was not told which checkpoints learned from it: {error}")


# ------------------------------------------------------------------------------------------- what it is made of


def with_scripted(evidence: Evidence, task: ModuleType, drawn: Sequence[tuple[Prompt, Completion]]) -> Evidence:
    """Return the evidence with what the task's rule author says of fresh samples, on the scale of people's ratings."""
    said = task.scripted_feedback([prompt for prompt, _ in drawn], [c for _, c in drawn], _slope(evidence, task))
    return replace(
        evidence,
        fit=tuple(said) + evidence.fit,
        records=evidence.records + len(said),
        by_kind={**evidence.by_kind, "rating": evidence.by_kind.get("rating", 0) + len(said)},
        sources=(*evidence.sources, *sorted({signal.source for signal in said})),
    )


def _slope(evidence: Evidence, task: ModuleType, most: int = 2_000) -> float:
    """Return people's rating units per unit of the rule author's: least squares through zero on texts learned from."""
    rated = [signal for signal in evidence.fit if isinstance(signal, Score) and signal.value is not None][:most]
    ruled = task.scripted_feedback([score.prompt for score in rated], [score.completion for score in rated], 1.0)
    by_rule = np.array([rule.value for rule in ruled], float)
    by_people = np.array([score.value for score in rated], float)
    squares = float(by_rule @ by_rule)
    return float(by_rule @ by_people) / squares if squares > 0 else 1.0


def agreement(evidence: Evidence) -> dict[str, Any]:
    """Return Krippendorff's alpha of all rated texts with its interval; null, with the reason, where undefined."""
    scores = [s for part in PARTS for s in getattr(evidence, part)]
    counted = [s.counts for s in scores if isinstance(s, Score) and sum(n for _, n in s.counts) > 1]
    if len(counted) < 2:
        return {"alpha": None, "ci95": None, "reason": "fewer than two texts were rated by more than one person"}
    values = sorted({value for counts in counted for value, _ in counts})
    table = np.zeros((len(counted), len(values)))
    place = {value: number for number, value in enumerate(values)}
    for row, counts in enumerate(counted):
        for value, count in counts:
            table[row, place[value]] += count
    found = agreements.alpha(agreements.from_matrix(table, values), "interval")
    return {"alpha": found.alpha, "ci95": found.ci95, "reason": found.reason}


def _agreement_of(seen: Overview) -> dict[str, Any]:
    """Return alpha of the kind with most answers that has one; null, with every kind's reason, where none has."""
    plain: dict[str, Any] = seen.to_plain()["agreement"]
    if plain["alpha"] is None:
        reasons = [f"{kind}: {found.reason}" for kind, found in seen.agreement.items()]
        plain["reason"] = "; ".join(reasons) or "no kind of answer on which people could agree"
    return plain


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
