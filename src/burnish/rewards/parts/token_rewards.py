"""What a score pays by token, where the score itself is scaled."""

from __future__ import annotations

from dataclasses import replace

from burnish.records import Score, Span


def scaled_by(factor: float, score: Score) -> tuple[Span, ...]:
    """Return the parts of a score that are paid by token, each times a factor."""
    return tuple(replace(part, severity=factor * part.severity) for part in score.token_rewards)
