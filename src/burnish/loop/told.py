"""What a training run says in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping


def headline(told: Mapping[str, float]) -> str:
    """Return the first three of a step's numbers that matter most."""
    names = [
        name
        for name in ("reward", "loss", "kl_nats", "pair_accuracy", "nll")
        if math.isfinite(told.get(name, math.nan))
    ]
    return ", ".join(f"{name} {told[name]:.3g}" for name in names[:3])


def left_out(method: str, what: str, counted: Mapping[str, int]) -> str:
    """Return what was not learned from and why, the commonest reason first; empty where all was."""
    reasons = sorted(((n, reason) for reason, n in counted.items() if n), key=lambda each: -each[0])
    return f"{method}: {what}: {', '.join(f'{reason} ({n:,})' for n, reason in reasons)}" if reasons else ""
