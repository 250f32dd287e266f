"""What is known of every text and of every pair after all answers: the figures that signals are made of, for people.

A text that was rated, thumbed, commented or held against a checklist has a value on the scale of `SignalConfig`. One
that was compared or ranked has a strength in logits among the texts it was compared with: 0 is their mean, a gap of 1
is a preference of 0.73, and texts that no chain of comparisons links have no common scale. They are told in groups of
their own and never side by side; a strength of 0 for want of answers is not told at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from burnish.feedback import crowd, rankings, reliability, tied, votes
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.feedback.signals import heard, signals_of
from burnish.maths import choice
from burnish.progress import counted
from burnish.records import Completion, Interval, Preference, Prompt, Score
from burnish.store import Entry

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
WIDE = 1.959964
"""Standard deviations of a normal on each side of its mean that hold 95%."""


@dataclass(frozen=True, slots=True)
class Item:
    """One text, in one respect, as one kind of answer has it."""

    prompt: Prompt
    completion: Completion
    aspect: str
    kind: str
    """What it rests on: rating, thumb, comment, ..., comparison, ranking."""
    value: Interval
    """Posterior mean with its 95% interval; `n` counts answers."""
    group: str = ""
    """Of strengths: only those of one group can be compared. Empty for values on the scale."""

    def to_plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "prompt_id": self.prompt.id,
            "prompt": self.prompt.text,
            "completion_id": self.completion.id,
            "completion": self.completion.text,
            "aspect": self.aspect,
            "kind": self.kind,
            "unit": "logit" if self.group else "scale",
            "group": self.group,
            "mean": self.value.mean,
            "low": self.value.low,
            "high": self.value.high,
            "answers": self.value.n,
        }


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that were compared, or placed in one ranking."""

    prompt: Prompt
    chosen: Completion
    rejected: Completion
    aspect: str
    kind: str
    probability: float
    """Posterior mean of P(the chosen is preferred by a person drawn at random), half of a tie counted in."""
    spread: float
    """Its posterior standard deviation."""
    tie: float | None
    """Chance of a tie, where a model of ties was asked for."""
    weight: float
    """As it counts in training; pairs of one ranking share the ranking's."""
    answers: int

    def to_plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        texts = {
            name: value
            for side in ("chosen", "rejected")
            for name, value in ((f"{side}_id", getattr(self, side).id), (side, getattr(self, side).text))
        }
        told = {name: getattr(self, name) for name in ("aspect", "kind", "probability", "spread", "tie", "weight")}
        return {
            "prompt_id": self.prompt.id, "prompt": self.prompt.text, **texts, **told, "answers": self.answers
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Posterior:
    """All items and pairs, and what has to be said of them."""

    items: tuple[Item, ...]
    """Values first, best first; then strengths, group by group, best first."""
    pairs: tuple[Pair, ...]
    """The surest first."""
    ties: Mapping[str, Interval] = field(default_factory=dict)
    """By aspect: the parameter of the model of ties (nu of Davidson, theta of Rao and Kupper) with its 95% interval."""
    notes: tuple[str, ...] = ()

    def to_plain(self, *, items: bool = True, pairs: bool = True) -> dict[str, Any]:
        """As plain JSON values, with what is asked for."""
        return {
            **({"items": [item.to_plain() for item in self.items]} if items else {}),
            **({"pairs": [pair.to_plain() for pair in self.pairs]} if pairs else {}),
            "ties": {
                aspect: {"parameter": found.mean, "ci95": [found.low, found.high]}
                for aspect, found in self.ties.items()
            },
            "item_notes": list(self.notes),
        }


def posterior(entries: Iterable[Entry], config: SignalConfig | None = None) -> Posterior:
    """Return what all answers say of each text and each pair, people and ties weighed as `config` says."""
    settings = config or SignalConfig()
    current = heard(entries, settings)
    signals = signals_of(current, settings)
    compared = [a for a in current.get("comparison", ()) if "cannot_judge" not in a.feedback.value]
    ranked = rankings.fitted([a for a in current.get("ranking", ()) if len(a.completions) > 2], settings)
    by_ties = tied.fit(compared, settings) if settings.ties != "half" else {}
    strengths = [*_of_comparisons(compared, settings, by_ties), *_of_rankings(ranked)]
    values = [item for signal in signals if isinstance(signal, Score) for item in _value(signal, settings)]
    pairs = [
        *_compared([each for each in signals if isinstance(each, Preference) and each.is_pair], by_ties),
        *(pair for each in ranked for pair in _placed(each)),
    ]
    return Posterior(
        items=(
            *sorted(values, key=lambda item: -item.value.mean),
            *sorted(strengths, key=lambda item: (item.kind, item.aspect, item.group, -item.value.mean)),
        ),
        pairs=tuple(sorted(pairs, key=lambda pair: -abs(pair.probability - 0.5))),
        ties={aspect: found.found.interval for aspect, found in by_ties.items()},
        notes=tuple(_apart(strengths)),
    )


def _value(score: Score, config: SignalConfig) -> Iterator[Item]:
    if score.value is not None:
        half = WIDE * (score.variance or 0.0) ** 0.5
        low, high = (min(max(score.value + side, config.scale[0]), config.scale[1]) for side in (-half, half))
        interval = Interval(mean=score.value, low=low, high=high, n=len(score.feedback_ids))
        yield Item(score.prompt, score.completion, score.aspect, score.source, interval)


# ------------------------------------------------------------------------------------------------------------ strengths


def _of_comparisons(
    answers: Sequence[Answer], config: SignalConfig, by_ties: Mapping[str, tied.Tied]
) -> Iterator[Item]:
    crowds: Mapping[str, crowd.Crowd | reliability.Reliable] = {}
    if config.people in ("annotators", "reliable") and answers:
        crowds = (crowd if config.people == "annotators" else reliability).fit(answers, config)
    by_aspect: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_aspect[answer.feedback.aspect].append(answer)
    for aspect, given in by_aspect.items():
        if aspect in by_ties:
            found = by_ties[aspect]
            names = found.items
            told = found.found.scores_I, found.found.variance_I, found.found.island_I
        elif aspect in crowds:
            people = crowds[aspect]
            names = {name: number for (_, name), number in people.items.items()}
            told = people.found.scores_I, people.found.variance_I, people.found.island_I
        else:
            names, told = _alike(given, config)
        yield from _strengths(given, names, *told)


def _alike(answers: Sequence[Answer], config: SignalConfig) -> tuple[dict[str, int], tuple[Floats, Floats, Ints]]:
    """Numbers of the completions; their scores, variances and islands where all people count alike, a tie as half."""
    names: dict[str, int] = {}
    by_prompt: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_prompt[answer.feedback.prompt_id].append(answer)
    scores: list[Floats] = []
    variances: list[Floats] = []
    islands: list[Ints] = []
    for given in by_prompt.values():
        fit, own = votes.strengths(given, config)
        before = len(names)
        names.update({name: before + number for name, number in own.items()})
        scores.append(fit.scores_I)
        variances.append(_centred(fit))
        islands.append(fit.island_I + (int(islands[-1].max()) + 1 if islands else 0))
    return names, (np.concatenate(scores), np.concatenate(variances), np.concatenate(islands))


def _centred(fit: choice.Scores) -> Floats:
    """Variance of each score less the mean of its island, which nothing is known of but the prior."""
    same_II = fit.island_I[:, None] == fit.island_I[None]
    centre_II = np.eye(len(fit.scores_I)) - same_II / same_II.sum(axis=1, keepdims=True)
    return np.asarray(np.maximum(np.diag(centre_II @ fit.covariance_II @ centre_II.T), 0.0))


def _of_rankings(fitted: Sequence[rankings.Fitted]) -> Iterator[Item]:
    before: Counter[tuple[str, str]] = Counter()  # groups of a prompt whose texts were shown in other sets
    for given in fitted:
        said = given.answers[0].feedback
        names = {name: number for number, name in enumerate(said.completion_ids)}
        linked = {number for group in given.groups for number in group}
        kept = {name: number for name, number in names.items() if number in linked}
        told = given.fit.scores_I, _centred(given.fit), given.fit.island_I
        yield from _strengths(given.answers, kept, *told, before=before[said.prompt_id, said.aspect])
        before[said.prompt_id, said.aspect] += len(given.groups)


def _strengths(
    answers: Sequence[Answer],
    names: Mapping[str, int],
    score_I: Floats,
    variance_I: Floats,
    island_I: Ints,
    *,
    before: int = 0,
) -> Iterator[Item]:
    shown = {name: (a, c) for a in answers for name, c in zip(a.feedback.completion_ids, a.completions, strict=True)}
    once = newest((frozenset(answer.feedback.completion_ids), answer) for answer in answers)
    counts = Counter(name for _, answer in once for name in answer.feedback.completion_ids)
    groups: dict[str, dict[int, int]] = defaultdict(dict)
    for name, number in names.items():
        answer, completion = shown[name]
        numbers = groups[answer.feedback.prompt_id]
        group = numbers.setdefault(int(island_I[number]), before + len(numbers) + 1)
        mean, half = float(score_I[number]), WIDE * float(np.sqrt(variance_I[number]))
        yield Item(
            answer.prompt,
            completion,
            answer.feedback.aspect,
            answer.feedback.kind,
            Interval(mean=mean, low=mean - half, high=mean + half, n=counts[name]),
            group=f"{answer.feedback.prompt_id}/{group}",
        )


def _apart(strengths: Sequence[Item]) -> Iterator[str]:
    """Say of prompts whose texts have no common scale that they have none."""
    groups: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for item in strengths:
        groups[item.kind, item.aspect][item.prompt.id].add(item.group)
    for (kind, aspect), prompts in groups.items():
        if split := sum(len(found) > 1 for found in prompts.values()):
            yield (
                f"{kind}{aspect and f' of {aspect}'}: in {split:,} of {counted(len(prompts), 'prompt')} the texts fall "
                "into groups that no answer links. Strengths of different groups cannot be compared; ask for pairs "
                "between them (`burnish feedback next`)."
            )


# ---------------------------------------------------------------------------------------------------------------- pairs


def _compared(preferences: Sequence[Preference], by_ties: Mapping[str, tied.Tied]) -> Iterator[Pair]:
    tie: dict[tuple[str, str, str], float] = {}
    for aspect, model in by_ties.items():
        keys = [(each.chosen.id, each.rejected.id) for each in preferences if each.aspect == aspect]
        tie.update({(aspect, *key): chance for key, chance in model.tie(keys).items()})
    for each in preferences:
        yield Pair(
            each.prompt,
            each.chosen,
            each.rejected,
            each.aspect,
            "comparison",
            0.5 if each.probability is None else each.probability,
            (each.variance or 0.0) ** 0.5,
            tie.get((each.aspect, each.chosen.id, each.rejected.id)),
            each.weight,
            len(each.feedback_ids),
        )


def _placed(given: rankings.Fitted) -> Iterator[Pair]:
    """All pairs of a ranking, each with its probability; they share its weight, as they do in training."""
    first = given.answers[0]
    for members in given.groups:
        weight, _ = rankings.weight_and_variance(given.fit, members)
        pairs = list(combinations(members, 2))
        for one, two in pairs:
            mean, variance = given.fit.probability(one, two)
            best, worst = (one, two) if mean >= 0.5 else (two, one)
            yield Pair(
                first.prompt,
                first.completions[best],
                first.completions[worst],
                first.feedback.aspect,
                "ranking",
                max(mean, 1 - mean),
                variance**0.5,
                None,
                weight / len(pairs),
                len(given.answers),
            )
