"""From votes to weights and back: which model learned from which feedback, and what it changed.

A checkpoint in the store names the snapshot of signals it was trained on; the snapshot knows the feedback behind each
signal; a run's report says what the model was before and after. This puts the three beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


def lineage(store: Store, runs: Sequence[Run]) -> list[Learned]:
    """Return every checkpoint of the store, the newest first."""
    snapshots = {info.hash: info for info in store.snapshots()}
    reported = {str(run.report.get("checkpoint")): run for run in reversed(runs) if run.report.get("checkpoint")}
    return [_learned(store, each, snapshots, reported) for each in reversed(store.checkpoints())]


def _learned(
    store: Store, checkpoint: Checkpoint, snapshots: Mapping[str, SnapshotInfo], reported: Mapping[str, Run]
) -> Learned:
    behind = store.behind_snapshot(checkpoint.snapshot) if checkpoint.snapshot in snapshots else {}
    by_study: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for (run, author), count in behind.items():
        by_study[run.removeprefix(STUDY_RUN) if run.startswith(STUDY_RUN) else ""] += count
        people[author] += count
    return Learned(
        checkpoint, snapshots.get(checkpoint.snapshot), dict(by_study), dict(people), reported.get(checkpoint.id)
    )
