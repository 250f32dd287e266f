"""What a judge is worth: its answers against people's on the same items, with intervals, failures counted.

Two kinds of items. A *pair*: -1, 0 or 1 for which text is better; people's answer is the sign of their mean, from their
comparisons or, where they only rated, from the difference of their mean ratings. A *text*: its place on its scale from
0 to 1, from ratings, thumbs or rubrics. Items are resampled by prompt where several items share one, because they
resemble each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from burnish.errors import InputError
from burnish.evaluation.judge_reliability import Reliability, reliability
from burnish.evaluation.resampling import Floats, multiplicities, percentile_interval
from burnish.evaluation.reward_card import pair_accuracy
from burnish.evaluation.text import words
from burnish.feedback import checklists, kinds
from burnish.feedback.answers import Answer, answers_of, newest
from burnish.maths.agreement import alpha, count
from burnish.maths.corrected import Corrected, kappa, prediction_powered, rogan_gladen
from burnish.maths.intervals import wilson
from burnish.records import Completion, Interval
from burnish.store import Entry

RESAMPLES = 2_000
MIDDLE = 0.5
"""On the common scale: above it a text counts as good."""
TEXT_KINDS = ("rating", "thumb", "rubric")


@dataclass(frozen=True, slots=True)
class Item:
    """One item that the judge and people answered."""

    prompt_id: str
    judge: float
    people: float
    """Mean of people's answers."""
    answers: tuple[float, ...]
    """Each person's own."""
    length: float
    """Of a pair log(words of the first / words of the second); of a text log(words)."""


@dataclass(frozen=True, slots=True)
class JudgeCard:
    """The card of one judge for one kind of item. What cannot be measured is None, with the reason in `notes`."""

    judge: str
    form: str
    """`pairs` or `texts`."""
    n: int
    """Items answered by both."""
    judged: int
    """Items the judge answered."""
    accuracy: Interval | None = None
    """Pairs: share where it names people's better one, "cannot judge" as half. Texts: pairs of texts put in order."""
    one_person: Interval | None = None
    """The same for one person against the mean of the others: the height of the bar."""
    kappa: float | None = None
    """Cohen's, against people's majority."""
    alpha: float | None = None
    """Krippendorff's, of the judge and people's mean as two annotators."""
    correlation: Interval | None = None
    """Spearman, judge against people's mean."""
    consistency: Interval | None = None
    """Pairs: share where both orders name the same text."""
    first_place: Interval | None = None
    """Pairs whose orders disagree: share where it named the first shown both times."""
    length_bias: Interval | None = None
    """Pairs: share choosing the longer text, judge minus people. Texts: correlation with length, judge minus people."""
    corrected: Corrected | None = None
    """People's mean on all judged items, by prediction-powered inference."""
    corrected_rate: Corrected | None = None
    """Share of texts that people would call good, by Rogan-Gladen."""
    reliability: Reliability | None = None
    """What its probabilities are worth: of a pair that the first shown is better, of a text its place as that of being
    good. People's answer is their majority."""
    notes: Mapping[str, str] = field(default_factory=dict)


def judge_cards(entries: Iterable[Entry], judge: str, *, seed: int = 0) -> list[JudgeCard]:
    """Return a card for each kind of item that an author of kind ai answered, people's answers in the same entries.

    Raises InputError when nobody of that name has judged anything.
    """
    pairs, texts = _Gathered(), _Gathered()
    for entry in entries:
        _gather(entry, judge, pairs, texts)
    if not pairs.judged and not texts.judged:
        raise InputError(f"judge: no answer by {judge!r} of kind ai. `burnish feedback stats` counts what there is.")
    cards = []
    if pairs.judged:
        cards.append(_pairs_card(judge, pairs, seed))
    if texts.judged:
        cards.append(_texts_card(judge, texts, seed))
    return cards


# ------------------------------------------------------------------------------------------------------------ gathering


@dataclass
class _Gathered:
    items: list[Item] = field(default_factory=list)
    judged: int = 0
    alone: list[float] = field(default_factory=list)
    """The judge's answers on items that no person answered."""
    orders: list[tuple[float, float]] = field(default_factory=list)
    first_shown: list[tuple[str, float, float]] = field(default_factory=list)
    """Of pairs that people decided: prompt, the judge's probability of the first shown, whether people prefer it."""


