"""The best of one draw from the posterior against the worst of another: pairs with a large predicted gap.

An answer that is probably clear is a clean label, and the two texts differ enough to learn from: on ActiveUltraFeedback
a third to a sixth of the labels kept the quality of all. In our simulation the answers are cleaner by 4 points once
each text has a few, and the order learned is worse (docs/concepts/what-to-ask-next.md): to rank, use
`information_gain`. Source: double reverse Thompson sampling, arXiv 2603.09692.
"""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates
from burnish.feedback.next.double_thompson import in_turns


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return at most n pairs, the prompts taking turns in random order."""
    return in_turns(candidates, n, draw, last=True)
