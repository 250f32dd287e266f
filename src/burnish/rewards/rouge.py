"""ROUGE of one text against its references: shared n-grams, or the longest common subsequence.

`rouge` and `rouge:l` are the longest common subsequence, `rouge:1`, `rouge:2`, ... shared n-grams; the F1 of each, in
[0, 1]. Our own (`burnish.maths.overlap`): for English the same numbers as `rouge-score`, for Chinese by characters.
Spans are the parts that the reference has too. Recall alone grows with length without end, so F1 is what is rewarded.
"""

from __future__ import annotations

import functools

from burnish.errors import InputError
from burnish.maths import overlap
from burnish.maths.overlap import Overlap, Token
from burnish.records import Reward, Span
from burnish.rewards.parts.references import AgainstReferences, Likeness


def make(spec: str = "") -> Reward:
    """Return the reward `rouge`, `rouge:l` or `rouge:N`."""
    if spec in ("", "l", "L"):
        return AgainstReferences(measure_l, "rouge:l")
    if not spec.isdecimal() or not 1 <= int(spec) <= 9:
        raise InputError(f"reward rouge: {spec!r} is no order. Write rouge:l, rouge:1 or rouge:2.")
    return AgainstReferences(functools.partial(measure_n, n=int(spec)), f"rouge:{int(spec)}")


def measure_n(text: str, reference: str, n: int) -> Likeness:
    """Return the F1 of shared n-grams."""
    return _likeness(overlap.rouge_n(text, reference, n))


def measure_l(text: str, reference: str) -> Likeness:
    """Return the F1 of the longest common subsequence, with the parts it is made of."""
    mine, theirs = overlap.tokens(text), overlap.tokens(reference)
    shared = overlap.common(mine, theirs)
    found = Overlap(len(shared) / len(mine) if mine else 0.0, len(shared) / len(theirs) if theirs else 0.0)
    return Likeness(found.f1, _in_words(found), _joined(shared, mine))


def _likeness(found: Overlap) -> Likeness:
    return Likeness(found.f1, _in_words(found))


def _in_words(found: Overlap) -> str:
    return f"precision {found.precision:.2f}, recall {found.recall:.2f}"


def _joined(shared: list[Token], mine: list[Token]) -> tuple[Span, ...]:
    """Return the shared tokens as spans, neighbours in the text as one."""
    places = {token.start: place for place, token in enumerate(mine)}
    spans: list[Span] = []
    before = -2
    for token in shared:
        place = places[token.start]
        if place == before + 1:
            spans[-1] = Span(spans[-1].start, token.end, "shared")
        else:
            spans.append(Span(token.start, token.end, "shared"))
        before = place
    return tuple(spans)
