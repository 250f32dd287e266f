"""From votes to weights and back: which model learned from which feedback, and what it changed.

A checkpoint in the store names the snapshot of signals it was trained on; the snapshot knows the feedback behind each
signal; a run's report says what the model was before and after. This puts the three beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from burnish.records import Checkpoint
from burnish.store import SnapshotInfo, Store
from burnish.store.read import STUDY_RUN
from burnish.studio.run_folders import Run


@dataclass(frozen=True, slots=True)
class Learned:
    """One checkpoint, the votes behind it and the report on it."""

    checkpoint: Checkpoint
    snapshot: SnapshotInfo | None
    by_study: Mapping[str, int]
    """Answers behind it, by study; under an empty name those from elsewhere."""
    people: Mapping[str, int]
    """Answers behind it, by author."""
    run: Run | None
    """The run whose report speaks of it."""

    @property
    def report(self) -> Mapping[str, Any]:
        return self.run.report if self.run else {}


Votes: TypeAlias = dict[tuple[str, str], Mapping[tuple[str, str], int]]
"""By snapshot and mark of the last erasure: how many answers of each (run, author) stand behind it."""


def lineage(store: Store, runs: Sequence[Run], counted: Votes) -> list[Learned]:
    """Return every checkpoint of the store, the newest first.

    `counted` is kept from one call to the next: a snapshot never changes but by an erasure, and counting the votes
    behind one of 100,000 takes a tenth of a second.
    """
    snapshots = {info.hash: info for info in store.snapshots()}
    reported = {str(run.report.get("checkpoint")): run for run in reversed(runs) if run.report.get("checkpoint")}
    erased = store.revision().rpartition("-")[2]
    found = []
    for each in reversed(store.checkpoints()):
        key = each.snapshot, erased
        if each.snapshot in snapshots and key not in counted:
            counted[key] = store.behind_snapshot(each.snapshot)
        found.append(_learned(each, snapshots.get(each.snapshot), counted.get(key, {}), reported.get(each.id)))
    return found


def _learned(
    checkpoint: Checkpoint, snapshot: SnapshotInfo | None, behind: Mapping[tuple[str, str], int], run: Run | None
) -> Learned:
    by_study: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for (name, author), count in behind.items():
        by_study[name.removeprefix(STUDY_RUN) if name.startswith(STUDY_RUN) else ""] += count
        people[author] += count
    return Learned(checkpoint, snapshot, dict(by_study), dict(people), run)
