"""Which class is true, when several people with different skill and habits name one: Dawid-Skene, shrunk by skill.

    P(person k says l | truth c) = pi^k_cl,      P(truth c) = p_c

Fitted by EM from the majority: T_ic ~ p_c prod pi^k_cl over what was said of item i, then pi^k from the counts. The
plain model has C^2 numbers a person and needs hundreds of labels of each. So every row pi^k_c is drawn towards a
one-number person: right with skill q_k, wrong evenly; and the skill is drawn towards the group's. How strongly, in
labels, is fitted for both: rows are Dirichlet-multinomial, skills beta-binomial. People who are all alike then weigh
alike, which is the majority; people who differ are told apart from a few dozen labels on.

Use `chance_IC`, the posterior of each item's class, as a soft label, not its arg max. A skill below chance is somebody
who turns the labels round; which of the two worlds is meant is decided by the start, where the majority is right.
Two people who copy from each other count twice: give them weights, or leave one out.
Sources: Dawid & Skene 1979; one number a person as in Hovy et al. 2013 (MACE); beta-binomial: Griffiths 1973.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln, gammaln, logsumexp

from burnish.errors import InputError
from burnish.maths.choice import islands

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

STRENGTHS = (2.0, 2_000.0)
"""Bounds, in labels, of how strongly the group draws a person's skill, and the skill that person's rows."""
_ROUNDS = 500
_SETTLED = 1e-6
_LEAST = 1e-6  # no confusion is impossible


@dataclass(frozen=True, slots=True)
class Truth:
    """Posterior of the classes of items 0..I-1 and what people 0..K-1 are like."""

    chance_IC: Floats
    prior_C: Floats
    confusion_KCC: Floats
    """P(says column | truth row) of each person."""
    skill_K: Floats
    """P(says the true class), drawn towards the group's."""
    skill_spread_K: Floats
    """Posterior standard deviation of the skill, the items' classes taken as fitted."""
    group_skill: float
    group_strength: float
    """Labels that the group's skill counts as in every person's; large where people are alike."""
    habit_strength: float
    """Labels that a one-number person counts as in every row; large where people have no habits of their own."""


def dawid_skene(
    items: ArrayLike,
    people: ArrayLike,
    labels: ArrayLike,
    *,
    n_items: int,
    n_people: int,
    n_classes: int,
    weights: ArrayLike | None = None,
    gold: Mapping[int, int] | None = None,
) -> Truth:
    """Posterior of each item's class; one row a label. `gold`: item -> its known class, held fast.

    `weights`: of people, 1 by default; a damping for judges of one family. Items without a label get the prior.
    Raises InputError where no item was labelled by two people and no gold is given (nobody can then be told apart), or
    where people fall into groups that share no items (their skills would be on scales of their own).
    """
    item_N, person_N, label_N = (np.asarray(each, dtype=np.int64) for each in (items, people, labels))
    weight_K = np.ones(n_people) if weights is None else np.asarray(weights, dtype=np.float64)
    _check(item_N, person_N, label_N, (n_items, n_people, n_classes))
    fixed = dict(gold or {})
    if not fixed:
        _need_links(item_N, person_N, n_items, n_people)
    weight_N = weight_K[person_N]
    chance_IC = _held(_majority(item_N, label_N, n_items, n_classes), fixed)
    for _ in range(_ROUNDS):
        said_KCC = _said(chance_IC, item_N, person_N, label_N, n_people)
        skill_K, group_skill, strength = _skills(said_KCC)
        confusion_KCC, habit = _confusions(said_KCC, skill_K)
        prior_C = (chance_IC.sum(axis=0) + 1) / (n_items + n_classes)
        logs_NC = np.log(confusion_KCC[person_N, :, label_N]) * weight_N[:, None]
        logs_IC = np.tile(np.log(prior_C), (n_items, 1))
        np.add.at(logs_IC, item_N, logs_NC)
        before, chance_IC = chance_IC, _held(np.exp(logs_IC - logsumexp(logs_IC, axis=1, keepdims=True)), fixed)
        if np.abs(chance_IC - before).max() < _SETTLED:
            break
    total_K = np.bincount(person_N, minlength=n_people) + strength
    spread_K = np.sqrt(skill_K * (1 - skill_K) / (total_K + 1))
    return Truth(chance_IC, prior_C, confusion_KCC, skill_K, spread_K, group_skill, strength, habit)


def majority(items: ArrayLike, labels: ArrayLike, *, n_items: int, n_classes: int) -> Floats:
    """Share of each class among an item's labels, shape (I, C); even where it has none."""
    item_N, label_N = np.asarray(items, dtype=np.int64), np.asarray(labels, dtype=np.int64)
    count_IC = np.bincount(item_N * n_classes + label_N, minlength=n_items * n_classes).reshape(n_items, n_classes)
    total_I = count_IC.sum(axis=1, keepdims=True)
    return np.where(total_I > 0, count_IC / np.maximum(total_I, 1), 1 / n_classes)


# -------------------------------------------------------------------------------------------------------- inner parts


