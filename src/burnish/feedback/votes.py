"""Thumbs and comparisons: from several people's votes to a probability with a variance, never a bare majority.

A share of votes becomes the posterior of Beta(a, a) plus votes (`SignalConfig.prior_votes` = a, 1 by default): its mean
is the probability that a person drawn at random would say so. Where the comparisons of one prompt link more than two
completions, they are fitted together (Bradley-Terry, MAP, the ridge that equals that prior on one pair), so that
"A over B" and "B over C" also say something of each other. With `SignalConfig.people = "annotators"` the probability is
that a careful person would say so, from what each of them proves to see (`burnish.feedback.crowd`). With
`SignalConfig.ties` a tie is an answer of its own (`burnish.feedback.tied`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from scipy.special import polygamma

from burnish.feedback import crowd, graders, reliability, tied
from burnish.feedback.answers import Answer, SignalConfig, newest
from burnish.maths import choice
from burnish.records import Completion, Preference, Score

Model: TypeAlias = crowd.Crowd | reliability.Reliable | tied.Tied
"""What was fitted to the comparisons of one aspect."""

_EVEN = 1e-9  # probabilities closer to one half than this differ by rounding: a tie of opinions


def beta(won: float, lost: float, prior: float, before: float = 0.5) -> tuple[float, float]:
    """Mean and variance of the share that would vote so, after `won` votes for and `lost` against: Beta(a+won, a+lost).

    Ties are half a vote each way. before: the share to expect when nobody has voted, 2a votes' worth.
    """
    total = 2 * prior + won + lost
    mean = (2 * prior * before + won) / total
    return mean, mean * (1 - mean) / (total + 1)


def thumb_scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    """One score for each (completion, aspect) that got thumbs.

    With p the share that would raise theirs: value = worst + p (best - worst) of `config.scale` at p's posterior mean,
    variance = (best - worst)^2 times p's. `counts` holds the thumbs at the scale's ends.
    """
    grouped: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    of_item = (((answer.feedback.completion_ids[0], answer.feedback.aspect), answer) for answer in answers)
    for item, answer in newest(of_item):
        grouped[item].append(answer)
    low, high = config.scale
    made = []
    for ((_, aspect), given), (share, variance) in zip(grouped.items(), _shares(grouped, config), strict=True):
        up = sum(answer.feedback.value["thumb"] for answer in given)
        made.append(
            Score(
                prompt=given[0].prompt,
                completion=given[0].completions[0],
                value=low + share * config.width,
                variance=config.width**2 * variance,
                aspect=aspect,
                source="thumb",
                counts=tuple((end, n) for end, n in ((low, len(given) - up), (high, up)) if n),
                feedback_ids=tuple(answer.feedback.id for answer in given),
            )
        )
    return made


def _shares(grouped: Mapping[tuple[str, str], Sequence[Answer]], config: SignalConfig) -> list[tuple[float, float]]:
    """Mean and variance of the share that would raise their thumb, for each (completion, aspect)."""

    def alike(given: Sequence[Answer]) -> tuple[float, float]:
        up, n = sum(answer.feedback.value["thumb"] for answer in given), len(given)
        if config.people == "majority":
            return up / n, up / n * (1 - up / n) / n
        return beta(up, n - up, config.prior_votes)

    if config.people == "annotators":
        return graders.expected(grouped, lambda answer: float(answer.feedback.value["thumb"]), alike)
    if config.people == "reliable":
        return reliability.thumbs(grouped, alike)
    return [alike(given) for given in grouped.values()]


@dataclass(slots=True)
class _Pair:
    """What was said of two completions; the first is the one with the smaller id."""

    won: float = 0.0
    """Votes for the first, ties as half."""
    lost: float = 0.0
    strengths: list[int] = field(default_factory=list)
    """Signed, positive for the first, 0 for a tie."""
    feedback_ids: list[str] = field(default_factory=list)


def preferences(answers: Sequence[Answer], config: SignalConfig) -> list[Preference]:
    """One preference for each compared pair of each (prompt, aspect); "cannot judge" is a missing answer.

    `probability` is the posterior mean that a person drawn at random prefers the chosen one, `variance` its variance,
    `margin` (where strengths were given) the mean strength in rating units: one step is an eighth of the scale's width.
    A vote counts by its strength (`SignalConfig.strength_votes`). An even split is a tie: ranks (0, 0).
    """
    asked: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    judged = [answer for answer in answers if "cannot_judge" not in answer.feedback.value]
    for answer in judged:
        asked[answer.feedback.prompt_id, answer.feedback.aspect].append(answer)
    found: Mapping[str, Model] = {}
    if config.people == "annotators":
        found = crowd.fit(answers, config)
    elif config.people == "reliable":
        found = reliability.fit(answers, config)
    elif config.ties != "half":
        found = tied.fit(answers, config)
    return [preference for given in asked.values() for preference in _of_one_prompt(given, config, found)]


def _of_one_prompt(answers: Sequence[Answer], config: SignalConfig, found: Mapping[str, Model]) -> Iterable[Preference]:
    texts: dict[str, Completion] = {}
    pairs: dict[tuple[str, str], _Pair] = defaultdict(_Pair)
    for key, answer in newest((_sorted_pair(answer), answer) for answer in answers):
        texts.update(zip(answer.feedback.completion_ids, answer.completions, strict=True))
        _count(pairs[key], key, answer, config)
    fitted = found.get(answers[0].feedback.aspect)
    told = fitted.chances(pairs) if fitted else _chances(pairs, config)
    for key, (mean, variance, weight) in told.items():
        pair, even, swapped = pairs[key], abs(mean - 0.5) < _EVEN, mean < 0.5 - _EVEN
        chosen, rejected = (texts[name] for name in (reversed(key) if swapped else key))
        yield Preference(
            prompt=answers[0].prompt,
            completions=(chosen, rejected),
            ranks=(0, 0) if even else (0, 1),
            probability=0.5 if even else max(mean, 1 - mean),
            variance=variance,
            weight=weight,
            margin=_margin(pair, swapped, config),
            aspect=answers[0].feedback.aspect,
            feedback_ids=tuple(pair.feedback_ids),
        )


def _count(pair: _Pair, key: tuple[str, str], answer: Answer, config: SignalConfig) -> None:
    value = answer.feedback.value
    pair.feedback_ids.append(answer.feedback.id)
    share = crowd.share_of_first(answer, config)
    for_first = answer.feedback.completion_ids[0] == key[0]
    pair.won += share if for_first else 1 - share
    pair.lost += 1 - share if for_first else share
    if "tie" in value:
        pair.strengths.append(0)
    elif (strength := value.get("strength")) is not None:
        chosen_first = answer.feedback.completion_ids[value["chosen"]] == key[0]
        pair.strengths.append(strength if chosen_first else -strength)


Chance: TypeAlias = tuple[float, float, float]
"""Mean and variance of P(first preferred), and the weight of what it rests on."""


def _chances(pairs: Mapping[tuple[str, str], _Pair], config: SignalConfig) -> dict[tuple[str, str], Chance]:
    """What each pair's votes say, all people counting alike: alone, or together with the pairs it is linked to."""
    if config.people == "majority":
        return {key: _bare(pair) for key, pair in pairs.items()}
    numbers = {name: number for number, name in enumerate(sorted({name for key in pairs for name in key}))}
    ends = [(numbers[first], numbers[second]) for first, second in pairs]
    island_I = choice.islands([one for one, _ in ends], [two for _, two in ends], n_items=len(numbers)).tolist()
    linked: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for key, (first, _) in zip(pairs, ends, strict=True):
        linked[island_I[first]].append(key)
    found: dict[tuple[str, str], Chance] = {}
    for keys in linked.values():
        if len(keys) == 1:
            pair = pairs[keys[0]]
            found[keys[0]] = (*beta(pair.won, pair.lost, config.prior_votes), 1.0)
        else:
            found.update(_together(keys, pairs, config))
    return {key: found[key] for key in pairs}


