"""Trains a reward network on signals: windows of scores and of pairs, drawn from a seed, saved and resumed exactly."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from burnish import memory, progress
from burnish.errors import StoppedOnRequest
from burnish.loop import savepoint
from burnish.maths.batch import Batch, Outputs
from burnish.methods import reward, score_reward
from burnish.records import Preference, Score, Signal, seed_of
from burnish.training.optimiser import OptimiserConfig
from burnish.training.rehearsal import let_through
from burnish.training.trainer import Slice, Trainer

STATED_ORDER = 0.9  # P(preferred) where an order was stated and no chance with it: never taken for certainty
GIVE_BACK_EVERY = 40  # steps: asking for the pages anew takes a fifth of a step
CHUNK = 16  # batches whose texts are sorted by length together: little padding, still a random order


class Fitted(Protocol):
    """A network with K reward heads."""

    def parameters(self) -> dict[str, nn.Parameter]: ...

    def outputs(self, inputs: Any, *, reference: bool) -> Outputs: ...


@dataclass(frozen=True)
class Item:
    """One text as the network wants it (activations, or token ids)."""

    inputs: Any
    length: int


@dataclass(frozen=True)
class FitSettings:
    epochs: float
    batch: int
    optimiser: OptimiserConfig
    heads: int
    rates: dict[str, float]
    seed: int
    save_every: int = 60


@dataclass(frozen=True)
class _Row:
    """A score (one item) or a pair (chosen, rejected)."""

    items: tuple[int, ...]
    target: float
    weight: float
    key: str


def rows_of(signals: Sequence[Signal], number_of: Callable[[str, str], int]) -> tuple[list[_Row], list[_Row]]:
    """Return score rows and pair rows; `number_of(text, prompt)` names the item of a text.

    A ranking of k becomes its pairs, each with weight 1 / (k (k - 1) / 2): it counts once.
    """
    scores: list[_Row] = []
    pairs: list[_Row] = []
    config = score_reward.Config()
    for signal in signals:
        if isinstance(signal, Score) and signal.value is not None:
            item = number_of(signal.completion.text, signal.prompt.text)
            weight = signal.weight * score_reward.weight(signal.variance, config)
            scores.append(_Row((item,), signal.value, weight, f"{signal.completion.id}{len(scores)}"))
        elif isinstance(signal, Preference):
            pairs.extend(_pairs(signal, number_of, len(pairs)))
    return scores, pairs


def _pairs(signal: Preference, number_of: Callable[[str, str], int], start: int) -> list[_Row]:
    ranked = [(rank, c) for rank, c in zip(signal.ranks, signal.completions, strict=True) if rank is not None]
    found: list[_Row] = []
    share = 2.0 / max(len(ranked) * (len(ranked) - 1), 1)
    for i, (rank_a, a) in enumerate(ranked):
        for rank_b, b in ranked[i + 1 :]:
            better, worse = (a, b) if rank_a <= rank_b else (b, a)
            certain = 0.5 if rank_a == rank_b else STATED_ORDER
            probability = signal.probability if signal.is_pair and signal.probability is not None else certain
            items = tuple(number_of(c.text, signal.prompt.text) for c in (better, worse))
            key = f"{better.id}{worse.id}{start + len(found)}"
            found.append(_Row(items, probability, signal.weight * share, key))
    return found


def bootstrap_weight(seed: int, key: str, head: int) -> float:
    """Return how often an item stands in head k's bootstrap sample: Poisson(1), fixed by (seed, item, head)."""
    draw = random.Random(seed_of(seed, "bootstrap", key, head))
    count, left = 0, draw.random()
    chance = below = 0.36787944117144233  # exp(-1)
    while left > below and count < 12:
        count += 1
        chance /= count
        below += chance
    return float(count)


def _times(settings: FitSettings, key: str) -> list[float]:
    """Return how often an item counts for each head; one head alone has nobody to differ from and sees everything."""
    if settings.heads == 1:
        return [1.0]
    return [bootstrap_weight(settings.seed, key, head) for head in range(settings.heads)]