def _gather(entry: Entry, judge: str, pairs: _Gathered, texts: _Gathered) -> None:
    answers = list(answers_of(entry))
    by_judge = [a for a in answers if a.feedback.author.kind == "ai" and a.feedback.author.id == judge]
    if not by_judge:
        return
    said = [a for a in answers if a.feedback.author.kind == "human"]
    completions = {completion.id: completion for completion in entry.completions}
    people_texts = _text_opinions(said)
    people_pairs = _pair_opinions(said)
    said_by_judge = dict(newest((_pair_of(a), a) for a in by_judge if a.feedback.kind == "comparison"))
    for pair, opinion in _pair_opinions(by_judge).items():
        own = people_pairs.get(pair) or _from_texts(pair, people_texts)
        _add(pairs, entry.prompt.id, opinion[0], own, _length(*(completions[name] for name in pair)))
        if own and (people := float(np.sign(sum(own)))):
            pairs.first_shown.append((entry.prompt.id, *_of_first_shown(said_by_judge[pair], pair, people)))
    for name, opinion in _text_opinions(by_judge).items():
        _add(texts, entry.prompt.id, opinion[0], people_texts.get(name, []), _length(completions[name]))
    for answer in by_judge:
        if orders := answer.feedback.metadata.get("orders"):
            pairs.orders.append((float(orders[0]), float(orders[1])))


def _add(gathered: _Gathered, prompt_id: str, judge: float, people: Sequence[float], length: float) -> None:
    gathered.judged += 1
    if people:
        mean = sum(people) / len(people)
        gathered.items.append(Item(prompt_id, judge, mean, tuple(people), length))
    else:
        gathered.alone.append(judge)


def _pair_opinions(answers: Sequence[Answer]) -> dict[tuple[str, str], list[float]]:
    """Return -1, 0 or 1 of each author on each pair, 1 for the completion with the smaller id; 0 for "cannot judge"."""
    comparisons = [answer for answer in answers if answer.feedback.kind == "comparison"]
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for pair, answer in newest((_pair_of(answer), answer) for answer in comparisons):
        chosen = answer.feedback.value.get("chosen")
        if chosen is None and answer.feedback.author.kind == "human" and "cannot_judge" in answer.feedback.value:
            continue
        found[pair].append(
            0.0 if chosen is None else 1.0 if answer.feedback.completion_ids[chosen] == pair[0] else -1.0
        )
    return dict(found)


def _of_first_shown(answer: Answer, pair: tuple[str, str], people: float) -> tuple[float, float]:
    """Return the judge's probability of the completion it was shown first, and 1 where people prefer that one, else 0.

    `people`: 1 for the pair's smaller id, -1 for the other.
    """
    said = answer.feedback
    told = said.metadata.get("probability")
    if not isinstance(told, int | float):
        told = 0.5 if "chosen" not in said.value else float(said.value["chosen"] == 0)
    return float(told), float((people > 0) == (said.completion_ids[0] == pair[0]))


def _text_opinions(answers: Sequence[Answer]) -> dict[str, list[float]]:
    """Return each author's place of each completion between the worst (0) and the best (1)."""
    overall = [a for a in answers if a.feedback.kind in TEXT_KINDS and not a.feedback.aspect]
    found: dict[str, list[float]] = defaultdict(list)
    for name, answer in newest((a.feedback.completion_ids[0], a) for a in overall):
        found[name].append(place_of(answer))
    return dict(found)


def place_of(answer: Answer) -> float:
    """Return where an answer puts its text between the worst (0) and the best (1)."""
    if answer.feedback.kind == "rubric":
        return checklists.share(answer.feedback.value["rubric"])
    module: Any = kinds.load(answer.feedback.kind)
    opinions = cast("Callable[[Answer], list[tuple[Hashable, float]]]", module.opinions)
    return float(opinions(answer)[0][1])


def _from_texts(pair: tuple[str, str], texts: Mapping[str, list[float]]) -> list[float]:
    """Return the sign of the difference of people's mean places, where both texts were rated."""
    if not all(name in texts for name in pair):
        return []
    first, second = (sum(texts[name]) / len(texts[name]) for name in pair)
    return [float(np.sign(first - second))]


def _pair_of(answer: Answer) -> tuple[str, str]:
    first, second = sorted(answer.feedback.completion_ids)
    return first, second


