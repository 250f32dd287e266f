"""An agenda: which pairs to ask about, why, and whom; a random slice always among them.

Picking what to ask biases every statistic of the answers. So a share of the agenda is drawn at random from all pairs,
marked, and never picked by anything else: agreement, calibration and evaluation rest on that share.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from scipy.special import polygamma

from burnish.errors import InputError
from burnish.feedback import crowd
from burnish.feedback import next as strategies
from burnish.feedback.answers import Answer, SignalConfig, answers_of, newest
from burnish.feedback.kinds import best_worst
from burnish.feedback.next import Candidates, Floats
from burnish.feedback.next.information_gain import gain
from burnish.feedback.ratings import scores as rating_scores
from burnish.maths import choice
from burnish.records import Completion, Prompt
from burnish.store import Entry

Features: TypeAlias = Callable[[Sequence[str]], Floats]
"""Texts in, what is known of each out, shape (I, F)."""

RANDOM = "random"
LEAST_RANDOM = 0.1
"""Smallest share of an agenda that is drawn at random."""
DRAWS = 200
"""Of the posterior: the standard error of a probability is then at most 0.035."""
LOGITS_A_WIDTH = 6.0
"""Worst to best rating, in logits: one text at each end is preferred in the other's favour once in 400."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts of one prompt that could be compared."""

    prompt: Prompt
    completions: tuple[Completion, Completion]


@dataclass(frozen=True, slots=True)
class Ask:
    """One entry of an agenda."""

    pair: Pair
    why: str
    """`random`, or the strategy that picked it."""
    chance: float
    """Probability so far that the first text is preferred."""
    gain: float
    """Information in the answer, in nats, as far as is known now."""
    people: tuple[str, ...] = ()


# ----------------------------------------------------------------------------------------------------------- candidates


def candidates_of(
    entries: Iterable[Entry], *, seed: int = 0, features: Features | None = None
) -> tuple[list[Pair], Candidates]:
    """Return all pairs of each prompt's texts, and draws from what people's comparisons and ratings say of them.

    Within a prompt: Bradley-Terry on the comparisons and on neighbours in rankings, with a prior centred on the
    ratings' means where there are any. Prompts without two texts give no pair, nor do two texts of which more people
    said that they cannot judge than judged. `features`: what is to be known of each text, for picking by it. Raises
    InputError when there is no pair at all.
    """
    draw = np.random.default_rng(seed)
    pairs: list[Pair] = []
    ends: list[tuple[int, int, int]] = []
    columns: list[Floats] = []
    written: list[str] = []
    answered: list[int] = []
    items = 0
    for group, entry in enumerate(entries):
        texts = [text for text in entry.completions if text.text.strip()]
        if len(texts) < 2:
            continue
        votes, hopeless = _votes(entry)
        counts = Counter(frozenset(vote.feedback.completion_ids) for vote in votes)
        for i, j in combinations(range(len(texts)), 2):
            if frozenset((texts[i].id, texts[j].id)) in hopeless:
                continue
            pairs.append(Pair(entry.prompt, (texts[i], texts[j])))
            ends.append((items + i, items + j, group))
            answered.append(counts[frozenset((texts[i].id, texts[j].id))])
        written += [text.text for text in texts]
        columns.append(_believed(entry, texts, votes, draw))
        items += len(texts)
    if not pairs:
        raise InputError("next: no prompt has two texts to compare. Sample more completions of each prompt first.")
    first, second, groups = np.array(ends, dtype=np.int64).T
    known = features(written) if features else None
    return pairs, Candidates(
        first, second, groups, np.concatenate(columns, axis=1), known, np.array(answered, dtype=np.int64)
    )


def _believed(entry: Entry, texts: Sequence[Completion], votes: Sequence[Answer], draw: np.random.Generator) -> Floats:
    """Return draws of the texts' latent scores, shape (DRAWS, texts)."""
    places = {text.id: place for place, text in enumerate(texts)}
    config = SignalConfig(scale=(0.0, LOGITS_A_WIDTH))
    ridge = 1 / float(polygamma(1, config.prior_votes))
    winners, losers, weights = _won(votes, places, config)
    fit = choice.bradley_terry(winners, losers, n_items=len(texts), weights=weights, ridge=ridge)
    mean, precision = fit.scores_I.copy(), np.linalg.inv(fit.covariance_II)
    people = [answer for answer in answers_of(entry) if answer.feedback.author.kind == "human"]
    rated = [a for a in people if a.feedback.kind == "rating" and a.feedback.completion_ids[0] in places]
    for score in rating_scores(rated, config) if rated else []:
        if score.value is None or score.variance is None:
            continue
        # a normal observation of one score: precisions add
        place, own = places[score.completion.id], 1 / (score.variance + 0.25)
        before = precision @ mean
        precision[place, place] += own
        before[place] += own * (score.value - LOGITS_A_WIDTH / 2)
        mean = np.linalg.solve(precision, before)
    return draw.multivariate_normal(mean, np.linalg.inv(precision), size=DRAWS, method="cholesky")


