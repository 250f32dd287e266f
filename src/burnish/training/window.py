"""From examples to a `Batch` and its slices: the one place where what is known of rows becomes tensors."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from burnish.errors import InputError
from burnish.examples import Example, Row
from burnish.maths.batch import Batch, Outputs, Says, length_mask
from burnish.maths.token_rewards import last_token
from burnish.methods import Needs
from burnish.models.averaging import Average
from burnish.records import FinishReason, Sampler, Span, seed_of
from burnish.training.trainer import Slice

Act = Callable[[Says], Tensor]


class Learner(Protocol):
    """A network that any method can train: `models.headed.HeadedPolicy`, and `models.table.TablePolicy` for toys."""

    dtype: torch.dtype
    """Of what the batch holds: float32, or float64 where the network is exact."""

    reads_only: bool
    """Whether it can neither draw nor say how likely a token is: an encoder, which rewards alone are trained on."""

    def parameters(self) -> dict[str, nn.Parameter]: ...

    def tokens(self, row: Row) -> list[int]: ...

    def token_places(self, row: Row) -> list[tuple[int, int]]: ...

    def length(self, row: Row) -> int:
        """Return how many tokens of a row go through the network, its prompt's and its completion's."""
        ...

    teacher: Average | None
    """Whose weights the teacher has; None: the network's own."""

    def inputs(self, rows: Sequence[Row], width: int, *, teacher: bool = False, apart: bool = False) -> Any: ...

    def undisturbed(self, inputs: Any) -> tuple[Tensor, Tensor, float]:
        """Return a shift of embeddings that changes nothing, the row each of its places belongs to, and its unit."""
        ...

    def outputs(self, inputs: Any, *, reference: bool, shift: Tensor | None = None) -> Outputs: ...

    def sampler(self, act: Act | None = None, *, reference: bool = False) -> Sampler:
        """Return a sampler of the network, or of what `act` makes of what it says; reference: of the untouched one's
        logits too."""
        ...

    def after_step(self, step: int) -> None:
        """Called after every optimiser step; what shares out ranks as training goes does so here."""

    def noisy(self, seed: int) -> contextlib.AbstractContextManager[None]:
        """Inside, dropout and the like are on, drawn from the seed."""
        ...


def window(
    network: Learner,
    examples: Sequence[Example],
    needs: Needs,
    *,
    rows_per_slice: int,
    max_new_tokens: int,
    seed: int,
    beta: float | None = None,
    apart: bool = False,
    parts: int = 1,
) -> tuple[Batch, list[Slice]]:
    """Return the batch of these examples and the slices it goes through the network in.

    parts: optimiser steps that the window is shared out among, as evenly as its examples allow; no slice belongs to
    two, so that memory (rows_per_slice) never decides what a step learns from. `seed` fixes the bootstrap sample of
    each head of an ensemble. apart: rows share nothing in the network, not even the prompt they have in common.
    Raises InputError where nothing is left to learn from: no example, or no token in any completion.
    """
    rows = [row for example in examples for row in example.rows]
    tokens = [network.tokens(row) for row in rows]
    if not any(tokens):
        raise InputError("training: no completion in this window has a token. Look at the data: are completions empty?")
    mask_BT = length_mask([len(each) for each in tokens])
    group_B = torch.tensor([number for number, example in enumerate(examples) for _ in example.rows])
    heads = needs.heads.get("reward", 1)
    counts_BK = torch.ones(len(rows), 1, dtype=network.dtype)
    if heads > 1:
        counts = [_bootstrap(seed, key, heads) for key in _keys(examples, needs)]
        counts_BK = torch.tensor(counts, dtype=network.dtype)

    paid = [_paid(network, row, len(ids)) for row, ids in zip(rows, tokens, strict=True)]
    labels = [_labels(network, row) for row in rows]

    def numbers(name: str) -> Tensor:
        return torch.tensor([getattr(row, name) for row in rows], dtype=network.dtype)

    batch = Batch(
        completion_mask_BT=mask_BT,
        group_B=group_B,
        tokens_BT=_padded(tokens, mask_BT, torch.int64, 0),
        rewards_B=torch.tensor([_left_for_end(*each) for each in zip(rows, paid, strict=True)], dtype=network.dtype),
        token_rewards_BT=_padded(paid, mask_BT, network.dtype, math.nan),
        token_labels_BT=_padded(labels, mask_BT, network.dtype, math.nan),
        behaviour_logprobs_BT=_behaviour(network, rows, mask_BT),
        truncated_B=torch.tensor([row.completion.finish_reason is FinishReason.LENGTH for row in rows]),
        fresh_B=torch.tensor([row.fresh for row in rows]),
        mismatched_B=torch.tensor([row.mismatched for row in rows]),
        targets_BK=numbers("score")[:, None].expand(-1, heads),
        ranks_B=torch.tensor([row.rank for row in rows]),
        margin_B=numbers("margin"),
        probability_B=numbers("probability"),
        weights_BK=numbers("weight")[:, None] * counts_BK,
        variance_B=numbers("variance"),
        scalars={"max_new_tokens": float(max_new_tokens), **({} if beta is None else {"beta": beta})},
    )
    shared = _shared_out(units(examples, needs), parts)
    return batch, _slices(network, shared, needs, mask_BT.shape[1], rows_per_slice, apart)


