"""The best of one draw from the posterior against the worst of another: pairs with a large predicted gap.

For training on preferences this beats asking about the closest pairs: an answer that is probably clear is a clean
label, and the two texts differ enough to learn from; on ActiveUltraFeedback the quality of a full data set was kept
with a third to a sixth of the labels. For ranking close things it is the wrong question: use `information_gain`.
Source: double reverse Thompson sampling, arXiv 2603.09692.
"""

from __future__ import annotations

import numpy as np

from burnish.feedback.next import Candidates
from burnish.feedback.next.double_thompson import in_turns


def pick(candidates: Candidates, n: int, draw: np.random.Generator) -> list[int]:
    """Return at most n pairs, the prompts taking turns in random order."""
    return in_turns(candidates, n, draw, last=True)
