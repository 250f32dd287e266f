"""Statistics of a comparison before and after, paired by prompt.

The prompt is the unit: samples of one prompt resemble each other, and ignoring that makes intervals too narrow (in a
simulation of 30 groups of 10, a nominal 95% interval then held the truth 74.5% of the time). So prompts are resampled,
each with all its samples on both sides, and both sides are recomputed.

Perplexity is exp(sum of nll / sum of tokens) over a side; correlation is Pearson's over its samples; the rest are means
over samples. Distinct-2 counts what two prompts share once, and a resample holds copies, so the plain bootstrap is
biased: on simulated texts its 95% interval held the truth 20% of the time. Each prompt's jackknife pseudo-value (its
part in the statistic) is resampled instead: 95%. Source: Efron & Tibshirani 1993, chapter 11.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.evaluation.resampling import RESAMPLES, Floats, multiplicities, percentile_interval
from burnish.evaluation.samples import Sample, by_prompt, paired
from burnish.evaluation.text import bigrams, repetition, words
from burnish.maths.intervals import bootstrap_mean
from burnish.records import Interval

KEYS = (
    "gold",
    "proxy",
    "length",
    "distinct_2",
    "repetition",
    "perplexity",
    "on_topic",
    "asked_rated_correlation",
    "truncated",
)

_MEANS: Mapping[str, Callable[[Sample], float | None]] = {
    "gold": lambda sample: sample.gold,
    "proxy": lambda sample: sample.proxy,
    "length": lambda sample: float(sample.tokens),
    "repetition": lambda sample: repetition(sample.text),
    "on_topic": lambda sample: None if sample.on_topic is None else float(sample.on_topic),
    "truncated": lambda sample: float(sample.truncated),
    "kl_nats": lambda sample: sample.kl_nats,
    "rated_gold": lambda sample: sample.rated_gold,
}

_Groups = Sequence[Sequence[Sample]]
_Sums = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides, their differences (after - before) and ratios (after / before), with 95% intervals over prompts."""

    before: Mapping[str, float | None]
    after: Mapping[str, float | None]
    difference: Mapping[str, Interval | None]
    ratio: Mapping[str, Interval | None]
    win_rate: Interval | None
    kl: Interval | None


def compare(
    before: Sequence[Sample], after: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES
) -> Comparison:
    """Return everything that is said about two sides of the same prompts.

    Raises InputError when the sides do not hold the same (prompt, index) pairs.
    """
    difference, ratio = _changes(before, after, seed, resamples)
    limits = common_lengths(before, after)
    return Comparison(
        before=describe(before, limits=limits),
        after=describe(after, limits=limits),
        difference=difference,
        ratio=ratio,
        win_rate=win_rate(before, after, seed=seed, resamples=resamples),
        kl=kl(after, seed=seed, resamples=resamples),
    )


def describe(
    samples: Sequence[Sample], *, limits: Mapping[tuple[str, int], int] | None = None
) -> dict[str, float | None]:
    """One side in numbers, by the names in `KEYS`; None where nothing was measured.

    gold and proxy in their own units, length in tokens, the others shares, except perplexity and the correlation
    between the rating asked for and the rating the gold judge gives. `limits` cuts each text for distinct-2 only.
    """
    groups = by_prompt(samples)
    if not groups:
        return dict.fromkeys(KEYS)
    totals = {name: column.sum(keepdims=True) for name, column in _sums(groups).items()}
    figures = {key: _number(values[0]) for key, values in _statistics(totals).items()}
    found = _Bigrams.of(groups, limits)
    figures["distinct_2"] = _number(found.share) if found.total else None
    return {key: figures.get(key) for key in KEYS}


def differences(
    before: Sequence[Sample], after: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval | None]:
    """After minus before for each of `KEYS`, with a 95% interval by bootstrap over prompts.

    A prompt that lacks a measurement on one side leaves that comparison; `n` says how many prompts stayed.
    """
    return _changes(before, after, seed, resamples)[0]