def _length(*completions: Completion) -> float:
    sizes = [float(np.log1p(len(words(completion.text)))) for completion in completions]
    return sizes[0] - sizes[1] if len(sizes) == 2 else sizes[0]


# ---------------------------------------------------------------------------------------------------------------- pairs


def _pairs_card(judge: str, gathered: _Gathered, seed: int) -> JudgeCard:
    decided = [item for item in gathered.items if item.people != 0]
    notes = {}
    if not decided:
        notes["accuracy"] = "people answered none of the judged pairs, or were even on all of them"
    judge_N = np.array([item.judge for item in decided])
    people_N = np.sign([item.people for item in decided])
    right_N = np.where(judge_N == 0, 0.5, (judge_N == people_N).astype(float))
    longer_N = np.sign([item.length for item in decided])
    agreed = [a == b for a, b in ((x > 0.5, y > 0.5) for x, y in gathered.orders if x != 0.5 and y != 0.5)]
    firsts = [x > 0.5 for x, y in gathered.orders if (x - 0.5) * (y - 0.5) < 0]
    return JudgeCard(
        judge,
        "pairs",
        n=len(gathered.items),
        judged=gathered.judged,
        accuracy=_mean(decided, right_N, seed),
        one_person=_one_person_pairs(gathered.items, seed),
        kappa=_number(kappa(judge_N, people_N)) if decided else None,
        alpha=_alpha(judge_N, people_N, "nominal"),
        consistency=wilson(sum(agreed), len(agreed)) if agreed else None,
        first_place=wilson(sum(firsts), len(firsts)) if firsts else None,
        length_bias=_mean(decided, (judge_N - people_N) * longer_N / 2, seed),
        reliability=_pairs_reliability(gathered, seed),
        notes=notes,
    )


def _pairs_reliability(gathered: _Gathered, seed: int) -> Reliability | None:
    if not gathered.first_shown:
        return None
    prompts, told, people = zip(*gathered.first_shown, strict=True)
    return reliability(told, people, prompts, seed=seed)


def _one_person_pairs(items: Sequence[Item], seed: int) -> Interval | None:
    """Return how often one person names the better one of all others' mean; pairs answered by one have no others."""
    kept, right = [], []
    for item in items:
        own, rest = item.answers[0], sum(item.answers[1:])
        if rest:
            kept.append(item)
            right.append(0.5 if own == 0 else float(np.sign(rest) == own))
    return _mean(kept, np.array(right), seed)


# ---------------------------------------------------------------------------------------------------------------- texts


def _texts_card(judge: str, gathered: _Gathered, seed: int) -> JudgeCard:
    items = gathered.items
    judge_N, people_N = (np.array([getattr(item, name) for item in items]) for name in ("judge", "people"))
    length_N = np.array([item.length for item in items])
    notes: dict[str, str] = {}
    if len(items) < 3:
        notes["correlation"] = f"people answered {len(items)} of the judged texts; at least three are needed"
    weights_RN = _weights(items, seed) if len(items) >= 3 else np.zeros((0, 0))
    several = len(items) >= 3
    return JudgeCard(
        judge,
        "texts",
        n=len(items),
        judged=gathered.judged,
        accuracy=_ordered(items, judge_N, people_N, seed) if several else None,
        one_person=_one_person_texts(items, seed) if several else None,
        kappa=_number(kappa(judge_N > MIDDLE, people_N > MIDDLE)) if items else None,
        alpha=_alpha(judge_N, people_N, "interval"),
        correlation=_correlation(judge_N, people_N, weights_RN) if several else None,
        length_bias=_length_bias(judge_N, people_N, length_N, weights_RN) if several else None,
        corrected=_tried(lambda: prediction_powered(gathered.alone, judge_N, people_N), "corrected", gathered, notes),
        corrected_rate=_tried(lambda: _rate(gathered.alone, judge_N, people_N), "corrected_rate", gathered, notes),
        reliability=reliability(judge_N, people_N > MIDDLE, _units(items), gathered.alone, seed=seed),
        notes=notes,
    )


def _rate(alone: Sequence[float], judge_N: Floats, people_N: Floats) -> Corrected:
    judged, judge, people = ((np.asarray(each) > MIDDLE).astype(float) for each in (alone, judge_N, people_N))
    return rogan_gladen(judged, judge, people)


