"""1 where an answer is one of its references, up to capitals, punctuation, articles and blanks; else 0 (SQuAD)."""

from __future__ import annotations

from burnish.maths import overlap
from burnish.records import Reward
from burnish.rewards.parts.references import AgainstReferences, Likeness, no_spec


def make(spec: str = "") -> Reward:
    """Return the reward `exact_match`."""
    no_spec("exact_match", spec)
    return AgainstReferences(measure, "exact_match")


def measure(text: str, reference: str) -> Likeness:
    """Return 1 for the same answer, 0 for another."""
    same = overlap.normal(text) == overlap.normal(reference)
    return Likeness(float(same), "the same answer" if same else f"not {reference[:60]!r}")