def _votes(entry: Entry) -> tuple[list[Answer], set[frozenset[str]]]:
    """Return people's latest votes on pairs, and the pairs that more of them could not judge than judged."""
    people = [answer for answer in answers_of(entry) if answer.feedback.author.kind == "human"]
    people += [more for answer in people if answer.feedback.kind == "best_worst" for more in best_worst.also(answer)]
    votes = [vote for answer in people for vote in crowd.as_votes(answer)]
    unjudged = [a for a in people if a.feedback.kind == "comparison" and "cannot_judge" in a.feedback.value]
    heard = newest((frozenset(answer.feedback.completion_ids), answer) for answer in (*votes, *unjudged))
    balance = Counter[frozenset[str]]()
    for pair, answer in heard:
        balance[pair] += 1 if "cannot_judge" in answer.feedback.value else -1
    judged = [answer for _, answer in heard if "cannot_judge" not in answer.feedback.value]
    return judged, {pair for pair, more in balance.items() if more > 0}


def _won(
    votes: Sequence[Answer], places: Mapping[str, int], config: SignalConfig
) -> tuple[list[int], list[int], list[float]]:
    """Return winners, losers and shares of votes; a tie is half a vote each way."""
    rows = []
    for vote in votes:
        if not all(name in places for name in vote.feedback.completion_ids):
            continue
        first, second = (places[name] for name in vote.feedback.completion_ids)
        share = crowd.share_of_first(vote, config)
        rows += [row for row in ((first, second, share), (second, first, 1 - share)) if row[2] > 0]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


# --------------------------------------------------------------------------------------------------------------- agenda


def agenda(
    pairs: Sequence[Pair],
    candidates: Candidates,
    n: int,
    *,
    strategy: str = "information_gain",
    random_share: float = 0.2,
    most_a_prompt: int | None = None,
    seed: int = 0,
) -> list[Ask]:
    """Return n pairs to ask about: a random slice first drawn from all, the rest picked by a strategy from what is
    left.

    `random_share`: at least 0.1. `most_a_prompt`: pairs of one prompt at most; None is one more than an even share.
    Raises InputError for a share below 0.1, or an unknown strategy.
    """
    if not LEAST_RANDOM <= random_share <= 1:
        raise InputError(
            f"next.random_share: {random_share} is not between {LEAST_RANDOM} and 1. Without a random slice nobody can "
            "tell what the picking did to the answers."
        )
    draw = np.random.default_rng(seed)
    n = min(n, len(pairs))
    prompts = len(np.unique(candidates.group_P))
    limit = most_a_prompt or math.ceil(n / prompts) + 1
    sliced = [int(i) for i in draw.permutation(len(pairs))[: math.ceil(random_share * n)]]
    held = Counter(int(candidates.group_P[i]) for i in sliced)
    wanted = strategies.load(strategy).pick(candidates, len(pairs), draw)
    picked = _within(wanted, candidates, set(sliced), held, limit, n - len(sliced))
    chance_P, gain_P = candidates.chance_MP.mean(axis=0), gain(candidates.chance_MP)
    return [
        Ask(pairs[i], why, float(chance_P[i]), float(gain_P[i]))
        for why, some in ((RANDOM, sliced), (strategy, picked))
        for i in some
    ]


def _within(
    wanted: Sequence[int], candidates: Candidates, taken: set[int], held: Counter[int], limit: int, n: int
) -> list[int]:
    """Return the first n of the wanted pairs that are not taken, and no more than `limit` of one prompt."""
    found: list[int] = []
    for pair in wanted:
        group = int(candidates.group_P[pair])
        if len(found) < n and pair not in taken and held[group] < limit:
            held[group] += 1
            found.append(pair)
    return found


# --------------------------------------------------------------------------------------------------------------- people


def dealt(
    asks: Sequence[Ask],
    people: Sequence[str],
    *,
    overlap: int = 2,
    load: int | None = None,
    seed: int = 0,
) -> list[Ask]:
    """Return the asks with `overlap` different people each, loads even, hard ones spread over everybody.

    Hard are those of high gain or a chance near 1/2; they are dealt first, each to those who have the fewest hard ones,
    then the fewest of all. `load`: the most for one person; what nobody has room for comes back with fewer people.
    Raises InputError for more overlap than people.
    """
    if not 1 <= overlap <= len(set(people)):
        raise InputError(f"next.overlap: {overlap} of {len(set(people))} people. Name more people, or lower it.")
    draw = np.random.default_rng(seed)
    order = sorted(range(len(asks)), key=lambda i: abs(asks[i].chance - 0.5))
    hard = set(order[: len(order) // 2])
    loads: dict[str, int] = defaultdict(int)
    hard_loads: dict[str, int] = defaultdict(int)
    given: list[tuple[str, ...]] = [()] * len(asks)
    for i in order:
        shuffled = [people[k] for k in draw.permutation(len(people))]
        free = [name for name in dict.fromkeys(shuffled) if load is None or loads[name] < load]
        free.sort(key=lambda name: (hard_loads[name], loads[name]) if i in hard else (loads[name], hard_loads[name]))
        given[i] = tuple(sorted(free[:overlap]))
        for name in given[i]:
            loads[name] += 1
            hard_loads[name] += i in hard
    return [Ask(a.pair, a.why, a.chance, a.gain, names) for a, names in zip(asks, given, strict=True)]
