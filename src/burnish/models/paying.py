"""What a learned reward's heads say of a text, as a `Score`: of the whole, or token by token where it pays so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from burnish.examples import Row
from burnish.records import Score, Span

Places: TypeAlias = Sequence[tuple[int, int]]
"""Characters (start, end) of each token."""
Pay: TypeAlias = Callable[[Tensor, str, Places], Tensor]
"""Readings of K heads after each token (T, K), the text and its tokens' places in, what each token is paid (T, K) out;
NaN where nothing is. A method's `pay` (`burnish.methods`), its config bound."""


def paid_whole(row: Row, members: Sequence[float]) -> Score:
    """Return the heads' mean as the completion's score."""
    value = sum(members) / len(members)
    return Score(row.prompt, row.completion, value, _variance(members), tuple(members))


def paid_by_token(row: Row, readings_TK: Tensor, places: Places, pay: Pay) -> Score:
    """Return the sum of what the tokens are paid as the completion's score, and where each part of it is paid.

    A part reaches from behind the one before it to the token that is paid, so that of a step it is the whole step. A
    token that holds no character of the text, such as the end token, is paid with what is left for the end. Not scored
    where nothing is paid.
    """
    paid_TK = pay(readings_TK.double(), row.completion.text, places)
    known_T = torch.isfinite(paid_TK).all(-1)
    if not known_T.any():
        return Score(row.prompt, row.completion, None, reason="there is nothing in the completion that is paid")
    score = paid_whole(row, paid_TK[known_T].sum(0).tolist())
    parts: list[Span] = []
    for (start, end), known, paid in zip(places, known_T.tolist(), paid_TK.mean(-1).tolist(), strict=True):
        if known and start < end:  # of tokens that share a character, each has it
            parts.append(Span(min(start, parts[-1].end if parts else 0), end, severity=paid))
    return replace(score, token_rewards=tuple(parts))


def not_rated(row: Row) -> Score:
    """Return that an empty completion has no score."""
    return Score(row.prompt, row.completion, None, reason="the completion is empty")


def _variance(members: Sequence[float]) -> float | None:
    if len(members) < 2:
        return None
    mean = sum(members) / len(members)
    return sum((each - mean) ** 2 for each in members) / (len(members) - 1)
