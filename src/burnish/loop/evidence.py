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
from burnish.feedback.answers import SignalConfig
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
ENOUGH_FOR_GOLD = 50  # a fifth of fewer makes no judge (gold.least_signals >= 10), so all of them are learned from
SHOWN_PROBLEMS = 20
PARTS = ("fit", "calibration", "test", "gold")
_SNAPSHOT = re.compile(r"[0-9a-f]{64}")
DEFAULT_STORE = "sqlite:///burnish.db"


@dataclass(frozen=True)
class Brought:
    """The user's feedback as signals, split, and how far its authors agree."""

    evidence: Evidence
    agreement: Mapping[str, Any]
    store: str = ""
    """URL of the store it came from; empty for a file."""


def bring(feedback: str, db: str | None = None, *, aspect: str = "", heard: SignalConfig | None = None) -> Brought:
    """Return the user's feedback: a JSONL file, a store's URL, or the hash of a snapshot in the store `db`.

    Split by the hash of the prompt, where there is enough of it: a fifth for gold, a tenth each for test and
    calibration. A bad line is named and left out. Only one aspect is kept: the one asked for, else what speaks of the
    whole, else the only one there is. `heard` says how answers become signals; in a snapshot they are already.
    Raises InputError when there is nothing to learn from, or several aspects.
    """
    if _SNAPSHOT.fullmatch(feedback):
        found = _snapshot(feedback, db or DEFAULT_STORE, aspect)
    else:
        url = feedback if "://" in feedback else ""
        entries = list(_stored(url) if url else _lines(feedback))
        seen = overview(entries)
        signals = _of_one_aspect(signals_from(entries, heard), aspect)
        found = Brought(_split(signals, feedback, seen), _agreement_of(seen), url)
    if not found.evidence.fit:
        raise InputError(
            f"--feedback {feedback}: nothing to learn from in {found.evidence.records:,} records "
            f"({_counted(found.evidence.by_kind)}). Bring ratings, thumbs, comparisons, rankings or corrections."
        )
    return found


def entries_of(feedback: str) -> Iterable[Entry]:
    """Return what people said, from a JSONL file (a bad line is named and left out) or a store's URL."""
    return _stored(feedback) if "://" in feedback else _lines(feedback)


def is_snapshot(feedback: str) -> bool:
    """Return whether the user's feedback is named by a snapshot's hash."""
    return _SNAPSHOT.fullmatch(feedback) is not None


def loaded(snapshot: str, db: str | None = None) -> list[Signal]:
    """Return the signals of a snapshot in the store `db`."""
    from burnish.store import open_store

    with open_store(db or DEFAULT_STORE, create=False) as store:
        return list(store.load_snapshot(snapshot))


def is_stored(feedback: str) -> bool:
    """Return whether the user's feedback is named by a store's URL or a snapshot's hash, and not by a file."""
    return "://" in feedback or _SNAPSHOT.fullmatch(feedback) is not None


def no_such_file(feedback: str) -> InputError:
    """Return the error for feedback that is not there."""
    return InputError(
        f"--feedback {feedback}: there is no such file. Give a JSONL file, a store such as sqlite:///burnish.db, "
        "or the hash of a snapshot (64 digits; --db says in which store)."
    )


def joined(task: ModuleType, own: Brought | None, *, mix: bool, most: int) -> Evidence:
    """Return the evidence of a run: the recipe's, the user's, or (`mix`) both, each part joined with its like.

    In a mix the recipe's test and calibration stay as they are; what the user's would have held is learned from. At
    most `most` signals are learned from, chosen by hash: all of the user's before any of the recipe's.
    """
    if own is not None and not mix:
        return _apart(replace(own.evidence, fit=tuple(choose(own.evidence.fit, most))))
    base: Evidence = task.evidence()
    if own is None:
        return _apart(replace(base, fit=tuple(choose(base.fit, most))))
    brought = own.evidence
    mine = choose(learned(own, mix=True), most)
    return _apart(
        replace(
            base,
            fit=(*mine, *choose(base.fit, most - len(mine))),
            gold=base.gold + brought.gold,
            records=base.records + brought.records,
            people=None if base.people is None or brought.people is None else base.people + brought.people,
            by_kind=dict(Counter(base.by_kind) + Counter(brought.by_kind)),
            sources=base.sources + brought.sources,
            gold_sources=base.gold_sources + brought.gold_sources,
        )
    )


def _apart(evidence: Evidence) -> Evidence:
    """Return the evidence without test and gold signals on texts that are also learned from: people repeat texts."""
    known = {text for signal in evidence.fit + evidence.calibration for text in _texts(signal)}
    test = tuple(signal for signal in evidence.test if known.isdisjoint(_texts(signal)))
    gold = tuple(signal for signal in evidence.gold if known.isdisjoint(_texts(signal)))
    if dropped := len(evidence.test) + len(evidence.gold) - len(test) - len(gold):
        progress.say(f"feedback: left out {dropped:,} of the signals set aside, on texts that are learned from too")
    return replace(evidence, test=test, gold=gold)


