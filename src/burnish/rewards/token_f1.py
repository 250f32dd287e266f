"""F1 of an answer's tokens against its references: how extractive question answering is scored (SQuAD), in [0, 1]."""

from __future__ import annotations

from burnish.maths import overlap
from burnish.records import Reward
from burnish.rewards.parts.references import AgainstReferences, Likeness, no_spec


def make(spec: str = "") -> Reward:
    """Return the reward `token_f1`."""
    no_spec("token_f1", spec)
    return AgainstReferences(measure, "token_f1")


def measure(text: str, reference: str) -> Likeness:
    """Return the F1 of two bags of tokens."""
    found = overlap.token_f1(text, reference)
    return Likeness(found.f1, f"precision {found.precision:.2f}, recall {found.recall:.2f}")
