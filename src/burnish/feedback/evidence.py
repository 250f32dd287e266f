"""What a round learns from: signals split into parts that never meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish.records import Score, Signal


@dataclass(frozen=True, slots=True)
class Evidence:
    """Signals of one round, split once and for all by hash; what one part holds no other part sees."""

    fit: tuple[Signal, ...]
    """What the reward model is trained on."""
    calibration: tuple[Score, ...] = ()
    """Scores that set the reward model's scale, and nothing else."""
    test: tuple[Signal, ...] = ()
    """What the reward model's card is measured on."""
    gold: tuple[Signal, ...] = ()
    """What the judge of the report is learned from; the reward model never sees it."""
    other_domains: Mapping[str, tuple[Score, ...]] = field(default_factory=dict)
    """Sets of another kind of text, never trained on."""
    records: int = 0
    """Pieces of feedback behind all of it."""
    people: int | None = None
    """Distinct authors; None where they are anonymous."""
    by_kind: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    gold_sources: tuple[str, ...] = ()