def _tried(act: Callable[[], Corrected], name: str, gathered: _Gathered, notes: dict[str, str]) -> Corrected | None:
    if not gathered.alone:
        return None
    try:
        return act()
    except InputError as error:  # a card says why something cannot be said
        notes[name] = str(error)
        return None


def _ordered(items: Sequence[Item], judge_N: Floats, people_N: Floats, seed: int) -> Interval | None:
    """Return the share of pairs of texts with unequal means that the judge puts in people's order, ties as half."""
    if len(set(people_N.tolist())) < 2:
        return None
    found = pair_accuracy(judge_N, people_N, [0] * len(items), clusters=_units(items), seed=seed)
    return Interval(found.accuracy, found.low, found.high, found.n_texts)


def _one_person_texts(items: Sequence[Item], seed: int) -> Interval | None:
    kept = [item for item in items if len(item.answers) > 1]
    if len(kept) < 3:
        return None
    draw = np.random.default_rng(seed)
    own_N, rest_N = np.empty(len(kept)), np.empty(len(kept))
    for place, item in enumerate(kept):
        person = int(draw.integers(len(item.answers)))
        own_N[place] = item.answers[person]
        rest_N[place] = (sum(item.answers) - own_N[place]) / (len(item.answers) - 1)
    return _ordered(kept, own_N, rest_N, seed)


def _correlation(judge_N: Floats, people_N: Floats, weights_RN: Floats) -> Interval | None:
    one_N, two_N = _ranks(judge_N), _ranks(people_N)
    whole = np.ones((1, len(one_N)))
    return percentile_interval(float(_pearson(one_N, two_N, whole)[0]), _pearson(one_N, two_N, weights_RN), len(one_N))


def _length_bias(judge_N: Floats, people_N: Floats, length_N: Floats, weights_RN: Floats) -> Interval | None:
    ranks = [_ranks(each) for each in (judge_N, people_N, length_N)]
    whole = np.ones((1, len(length_N)))
    own, draws = (
        _pearson(ranks[0], ranks[2], each) - _pearson(ranks[1], ranks[2], each) for each in (whole, weights_RN)
    )
    return percentile_interval(float(own[0]), draws, len(length_N))


def _ranks(values_N: Floats) -> Floats:
    """Return ranks from 1, ties at their mean rank: `scipy.stats.rankdata`, whose import takes a second."""
    _, codes, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes], dtype=np.float64)


def _pearson(one_N: Floats, two_N: Floats, weights_RN: Floats) -> Floats:
    """Return the weighted correlation for each row of weights; NaN where one side does not vary.

    On ranks of the whole this is Spearman's, with the ranks of a resample taken as those of the whole: its interval is
    the same to the first order, and costs no sorting.
    """
    total = weights_RN.sum(axis=1)
    one_R, two_R = weights_RN @ one_N / total, weights_RN @ two_N / total
    both = weights_RN @ (one_N * two_N) / total - one_R * two_R
    spread = (weights_RN @ one_N**2 / total - one_R**2) * (weights_RN @ two_N**2 / total - two_R**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-12, both / np.sqrt(np.maximum(spread, 1e-300)), np.nan))


# --------------------------------------------------------------------------------------------------------------- shared


def _units(items: Sequence[Item]) -> list[str]:
    """Return what each item is resampled with: its prompt, or itself where all share one (raw texts)."""
    prompts = [item.prompt_id for item in items]
    return [str(i) for i in range(len(items))] if len(set(prompts)) == 1 else prompts


def _weights(items: Sequence[Item], seed: int) -> Floats:
    """Return how often each item counts in each resample."""
    codes = np.unique(_units(items), return_inverse=True)[1]
    drawn = multiplicities(int(codes.max()) + 1, RESAMPLES, np.random.default_rng(seed))
    return np.asarray(drawn[:, codes], dtype=np.float64)


def _mean(items: Sequence[Item], values_N: Floats, seed: int) -> Interval | None:
    if len(items) < 2:
        return None
    weights_RN = _weights(items, seed)
    draws = weights_RN @ values_N / weights_RN.sum(axis=1)
    return percentile_interval(float(values_N.mean()), draws, len({item.prompt_id for item in items}))


def _alpha(judge_N: Floats, people_N: Floats, metric: Any) -> float | None:
    if len(judge_N) < 2:
        return None
    units = np.tile(np.arange(len(judge_N)), 2)
    return alpha(count(units, np.concatenate([judge_N, people_N])), metric, resamples=0).alpha


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
