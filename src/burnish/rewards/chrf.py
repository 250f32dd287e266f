"""chrF of one text against its references, by sacrebleu: overlap of character n-grams, right in every script.

In [0, 1]. `chrf` counts character n-grams up to 6, `chrf:++` word unigrams and bigrams too.
Source: Popovic 2015 (chrF2: recall counts twice); chrF++: Popovic 2017.
"""

from __future__ import annotations

import functools
from typing import Any

from burnish.errors import InputError
from burnish.records import Reward
from burnish.rewards.parts.references import AgainstReferences, Likeness


def make(spec: str = "") -> Reward:
    """Return the reward `chrf`, or `chrf:++`."""
    if spec not in ("", "++"):
        raise InputError(f"reward chrf: {spec!r} is not known. Write chrf or chrf:++.")
    words = 2 if spec else 0
    return AgainstReferences(functools.partial(measure, words=words), f"chrf{spec}")


def measure(text: str, reference: str, words: int = 0) -> Likeness:
    """Return sentence chrF / 100."""
    found = _metric(words).sentence_score(text, [reference])
    return Likeness(found.score / 100, f"character n-grams up to {found.char_order}")


@functools.cache
def _metric(words: int) -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=words)