def fit(
    network: Fitted, items: Sequence[Item], scores: list[_Row], pairs: list[_Row], settings: FitSettings,
    *, units_per_logit: float, folder: Path, check_stop: Callable[[bool], None], what: str, lower: str,
) -> dict[str, float]:  # fmt: skip
    """Train until the epochs are done; return the last metrics. `check_stop(saved)` may raise; it is saved first.

    The heaviest window is tried before the first step; lower: what to set when memory does not suffice for it. The
    saved states stay: whoever publishes what was learned clears them then.
    """
    windows = _windows(items, scores, pairs, settings)
    trainers = {
        "score": (score_reward, score_reward.Config(heads=settings.heads)),
        "pair": (reward, reward.Config(heads=settings.heads, units_per_logit=units_per_logit)),
    }
    method, config = trainers["score" if scores else "pair"]
    trainer = Trainer(network, method, config, settings.optimiser, steps=len(windows), rates=settings.rates)
    if saved := savepoint.load(folder):
        tensors, numbers = saved
        _restore(network, tensors["network"])
        trainer.load_state(tensors.get("optimiser", {}), numbers["step"])
    _rehearse(network, windows[trainer.step :], items, f"{what}: the heaviest window", lower)
    metrics: dict[str, float] = {}
    with progress.bar(len(windows), what, "steps", start=trainer.step) as bar:
        while trainer.step < len(windows):
            rows = windows[trainer.step]
            trainer.method, trainer.config = trainers["pair" if len(rows[0].items) == 2 else "score"]
            batch, inputs = _batch(rows, items, settings)
            metrics = trainer.advance(batch, [Slice(torch.arange(len(batch)), inputs)])
            bar.advance(1, f"loss {metrics['loss']:.3f}")
            if trainer.step % GIVE_BACK_EVERY == 0:
                memory.give_back()
            due = trainer.step % settings.save_every == 0 or trainer.step == len(windows)
            if due:
                _save(network, trainer, folder)
            try:
                check_stop(due)
            except StoppedOnRequest:
                if not due:
                    _save(network, trainer, folder)
                raise
    return metrics


def _rehearse(network: Fitted, ahead: Sequence[list[_Row]], items: Sequence[Item], what: str, lower: str) -> None:
    """Let the heaviest of the windows ahead go through the network (trap T40)."""
    texts = [[items[i] for row in rows for i in row.items] for rows in ahead]
    heaviest = max(texts, key=lambda some: len(some) * max(each.length for each in some), default=[])
    if heaviest:
        let_through(network, [each.inputs for each in heaviest], what=what, lower=lower)


def _save(network: Fitted, trainer: Trainer, folder: Path) -> None:
    state = {name: p.detach().clone() for name, p in network.parameters().items()}
    savepoint.save(folder, trainer.step, {"network": state, "optimiser": trainer.state()}, {})


def _restore(network: Fitted, tensors: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in network.parameters().items():
            parameter.copy_(tensors[name])


def _windows(items: Sequence[Item], scores: list[_Row], pairs: list[_Row], settings: FitSettings) -> list[list[_Row]]:
    """Return the whole run's windows in order: each of one kind, texts of like length together."""
    windows: list[list[_Row]] = []
    for kind, rows in (("score", scores), ("pair", pairs)):
        wanted = max(round(len(rows) * settings.epochs), 1) if rows else 0
        order: list[_Row] = []
        epoch = 0
        while len(order) < wanted:
            part = list(rows)
            random.Random(seed_of(settings.seed, kind, epoch)).shuffle(part)
            order.extend(part[: wanted - len(order)])
            epoch += 1
        for start in range(0, len(order), settings.batch * CHUNK):
            chunk = sorted(
                order[start : start + settings.batch * CHUNK], key=lambda r: max(items[i].length for i in r.items)
            )
            windows.extend(chunk[i : i + settings.batch] for i in range(0, len(chunk), settings.batch))
    random.Random(seed_of(settings.seed, "windows")).shuffle(windows)
    return windows


def _batch(rows: Sequence[_Row], items: Sequence[Item], settings: FitSettings) -> tuple[Batch, list[Any]]:
    width = len(rows[0].items)
    numbers = [i for row in rows for i in row.items]
    weights_NK = torch.tensor([[row.weight * times for times in _times(settings, row.key)] for row in rows])
    targets_N = torch.tensor([row.target for row in rows])
    batch = Batch(
        completion_mask_BT=torch.ones(len(numbers), 1, dtype=torch.bool),
        group_B=torch.arange(len(rows)).repeat_interleave(width),
        weights_BK=weights_NK.repeat_interleave(width, dim=0),
        targets_BK=targets_N[:, None].expand(-1, settings.heads) if width == 1 else None,
        probability_B=targets_N.repeat_interleave(2) if width == 2 else None,
        scalars={"weight": max(float(weights_NK.sum()), 1e-6)},
    )
    return batch, [items[i].inputs for i in numbers]