def win_rate(
    before: Sequence[Sample], after: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval | None:
    """How often a sample after has more gold than a sample before of the same prompt; ties count half.

    All pairs of the two sides' samples of a prompt are compared, their share is the prompt's, the mean over prompts is
    returned, with its 95% interval by bootstrap over prompts; None when no prompt has gold on both sides.
    """
    shares = []
    for old, new in paired(before, after):
        gaps = [b.gold - a.gold for a in old for b in new if a.gold is not None and b.gold is not None]
        if gaps:
            shares.append(sum((gap > 0) + 0.5 * (gap == 0) for gap in gaps) / len(gaps))
    return bootstrap_mean(shares, n=resamples, seed=seed) if len(shares) > 1 else None


def kl(samples: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """Mean KL per completion, policy to untouched model, nats summed over tokens; 95% interval over prompts."""
    return side_interval(samples, "kl_nats", seed=seed, resamples=resamples)


def side_interval(samples: Sequence[Sample], key: str, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """The mean of one measure ("gold", "proxy", "length", "kl_nats" ...) on one side, 95% interval over prompts."""
    measured = [(value, sample.prompt_id) for sample in samples if (value := _MEANS[key](sample)) is not None]
    values, prompts = [value for value, _ in measured], [prompt for _, prompt in measured]
    return bootstrap_mean(values, prompts, n=resamples, seed=seed) if len(set(prompts)) > 1 else None


def curve_point(step: int, samples: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """One checkpoint's place on the over-optimisation curve: step, kl_nats, gold and proxy with their intervals."""
    point: dict[str, Any] = {"step": step}
    for key in ("kl_nats", "gold", "proxy"):
        found = side_interval(samples, key, seed=seed, resamples=resamples)
        point[key] = None if found is None else found.mean
        if key != "kl_nats":
            point[f"{key}_ci95"] = None if found is None else [found.low, found.high]
    return point


def common_lengths(before: Sequence[Sample], after: Sequence[Sample]) -> dict[tuple[str, int], int]:
    """Number of words of the shorter of each pair of texts: both are cut to it, so distinct-2 compares equal amounts.

    Without the cut a model whose texts became half as long would look more varied than it is.
    """
    return {
        (a.prompt_id, a.index): min(len(words(a.text)), len(words(b.text)))
        for old, new in paired(before, after)
        for a, b in zip(old, new, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Level:
    """What was written where one rating was asked for."""

    asked: float
    words: str
    ratings: tuple[float, ...]
    mean: float
    interval: Interval | None


def asked_levels(samples: Sequence[Sample], *, seed: int = 0, resamples: int = RESAMPLES) -> list[Level]:
    """Return the gold judge's ratings by the rating asked for, lowest first, with 95% intervals over prompts."""
    levels: dict[float, list[Sample]] = {}
    for sample in samples:
        if sample.asked is not None and sample.rated_gold is not None:
            levels.setdefault(sample.asked, []).append(sample)
    return [
        Level(
            asked=asked,
            words=found[0].asked_words,
            ratings=tuple(float(s.rated_gold) for s in found if s.rated_gold is not None),
            mean=float(np.mean([s.rated_gold for s in found])),
            interval=side_interval(found, "rated_gold", seed=seed, resamples=resamples),
        )
        for asked, found in sorted(levels.items())
    ]


def smallest_detectable_difference(sd: float, n: int) -> float:
    """The true mean difference that n prompts would show (interval excludes zero) four times in five.

    (z_0.975 + z_0.8) sd / sqrt(n) = 2.80 sd / sqrt(n); sd is that of the per-prompt paired differences.
    """
    return (1.959964 + 0.841621) * sd / math.sqrt(n)


# ------------------------------------------------------------------------------------------------ sums over prompts


def _changes(
    before: Sequence[Sample], after: Sequence[Sample], seed: int, resamples: int
) -> tuple[dict[str, Interval | None], dict[str, Interval | None]]:
    """Differences and ratios of both sides, all keys on the same resamples of prompts."""
    pairs = paired(before, after)
    none: dict[str, Interval | None] = dict.fromkeys(KEYS)
    if not pairs:
        return none, dict(none)
    weights = multiplicities(len(pairs), resamples, np.random.default_rng(seed))
    weights[0] = 1.0  # the first row is the estimate itself: every prompt once
    sums = [_sums([pair[side] for pair in pairs]) for side in (0, 1)]
    n = _only_measured_on_both(*sums)
    old, new = (_statistics({name: weights @ column for name, column in side.items()}) for side in sums)
    limits = common_lengths(before, after)
    old_words, new_words = (_Bigrams.of([pair[side] for pair in pairs], limits) for side in (0, 1))
    n["distinct_2"] = len(pairs) if old_words.total else 0
    old["distinct_2"], new["distinct_2"] = old_words.draws(weights), new_words.draws(weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = {key: new[key] - old[key] for key in KEYS}
        quotients = {key: new[key] / old[key] for key in KEYS}
    return _intervals(gaps, n), _intervals(quotients, n)


def _intervals(draws: _Sums, n: Mapping[str, int]) -> dict[str, Interval | None]:
    """Intervals from draws whose first value is the estimate."""
    return {key: percentile_interval(values[0], values[1:], n[key]) for key, values in draws.items()}


def _sums(groups: _Groups) -> _Sums:
    """Per-prompt sums from which every statistic but distinct-2 follows, by name, each of shape (prompts,)."""
    columns: _Sums = {}
    for key, value_of in _MEANS.items():
        columns[key], columns[f"{key}/n"] = _totals(groups, value_of)
    measured = [[s for s in group if s.reference_nll is not None] for group in groups]
    columns["nll"], _ = _totals(measured, lambda sample: sample.reference_nll)
    columns["nll/n"], _ = _totals(measured, lambda sample: float(sample.tokens))
    both = [[s for s in group if s.asked is not None and s.rated_gold is not None] for group in groups]
    columns["pair/n"], _ = _totals(both, lambda sample: 1.0)
    x, y = (_totals(both, lambda s: s.asked)[0], _totals(both, lambda s: s.rated_gold)[0])
    count = max(1.0, columns["pair/n"].sum())
    mean_x, mean_y = x.sum() / count, y.sum() / count  # taken off first: keeps the sums of squares exact
    for name, value_of in {
        "x": lambda s: s.asked - mean_x,
        "y": lambda s: s.rated_gold - mean_y,
        "xx": lambda s: (s.asked - mean_x) ** 2,
        "yy": lambda s: (s.rated_gold - mean_y) ** 2,
        "xy": lambda s: (s.asked - mean_x) * (s.rated_gold - mean_y),
    }.items():
        columns[name], _ = _totals(both, value_of)
    return columns


def _totals(groups: _Groups, value_of: Callable[[Sample], Any]) -> tuple[Floats, Floats]:
    """Sum and count of the measured values of each prompt."""
    values = [[value for sample in group if (value := value_of(sample)) is not None] for group in groups]
    return np.array([math.fsum(each) for each in values]), np.array([float(len(each)) for each in values])


def _only_measured_on_both(old: _Sums, new: _Sums) -> dict[str, int]:
    """Blank, in both sides, the prompts that one side lacks; return by key how many prompts are left."""
    families = {key: (key, f"{key}/n") for key in _MEANS} | {
        "perplexity": ("nll", "nll/n"),
        "asked_rated_correlation": ("pair/n", "x", "y", "xx", "yy", "xy"),
    }
    left = {}
    for key, names in families.items():
        counter = "pair/n" if "pair/n" in names else names[-1]
        kept = (old[counter] > 0) & (new[counter] > 0)
        left[key] = int(kept.sum())
        for side in (old, new):
            for name in names:
                side[name] = np.where(kept, side[name], 0.0)
    return left


def _statistics(totals: _Sums) -> dict[str, Floats]:
    """The statistics (all but distinct-2) of each resample from its weighted sums; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = {key: totals[key] / totals[f"{key}/n"] for key in _MEANS}
        found["perplexity"] = np.exp(totals["nll"] / totals["nll/n"])
        n = totals["pair/n"]
        covariance = totals["xy"] - totals["x"] * totals["y"] / n
        spread_x, spread_y = (_spread(totals[f"{name}{name}"], totals[name], n) for name in "xy")
        found["asked_rated_correlation"] = covariance / np.sqrt(spread_x * spread_y)
    return found


def _spread(squares: Floats, total: Floats, n: Floats) -> Floats:
    """Sum of squared deviations; NaN where it is nothing but rounding (all values alike: no correlation exists)."""
    spread: Floats = np.subtract(squares, total * total / n)
    spread[spread <= 1e-9 * squares] = np.nan
    return spread


@dataclass(frozen=True, slots=True)
class _Bigrams:
    """What distinct-2 and its jackknife need of each prompt."""

    total: int
    distinct: int
    of_prompt: Floats
    """Bigrams in each prompt's texts."""
    only_in_prompt: Floats
    """Distinct bigrams that stand in this prompt's texts and in no other's."""

    @classmethod
    def of(cls, groups: _Groups, limits: Mapping[tuple[str, int], int] | None) -> _Bigrams:
        found = [
            [pair for s in group for pair in bigrams(s.text, None if limits is None else limits[s.prompt_id, s.index])]
            for group in groups
        ]
        prompts_with = Counter(pair for each in found for pair in set(each))
        return cls(
            total=sum(map(len, found)),
            distinct=len(prompts_with),
            of_prompt=np.array([float(len(each)) for each in found]),
            only_in_prompt=np.array([float(sum(prompts_with[pair] == 1 for pair in set(each))) for each in found]),
        )

    @property
    def share(self) -> float:
        return self.distinct / self.total if self.total else math.nan

    def draws(self, weights: Floats) -> Floats:
        """The share plus the resampled mean of the centred pseudo-values, for each row of weights."""
        n = len(self.of_prompt)
        rest = self.total - self.of_prompt
        if n < 2 or not rest.all():
            return np.full(len(weights), self.share)
        without = (self.distinct - self.only_in_prompt) / rest
        pseudo = n * self.share - (n - 1) * without
        moved: Floats = weights @ (pseudo - pseudo.mean()) / n
        return self.share + moved


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