def _texts(signal: Signal) -> set[tuple[str, str]]:
    completions = signal.completions if isinstance(signal, Preference) else (signal.completion,)
    return {(signal.prompt.id, completion.text.strip().casefold()) for completion in completions}


def learned(own: Brought, *, mix: bool) -> tuple[Signal, ...]:
    """Return the user's signals that a checkpoint owes something to: fitted to, or used to set the reward's scale."""
    evidence = own.evidence
    return evidence.fit + evidence.calibration + (evidence.test if mix else ())


def choose(signals: Sequence[Signal], most: int) -> list[Signal]:
    """Return at most `most` signals, those of the lowest hash, in their given order."""
    if len(signals) <= most:
        return list(signals)
    order = sorted(range(len(signals)), key=lambda i: (share_of("".join(_completion_ids(signals[i])), "chosen"), i))
    return [signals[i] for i in sorted(order[: max(most, 0)])]


def _completion_ids(signal: Signal) -> list[str]:
    return [c.id for c in signal.completions] if isinstance(signal, Preference) else [signal.completion.id]


def _counted(by_kind: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in by_kind.items()) or "none"


# ---------------------------------------------------------------------------------------------------- reading it


def _stored(url: str) -> Iterable[Entry]:
    from burnish.store import open_store

    with open_store(url, create=False) as store:
        yield from store.entries()


def _lines(feedback: str) -> Iterable[Entry]:
    if not Path(feedback).exists():
        raise no_such_file(feedback)
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


def _snapshot(name: str, url: str, aspect: str) -> Brought:
    from burnish.store import open_store

    with open_store(url, create=False) as store:
        signals = _of_one_aspect(store.load_snapshot(name), aspect)
        ids = dict.fromkeys(each for signal in signals for each in signal.feedback_ids)
        records = [record for each in ids if (record := store.feedback(each))]
    people = len({record.author.id for record in records if record.author.kind == "human" and record.author.id})
    kinds = dict(sorted(Counter(record.kind for record in records).items()))
    evidence = replace(_split(signals, name), records=len(ids), people=people, by_kind=kinds)
    return Brought(evidence, agreement(evidence), url)


def _of_one_aspect(signals: Sequence[Signal], wanted: str) -> list[Score | Preference]:
    """Return the scores and preferences that speak of one aspect: two would be two targets of one reward.

    What words were read to speak of is no question to the user where something was rated or compared outright.
    """
    usable = [signal for signal in signals if isinstance(signal, Score | Preference)]
    counts = Counter(signal.aspect for signal in usable)
    outright = Counter(s.aspect for s in usable if not (isinstance(s, Score) and s.source == "comment")) or counts
    if usable and wanted not in counts and (wanted or len(outright) > 1):
        there = ", ".join(f"{name or 'none'} ({count:,})" for name, count in counts.most_common())
        raise InputError(
            f"--feedback: it speaks of these aspects: {there}. A reward is learned from one of them: "
            "choose it with --set reward.aspect=NAME."
        )
    aspect = wanted if wanted in (counts if wanted else outright) else next(iter(outright), "")
    if left_out := sum(counts.values()) - counts[aspect]:
        progress.say(f"feedback: {aspect or 'the whole'!r} is learned; left out {left_out:,} on other aspects")
    return [signal for signal in usable if signal.aspect == aspect]


def _split(usable: Sequence[Score | Preference], source: str, seen: Overview | None = None) -> Evidence:
    parts: dict[str, list[Signal]] = {part: [] for part in PARTS}
    for signal in usable:
        parts[_part(signal, len(usable))].append(signal)
    if not parts["fit"]:  # so few prompts that the hash put all of them aside
        largest = max(PARTS, key=lambda part: len(parts[part]))
        parts["fit"], parts[largest] = parts[largest], []
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
    if count < ENOUGH_FOR_GOLD:
        return "fit"
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


def save_snapshots(brought: Brought, fit: Sequence[Signal], *, mix: bool) -> None:
    """Save what is about to be learned from in the user's store, so that erasing somebody's words can name it.

    fit: the signals of the run, of which those of the user count as a snapshot of their own when they are all.
    """
    from burnish.store import open_store

    with open_store(brought.store, create=False) as store:
        for signals in (
            () if mix else fit,
            learned(brought, mix=mix),
            *(getattr(brought.evidence, part) for part in PARTS),
        ):
            if signals:
                store.save_snapshot(signals)


def record(brought: Brought, checkpoint: Checkpoint, *, mix: bool) -> None:
    """Write down in the user's store that a checkpoint learned from its words; a store that is gone is only told of."""
    from burnish.store import open_store

    try:
        with open_store(brought.store, create=False) as store:
            store.record_checkpoint(replace(checkpoint, snapshot=snapshot_hash(learned(brought, mix=mix))))
    except InputError as error:
        progress.say(f"the store was not told that {checkpoint.id} learned from it: {error}")


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
