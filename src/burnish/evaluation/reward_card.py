"""What a reward model is worth, on texts it never saw.

The unit is the text: 20,000 pairs made of 2,000 texts hold no more evidence than 2,000 texts do, so texts are
resampled and a pair counts as often as both its texts were drawn together.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from burnish.errors import InputError
from burnish.evaluation.resampling import Floats
from burnish.evaluation.text import words
from burnish.maths.intervals import bootstrap_pairs
from burnish.maths.stated_variance import coverage

Pairs = NDArray[np.int64]

N_PAIRS = 20_000
CARD_RESAMPLES = 2_000  # a resample costs n_pairs steps; 2,000 fix the bounds to about 0.001


@dataclass(frozen=True, slots=True)
class PairAccuracy:
    """Share of pairs of texts that are put in people's order."""

    accuracy: float
    low: float
    high: float
    n_pairs: int
    n_texts: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Predicted probability that one text is rated above another, against the share of rater pairs that say so."""

    error: float
    """Expected calibration error: mean over bins of |mean predicted - mean observed|, weighted by the bin's pairs."""
    predicted: tuple[float, ...]
    """Mean of each bin."""
    observed: tuple[float, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Whether the reward model knows where it is wrong: error by the spread of its heads, equally many texts a bin."""

    correlation: float
    """Spearman, spread against absolute error."""
    spread: tuple[float, ...]
    """Mean of each bin, rating units."""
    error: tuple[float, ...]
    """Mean absolute error of each bin, rating units."""


@dataclass(frozen=True, slots=True)
class RewardCard:
    """The card of one reward model; `summary` is its part of report.json."""

    accuracy: PairAccuracy | None = None
    baselines: Mapping[str, PairAccuracy] = field(default_factory=dict)
    one_person: PairAccuracy | None = None
    """How well one rater of each text, drawn by lot, orders the texts as the mean of its other raters does."""
    other_domains: Mapping[str, PairAccuracy] = field(default_factory=dict)
    calibration: Calibration | None = None
    length_correlation: float | None = None
    """Spearman, predicted rating against number of words."""
    people_length_correlation: float | None = None
    """The same for people's mean rating: what the model's should be near to."""
    spread: Spread | None = None
    coverage: float | None = None
    """Share of texts whose mean rating lies within the stated 95% range of the prediction."""

    def summary(self) -> dict[str, Any]:
        """Return the mapping `reward_model` of report.json; None where not measured."""
        found = self.accuracy
        return {
            "pair_accuracy": found and found.accuracy,
            "ci95": found and [found.low, found.high],
            "n_pairs": found and found.n_pairs,
            "baselines": {name: each.accuracy for name, each in self.baselines.items()},
            "calibration_error": self.calibration and self.calibration.error,
            "length_correlation": self.length_correlation,
            "other_domains": {name: each.accuracy for name, each in self.other_domains.items()},
        }

    def with_baselines(self, **baselines: PairAccuracy) -> RewardCard:
        """Return the card with more baselines."""
        return replace(self, baselines={**self.baselines, **baselines})


def card_from_plain(plain: Mapping[str, Any]) -> RewardCard:
    """Return the card that `plain.to_plain` wrote."""

    def many(name: str) -> dict[str, PairAccuracy]:
        return {key: PairAccuracy(**value) for key, value in plain.get(name, {}).items()}

    def one(name: str, kind: Any) -> Any:
        values = plain.get(name)
        return values and kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})

    return RewardCard(
        accuracy=one("accuracy", PairAccuracy),
        one_person=one("one_person", PairAccuracy),
        baselines=many("baselines"),
        other_domains=many("other_domains"),
        calibration=one("calibration", Calibration),
        length_correlation=plain.get("length_correlation"),
        people_length_correlation=plain.get("people_length_correlation"),
        spread=one("spread", Spread),
        coverage=plain.get("coverage"),
    )


def reward_card(
    predicted: ArrayLike,
    texts: Sequence[str],
    ratings: Sequence[Sequence[float]],
    groups: Sequence[Hashable],
    *,
    scale: float,
    spread: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    clusters: Sequence[Hashable] | None = None,
    baselines: Mapping[str, ArrayLike] | None = None,
    n_pairs: int = N_PAIRS,
    seed: int = 0,
) -> RewardCard:
    """Return the card of predictions on test texts; `other_domains` is added by the caller with `pair_accuracy`.

    predicted: rating or reward of each text, higher is better. ratings: all people's ratings of each text.
    scale: what `fit_temperature` found on other texts: P(a above b) = sigmoid(scale * (predicted_a - predicted_b)).
    spread: standard deviation of the heads per text, in units of `predicted`; its card needs `predicted` in rating
    units. variance: what the prediction's squared error, and the noise of the people's mean, are stated to be together.
    baselines: other predictions of the same texts, judged on the same pairs.
    """
    values = np.asarray(predicted, float)
    means = np.array([float(np.mean(each)) for each in ratings])
    pairs = draw_pairs(means, groups, n_pairs, seed)
    lengths = np.array([float(len(words(text))) for text in texts])
    probabilities = 1 / (1 + np.exp(-scale * (values[pairs[:, 0]] - values[pairs[:, 1]])))
    return RewardCard(
        accuracy=accuracy_on(pairs, values, means, clusters=clusters, seed=seed),
        baselines={
            name: accuracy_on(pairs, np.asarray(each, float), means, clusters=clusters, seed=seed)
            for name, each in (baselines or {}).items()
        },
        one_person=one_person_accuracy(ratings, groups, clusters=clusters, n_pairs=n_pairs, seed=seed),
        calibration=calibration(probabilities, agreed_share(ratings, pairs)),
        length_correlation=spearman(values, lengths),
        people_length_correlation=spearman(means, lengths),
        spread=_spread(spread, np.abs(values - means)),
        coverage=None if variance is None else coverage(values - means, variance),
    )


def _spread(spread: ArrayLike | None, error: Floats) -> Spread | None:
    values = np.zeros(0) if spread is None else np.asarray(spread, float)
    return spread_against_error(values, error) if values.any() else None


# ------------------------------------------------------------------------------------------------------ pair accuracy


def pair_accuracy(
    predicted: ArrayLike,
    means: ArrayLike,
    groups: Sequence[Hashable],
    *,
    n_pairs: int = N_PAIRS,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = CARD_RESAMPLES,
    seed: int = 0,
) -> PairAccuracy:
    """Share of pairs in which the text with the higher mean human rating is predicted higher; equal predictions: half.

    Pairs are drawn uniformly among those of one group (set of texts) with unequal means. The 95% interval is by
    bootstrap over texts, or over clusters of texts (a product, a page) where given.
    """
    values, people = np.asarray(predicted, float), np.asarray(means, float)
    pairs = draw_pairs(people, groups, n_pairs, seed)
    return accuracy_on(pairs, values, people, clusters=clusters, resamples=resamples, seed=seed)


def one_person_accuracy(
    ratings: Sequence[Sequence[float]],
    groups: Sequence[Hashable],
    *,
    n_pairs: int = N_PAIRS,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> PairAccuracy | None:
    """Pair accuracy of one rater a text against the mean of the text's other raters; None where a text has only one.

    A person is not a perfect judge of what people think on average: this is the height of that bar.
    """
    if min(map(len, ratings)) < 2:
        return None
    rng = np.random.default_rng([seed, 3])
    chosen = np.array([float(each[int(rng.integers(len(each)))]) for each in ratings])
    sums, sizes = np.array([float(np.sum(each)) for each in ratings]), np.array([len(each) for each in ratings])
    others = (sums - chosen) / (sizes - 1)
    return pair_accuracy(chosen, others, groups, n_pairs=n_pairs, clusters=clusters, seed=seed)


def draw_pairs(means: ArrayLike, groups: Sequence[Hashable], n_pairs: int, seed: int) -> Pairs:
    """Return (n, 2) indices of distinct pairs of texts of one group with unequal means, in random order and direction.

    Every such pair is equally likely; all of them are returned when there are no more than `n_pairs`.
    Raises InputError when there is none.
    """
    people = np.asarray(means, float)
    members = _members(groups)
    possible = sum(len(each) * (len(each) - 1) // 2 for each in members)
    rng = np.random.default_rng(seed)
    if possible <= 4 * n_pairs:
        grids = [each[np.stack(np.triu_indices(len(each), 1), axis=1)] for each in members if len(each) > 1]
        pairs = np.concatenate([*grids, np.empty((0, 2), np.int64)])
        pairs = rng.permutation(pairs[people[pairs[:, 0]] != people[pairs[:, 1]]])
    else:
        pairs = _draw_some(people, members, n_pairs, rng)
    if not len(pairs):
        raise InputError("reward card: no two texts of one set differ in mean rating. Give more rated texts.")
    pairs = pairs[:n_pairs]
    swap = rng.random(len(pairs)) < 0.5
    pairs[swap] = pairs[swap, ::-1]
    return pairs


def accuracy_on(
    pairs: Pairs,
    predicted: Floats,
    means: Floats,
    *,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = CARD_RESAMPLES,
    seed: int = 0,
) -> PairAccuracy:
    """Return the accuracy on given pairs, with its 95% interval by bootstrap over texts (or clusters)."""
    a, b = pairs[:, 0], pairs[:, 1]
    agreement = np.sign(predicted[a] - predicted[b]) * np.sign(means[a] - means[b])
    right = (agreement + 1) / 2
    units = np.arange(len(means)) if clusters is None else np.unique([str(c) for c in clusters], return_inverse=True)[1]
    found = bootstrap_pairs(right, units[a], units[b], n=resamples, seed=seed)
    return PairAccuracy(found.mean, found.low, found.high, len(pairs), len(np.unique(pairs)))


def _members(groups: Sequence[Hashable]) -> list[Pairs]:
    of: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        of.setdefault(group, []).append(index)
    return [np.array(each, np.int64) for each in of.values()]


def _draw_some(people: Floats, members: list[Pairs], n_pairs: int, rng: np.random.Generator) -> Pairs:
    """Draw by rejection: a group by its number of pairs, two of its texts; drop equal means and repeats."""
    sizes = np.array([len(each) for each in members])
    starts, order = np.concatenate([[0], np.cumsum(sizes)[:-1]]), np.concatenate(members)
    share = sizes * (sizes - 1.0) / (sizes * (sizes - 1.0)).sum()
    kept = np.empty((0, 2), np.int64)
    for _ in range(50):  # sets where nearly all means are equal give fewer pairs than asked for
        group = rng.choice(len(members), size=2 * n_pairs, p=share)
        drawn = starts[group, None] + rng.integers(0, sizes[group, None], size=(2 * n_pairs, 2))
        texts = np.sort(order[drawn], axis=1)
        texts = texts[people[texts[:, 0]] != people[texts[:, 1]]]
        kept = np.concatenate([kept, texts])
        _, first = np.unique(kept, axis=0, return_index=True)
        kept = kept[np.sort(first)]
        if len(kept) >= n_pairs:
            break
    return kept


# --------------------------------------------------------------------------------------- calibration, length, spread


def agreed_share(ratings: Sequence[Sequence[float]], pairs: Pairs) -> Floats:
    """Share of (rater of a, rater of b) pairs in which a got more than b, ties half, for each pair of texts (a, b)."""
    scale = np.unique(np.concatenate([np.asarray(each, float) for each in ratings]))
    shares = np.stack([np.bincount(np.searchsorted(scale, each), minlength=len(scale)) / len(each) for each in ratings])
    below = np.cumsum(shares, axis=1) - shares / 2  # share of raters below each step, half of those on it
    result: Floats = (shares[pairs[:, 0]] * below[pairs[:, 1]]).sum(axis=1)
    return result


def calibration(probabilities: ArrayLike, agreed: ArrayLike, bins: int = 15) -> Calibration:
    """Return the calibration curve in bins of equally many pairs, and its expected error.

    Error = sum over bins of (n_bin / n) |mean probability - mean agreed share|. Bins that fewer pairs than bins leave
    empty are dropped. Source: Naeini et al. 2015; equal-count bins: Nixon et al. 2019, arXiv 1904.01685.
    """
    predicted, observed = np.asarray(probabilities, float), np.asarray(agreed, float)
    if predicted.shape != observed.shape or predicted.size == 0:
        raise InputError(f"calibration: {predicted.size} probabilities for {observed.size} shares; give equally many.")
    order = np.argsort(predicted, kind="stable")
    parts = [each for each in np.array_split(order, bins) if each.size]
    x = np.array([predicted[each].mean() for each in parts])
    y = np.array([observed[each].mean() for each in parts])
    share = np.array([each.size for each in parts]) / predicted.size
    return Calibration(float(share @ np.abs(x - y)), tuple(x.tolist()), tuple(y.tolist()), int(predicted.size))


def fit_temperature(margins: ArrayLike, agreed: ArrayLike) -> float:
    """The scale s > 0 that minimises -mean(p log sigmoid(s m) + (1 - p) log sigmoid(-s m)); 1 / s is the temperature.

    margins m: predicted(a) - predicted(b); agreed p: `agreed_share`. Fit on other texts than those it is judged on.
    The loss is convex in s, so its slope mean(m (sigmoid(s m) - p)) is bisected; kept in [1e-4, 1e4], whose ends mean
    a reward that says nothing, or that is always right. Source: Guo et al. 2017, arXiv 1706.04599.
    """
    m, p = np.asarray(margins, float), np.asarray(agreed, float)
    low, high = np.log(1e-4), np.log(1e4)
    for _ in range(60):  # halves an interval of width 18: exact to 1e-16
        middle = (low + high) / 2
        slope = (m * (1 / (1 + np.exp(-np.clip(np.exp(middle) * m, -500, 500))) - p)).mean()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def spread_against_error(spread: Floats, error: Floats, bins: int = 10) -> Spread:
    """Return mean error by mean spread in bins of equally many texts, and their rank correlation."""
    order = np.argsort(spread, kind="stable")
    parts = [each for each in np.array_split(order, bins) if each.size]
    return Spread(
        correlation=spearman(spread, error) or 0.0,
        spread=tuple(float(spread[each].mean()) for each in parts),
        error=tuple(float(error[each].mean()) for each in parts),
    )


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Rank correlation, ties at their mean rank; None when one side does not vary."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(np.asarray(x, float)), rankdata(np.asarray(y, float))])
    if np.ptp(ranks, axis=1).min() == 0:
        return None
    return float(np.corrcoef(ranks)[0, 1])
