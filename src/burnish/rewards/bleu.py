"""BLEU of one sentence against its references, by sacrebleu; Chinese by characters.

In [0, 1]. Orders of n-grams that a short text does not have are left out (`effective_order`), as sacrebleu does for
single sentences. BLEU was made for corpora: for one short text chrF or token F1 are steadier.
Source: Papineni et al. 2002; sacrebleu: Post 2018. With the usual tokenizer two Chinese sentences that differ by one
character score 0.0, with the Chinese one 0.78.
"""

from __future__ import annotations

import functools
from typing import Any

from burnish.maths.overlap import is_blankless
from burnish.records import Reward
from burnish.rewards.parts.references import AgainstReferences, Likeness, no_spec


def make(spec: str = "") -> Reward:
    """Return the reward `bleu`."""
    no_spec("bleu", spec)
    return AgainstReferences(measure, "bleu")


def measure(text: str, reference: str) -> Likeness:
    """Return sentence BLEU / 100."""
    found = _metric("zh" if is_blankless(reference) else "13a").sentence_score(text, [reference])
    precisions = ", ".join(f"{each:.0f}" for each in found.precisions)
    return Likeness(found.score / 100, f"n-gram precisions {precisions} %, brevity {found.bp:.2f}")


@functools.cache
def _metric(tokenizer: str) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenizer, effective_order=True)