def _bare(pair: _Pair) -> Chance:
    """The side with more votes has it, whatever the rest say."""
    return (0.5 if pair.won == pair.lost else float(pair.won > pair.lost)), 0.0, 1.0


def _together(
    keys: Sequence[tuple[str, str]], pairs: Mapping[tuple[str, str], _Pair], config: SignalConfig
) -> dict[tuple[str, str], Chance]:
    fit, numbers = _scores(keys, pairs, config)
    return {(first, second): (*fit.probability(numbers[first], numbers[second]), 1.0) for first, second in keys}


def _scores(
    keys: Sequence[tuple[str, str]], pairs: Mapping[tuple[str, str], _Pair], config: SignalConfig
) -> tuple[choice.Scores, dict[str, int]]:
    """Scores of the completions of these pairs, and the number of each."""
    numbers = {name: number for number, name in enumerate(sorted({name for key in keys for name in key}))}
    votes = [
        (numbers[winner], numbers[loser], weight)
        for (first, second), pair in ((key, pairs[key]) for key in keys)
        for winner, loser, weight in ((first, second, pair.won), (second, first, pair.lost))
        if weight > 0
    ]
    winners, losers, weights = zip(*votes, strict=True)
    ridge = 1 / float(polygamma(1, config.prior_votes))  # Beta(a, a) has a logit of variance 2 psi'(a)
    return choice.bradley_terry(winners, losers, n_items=len(numbers), weights=weights, ridge=ridge), numbers


def strengths(answers: Sequence[Answer], config: SignalConfig) -> tuple[choice.Scores, dict[str, int]]:
    """Scores of the completions that one prompt's comparisons name, all people counting alike; the number of each."""
    pairs: dict[tuple[str, str], _Pair] = defaultdict(_Pair)
    for key, answer in newest((_sorted_pair(answer), answer) for answer in answers):
        _count(pairs[key], key, answer, config)
    return _scores(list(pairs), pairs, config)


def _margin(pair: _Pair, swapped: bool, config: SignalConfig) -> float | None:
    if not any(pair.strengths):
        return None
    mean = sum(pair.strengths) / len(pair.strengths) * (-1 if swapped else 1)
    return max(0.0, mean) * config.width / 8  # a majority of weak votes may face a minority of strong ones


def _sorted_pair(answer: Answer) -> tuple[str, str]:
    first, second = sorted(answer.feedback.completion_ids)
    return first, second