def _keys(examples: Sequence[Example], needs: Needs) -> list[str]:
    """Return what fixes each row's bootstrap count: its own ids, or its example's where rows belong together."""
    if needs.together:
        return [" ".join(r.completion.id for r in example.rows) for example in examples for _ in example.rows]
    return [f"{row.prompt.id} {row.completion.id}" for example in examples for row in example.rows]


def units(examples: Sequence[Example], needs: Needs) -> list[tuple[Row, ...]]:
    """Return what is never cut: single rows, or examples where a method wants their rows together."""
    if needs.together:
        return [example.rows for example in examples]
    return [(row,) for example in examples for row in example.rows]


Units = Sequence[tuple[Row, ...]]


def _shared_out(every: Units, parts: int) -> list[Units]:
    """Return what is never cut in so many parts of nearly equal number; fewer where there is less of it."""
    count = min(parts, len(every))
    edges = [round(number * len(every) / count) for number in range(count + 1)]
    return [every[start:end] for start, end in itertools.pairwise(edges)]


def _slices(
    network: Learner, parts: Sequence[Units], needs: Needs, width: int, rows_per_slice: int, apart: bool
) -> list[Slice]:
    """Return slices of at most so many rows of one part; an example is never cut where its rows belong together."""
    found, start = [], 0
    for number, part in enumerate(parts):
        for rows in _filled(part, rows_per_slice):
            inputs = network.inputs(rows, width, teacher="teacher" in needs.views, apart=apart)
            found.append(Slice(torch.arange(start, start + len(rows)), inputs, number))
            start += len(rows)
    return found


def _filled(part: Units, rows_per_slice: int) -> list[list[Row]]:
    """Return the rows of a part in lots of at most so many, or of one unit that has more."""
    lots: list[list[Row]] = [[]]
    for unit in part:
        if lots[-1] and len(lots[-1]) + len(unit) > rows_per_slice:
            lots.append([])
        lots[-1].extend(unit)
    return lots


def _padded(rows: Sequence[Sequence[float]], mask_BT: Tensor, dtype: torch.dtype, empty: float) -> Tensor:
    padded = torch.full(mask_BT.shape, empty, dtype=dtype)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row, dtype=dtype)
    return padded


def _behaviour(network: Learner, rows: Sequence[Row], mask_BT: Tensor) -> Tensor | None:
    """Return the sampler's log-probs, NaN where a row was not sampled; None where none was.

    An encoder cuts a text into other tokens than its sampler did: the completion's log-prob stands at the first.
    """
    known = [row.completion.logprobs or () for row in rows]
    if network.reads_only:
        lengths = mask_BT.sum(-1).tolist()
        known = [_at_first(math.fsum(each), n) if each else () for each, n in zip(known, lengths, strict=True)]
    return _padded(known, mask_BT, network.dtype, math.nan) if any(known) else None


def _at_first(value: float, count: int) -> tuple[float, ...]:
    """Return `count` numbers that sum to the value: it comes first, then nothing."""
    return (value, *(0.0,) * count)[:count]


def _paid(network: Learner, row: Row, length: int) -> list[float]:
    """Return the score of each token, or what the parts that end with it are paid together; NaN where nothing is."""
    if row.token_scores:
        if len(row.token_scores) != length:
            raise InputError(
                f"training: {len(row.token_scores)} token scores for a completion of {length} tokens. Score each once."
            )
        return list(row.token_scores)
    if not row.token_rewards:
        return []
    places = network.token_places(row)
    paid = [math.nan] * len(places)
    for part in row.token_rewards:
        token = last_token(part.start, part.end, places)
        if token is not None:  # else it is paid with what is left for the end
            paid[token] = part.severity + (0.0 if math.isnan(paid[token]) else paid[token])
    return paid


def _left_for_end(row: Row, paid: Sequence[float]) -> float:
    """Return what of a row's score is paid at its end: what its tokens are paid already is not paid twice."""
    if row.token_scores or not row.token_rewards:
        return row.score
    return row.score - math.fsum(value for value in paid if not math.isnan(value))


def _labels(network: Learner, row: Row) -> list[float]:
    """Return what was said of each token, the sum of the severities of the spans over it; never what it is paid."""
    return [_over(row.spans, start, end) for start, end in network.token_places(row)] if row.spans else []


def _over(spans: Sequence[Span], start: int, end: int) -> float:
    found = [span.severity for span in spans if span.start < end and start < span.end]
    return sum(found) if found else math.nan


@functools.lru_cache(maxsize=100_000)
def _bootstrap(seed: int, key: str, heads: int) -> tuple[float, ...]:
    """Return how often an item stands in each head's bootstrap sample: Poisson(1). A single head sees all once."""
    return tuple(float(n) for n in np.random.default_rng(seed_of(seed, "bootstrap", key)).poisson(1.0, heads))
