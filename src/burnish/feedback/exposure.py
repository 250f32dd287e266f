"""How likely a text is looked at where it is shown: stated, estimated where texts changed places, or 1 / position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError
from burnish.maths.choice import islands

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MOST_WEIGHT = 10.0
"""Weights are clipped here: one action at a place that nobody looks at must not outvote a hundred at the top."""
LEAST_ACTED = 50
"""Actions on texts that changed places which a position needs for its look to be estimated: an error of about 14%."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How looks fall off with position."""

    eta: float = 1.0
    """e = (1 / position)^eta where neither the showing nor `by_position` says; 0 for no position bias. At least 0."""
    by_position: Mapping[int, float] = field(default_factory=dict)
    """P(looked at) by position, from 1, as `position_propensities` estimates it; beats eta."""
    most_weight: float = MOST_WEIGHT
    """At least 1."""
    doubt: Mapping[int, float] = field(default_factory=dict)
    """Relative standard error of `by_position`; 0 where a position is not named."""

    def __post_init__(self) -> None:
        if self.eta < 0 or self.most_weight < 1:
            raise InputError(
                f"exposure: eta {self.eta} and most_weight {self.most_weight} are not at least 0 and 1. Use 1 and 10."
            )

    def propensity(self, shown: Mapping[str, float]) -> float:
        """P(looked at) of a showing."""
        if (stated := shown.get("propensity")) is not None:
            return float(stated)
        position = shown.get("position")
        if position is None:
            return 1.0
        return self.by_position.get(int(position), (1 / position) ** self.eta)

    def error(self, shown: Mapping[str, float]) -> float:
        """Relative standard error of that."""
        if shown.get("propensity") is not None or shown.get("position") is None:
            return 0.0
        return self.doubt.get(int(shown["position"]), 0.0)


def estimated(texts: Sequence[object], positions: ArrayLike, acted: ArrayLike) -> Exposure:
    """Looks by position where the showings tell them, the first of them as 1 / position has it.

    One row a showing. A position's look is told by texts that were shown elsewhere, too: by at least `LEAST_ACTED`
    actions on them, and by a chain of such texts from the first position. The others keep 1 / position. `doubt` is the
    error of two counts, a position's and the first one's. Raises InputError where not even two positions can be held
    against each other.
    """
    text_N, place_N = _numbered(texts), np.asarray(positions, dtype=np.int64)
    acted_N = np.asarray(acted, dtype=bool)
    kept_N, count = _telling(text_N, place_N, acted_N)
    kept_N &= _linked(text_N, place_N, kept_N)
    if len(np.unique(place_N[kept_N])) < 2:
        raise InputError(
            f"positions: no two of them hold {LEAST_ACTED} actions each on texts that were shown at both, so nothing "
            "tells a good text from a good place. Show texts at several positions, at random."
        )
    looks = position_propensities(text_N[kept_N].tolist(), place_N[kept_N], acted_N[kept_N])
    first = min(looks)
    error = {place: (1 / count[place] + 1 / count[first]) ** 0.5 for place in looks if place != first}
    return Exposure(by_position={place: look / first for place, look in looks.items()}, doubt=error)


def position_propensities(
    texts: Sequence[object], positions: ArrayLike, acted: ArrayLike, *, prior: float = 1.0, iterations: int = 200
) -> dict[int, float]:
    """P(looked at) by position, the top being 1, from showings of the same texts at several positions.

    EM of the examination model (position-based model; Chuklin, Markov & de Rijke 2015, chapter 4; Wang et al. 2018):
    a showing that was acted on was looked at; one that was not may have gone unseen, e (1 - r) / (1 - e r) being the
    probability that it was seen all the same. `prior` counts of each kind keep rates off 0 and 1.
    Raises InputError where no text was shown at two positions: nothing then tells a good text from a good place.
    """
    places, place_N = np.unique(np.asarray(positions, dtype=np.int64), return_inverse=True)
    text_N, acted_N = _numbered(texts), np.asarray(acted, dtype=np.int64)
    if len(places) > 1 and not _moved(text_N, place_N, np.ones(len(text_N), dtype=bool)).any():
        raise InputError(
            "position_propensities: every text was always shown at one position, so nothing tells a good text from a "
            "good place. Show some texts at several positions, at random."
        )
    # showings alike in text, place and action are one row with a count
    (text_C, place_C, acted_C), count_C = np.unique(np.stack([text_N, place_N, acted_N]), axis=1, return_counts=True)
    look_P, act_T = np.full(len(places), 0.5), np.full(int(text_C.max()) + 1, 0.5)
    shown_P, shown_T = np.bincount(place_C, count_C), np.bincount(text_C, count_C)
    for _ in range(iterations):
        look_C, act_C = look_P[place_C], act_T[text_C]
        unacted_C = (1 - acted_C) / (1 - look_C * act_C)
        looked_C = count_C * (acted_C + unacted_C * look_C * (1 - act_C))
        liked_C = count_C * (acted_C + unacted_C * act_C * (1 - look_C))
        look_P = (np.bincount(place_C, looked_C) + prior) / (shown_P + 2 * prior)
        act_T = (np.bincount(text_C, liked_C) + prior) / (shown_T + 2 * prior)
    look_P = look_P / look_P[0]  # e and r are known up to a factor: the top is the unit
    return {int(place): float(min(look, 1.0)) for place, look in zip(places, look_P, strict=True)}


def _numbered(texts: Sequence[object]) -> Ints:
    code_of = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return np.array([code_of[text] for text in texts], dtype=np.int64)


def _telling(text_N: Ints, place_N: Ints, acted_N: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], dict[int, int]]:
    """Whether each showing is of a text that changed places, at a place with enough actions on such texts; how many."""
    kept_N = np.ones(len(text_N), dtype=bool)
    while True:  # leaving out a place may leave a text with one place only, which then tells nothing
        moved_N = kept_N & _moved(text_N, place_N, kept_N)
        places, counts = np.unique(place_N[moved_N & acted_N], return_counts=True)
        keep_N = moved_N & np.isin(place_N, places[counts >= LEAST_ACTED])
        if (keep_N == kept_N).all():
            return kept_N, dict(zip(places.tolist(), counts.tolist(), strict=True))
        kept_N = keep_N


def _moved(text_N: Ints, place_N: Ints, kept_N: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each showing is of a text that the kept showings have at two places or more."""
    seen = np.unique(np.stack([text_N[kept_N], place_N[kept_N]]), axis=1)
    places_T = np.bincount(seen[0].astype(np.int64), minlength=int(text_N.max(initial=-1)) + 1)
    return np.asarray(places_T[text_N] > 1)


def _linked(text_N: Ints, place_N: Ints, kept_N: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a chain of texts links each showing to the first place of the kept ones."""
    if not kept_N.any():
        return kept_N
    places, code_N = np.unique(place_N, return_inverse=True)
    texts = int(text_N.max()) + 1
    island = islands(text_N[kept_N], texts + code_N[kept_N], n_items=texts + len(places))
    return np.asarray(island[texts + code_N] == island[texts + code_N[kept_N].min()])
