"""A corrected text beside its original: what changed, word by word, and what can be learned from that.

    align(original, corrected)              operations (keep, delete, insert, replace, move) that cover both texts
    marks(alignment)                        the changed parts of each text, as spans
    token_weights(alignment, offsets, ...)  how much each token of a text counts: changed words more than kept ones
    graded(original, corrected, embed=...)  how near the original was to what its corrector wanted, 0 to 1
    steps(alignment)                        the correction as a chain of texts, one change at a time
    adjacent(texts)                         a chain's neighbouring pairs, each later one better

The kind `correction` (`burnish.feedback.kinds.correction`) makes signals of them.
"""

from burnish.feedback.corrections.alignment import Alignment, Edit, Operation, align
from burnish.feedback.corrections.uses import Embed, Grade, Side, adjacent, graded, marks, steps, token_weights

__all__ = [
    "Alignment",
    "Edit",
    "Embed",
    "Grade",
    "Operation",
    "Side",
    "adjacent",
    "align",
    "graded",
    "marks",
    "steps",
    "token_weights",
]