def _majority(item_N: Ints, label_N: Ints, n_items: int, n_classes: int) -> Floats:
    """Start: the majority, softened by one label spread evenly."""
    share_IC = majority(item_N, label_N, n_items=n_items, n_classes=n_classes)
    size_I = np.bincount(item_N, minlength=n_items)[:, None]
    return np.asarray((share_IC * size_I + 1 / n_classes) / (size_I + 1))


def _held(chance_IC: Floats, gold: Mapping[int, int]) -> Floats:
    for item, known in gold.items():
        chance_IC[item] = 0.0
        chance_IC[item, known] = 1.0
    return chance_IC


def _said(chance_IC: Floats, item_N: Ints, person_N: Ints, label_N: Ints, n_people: int) -> Floats:
    """Expected count of (person, truth, said)."""
    n_classes = chance_IC.shape[1]
    cell_N = person_N * n_classes + label_N
    cells = n_people * n_classes
    columns = [np.bincount(cell_N, chance_IC[item_N, truth], cells) for truth in range(n_classes)]
    return np.stack([column.reshape(n_people, n_classes) for column in columns], axis=1)


def _skills(said_KCC: Floats) -> tuple[Floats, float, float]:
    """Each person's skill, the group's, and how many labels the group counts as.

    right_k ~ beta-binomial(n_k, strength * mean, strength * (1 - mean)), fitted by maximum likelihood over strength.
    """
    right_K = np.einsum("kcc->k", said_KCC)
    wrong_K = np.maximum(said_KCC.sum(axis=(1, 2)) - right_K, 0.0)
    mean = float(np.clip((right_K.sum() + 1) / (right_K.sum() + wrong_K.sum() + 2), 1e-3, 1 - 1e-3))

    def surprise(log_strength: float) -> float:
        a, b = np.exp(log_strength) * mean, np.exp(log_strength) * (1 - mean)
        return -float((betaln(a + right_K, b + wrong_K) - betaln(a, b)).sum())

    strength = _strongest(surprise)
    return (right_K + strength * mean) / (right_K + wrong_K + strength), mean, strength


def _confusions(said_KCC: Floats, skill_K: Floats) -> tuple[Floats, float]:
    """Each person's rows, drawn towards right with the skill and wrong evenly, and how strongly.

    row ~ Dirichlet-multinomial(strength * plain row), fitted by maximum likelihood over strength.
    """
    n_classes = said_KCC.shape[1]
    even_K11 = ((1 - skill_K) / (n_classes - 1))[:, None, None]
    plain_KCC = np.where(np.eye(n_classes, dtype=bool), skill_K[:, None, None], even_K11)
    total_KC = said_KCC.sum(axis=2)

    def surprise(log_strength: float) -> float:
        drawn_KCC = np.exp(log_strength) * plain_KCC
        total = gammaln(np.exp(log_strength)) - gammaln(np.exp(log_strength) + total_KC)
        return -float(total.sum() + (gammaln(drawn_KCC + said_KCC) - gammaln(drawn_KCC)).sum())

    strength = _strongest(surprise)
    drawn_KCC = said_KCC + strength * plain_KCC
    return np.maximum(drawn_KCC / drawn_KCC.sum(axis=2, keepdims=True), _LEAST), strength


def _strongest(surprise: Callable[[float], float]) -> float:
    """The strength of least surprise within its bounds."""
    low, high = np.log(STRENGTHS)
    return float(np.exp(minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-3}).x))


def _need_links(item_N: Ints, person_N: Ints, n_items: int, n_people: int) -> None:
    pairs = np.unique(np.stack([item_N, person_N], axis=1), axis=0)
    if not (np.bincount(pairs[:, 0]) > 1).any():
        raise InputError(
            "dawid_skene: no item was labelled by two people, so nothing tells who is right. "
            "Let people label some of the same items, or give gold."
        )
    island = islands(pairs[:, 0], pairs[:, 1] + n_items, n_items=n_items + n_people)
    apart = np.unique(island[np.unique(pairs[:, 1]) + n_items])
    if len(apart) > 1:
        raise InputError(
            f"dawid_skene: people fall into {len(apart)} groups that share no items, so their skills cannot be "
            "compared. Fit each group alone, or let them label common items."
        )


def _check(item_N: Ints, person_N: Ints, label_N: Ints, sizes: tuple[int, int, int]) -> None:
    if not item_N.shape == person_N.shape == label_N.shape:
        raise InputError(f"dawid_skene: {item_N.shape} items, {person_N.shape} people, {label_N.shape} labels.")
    if not len(item_N):
        raise InputError("dawid_skene: no labels. Collect some first.")
    for name, codes, size in zip(("item", "person", "label"), (item_N, person_N, label_N), sizes, strict=True):
        if codes.min() < 0 or codes.max() >= size:
            raise InputError(f"dawid_skene: {name}s go from {codes.min()} to {codes.max()}, expected 0 to {size - 1}.")
    if sizes[2] < 2:
        raise InputError(f"dawid_skene: {sizes[2]} class leaves nothing to tell apart. Give at least two.")
