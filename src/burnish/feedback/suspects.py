"""Records most likely wrong: what was said, against what all others said of it and what the words themselves say.

Two witnesses judge every label, neither of which heard it: the other people who answered the same question, weighed by
what they prove to see (`burnish.feedback.crowd`), and an ensemble that learned from other texts (`.content`). Their
log odds add up. A label is wrong with probability

    P(wrong | said) = e (1 - p) / (e (1 - p) + (1 - e) p)

for votes and thumbs, p the probability of what was said and e how often its author disagrees with clear cases (drawn
towards 1 in 20); for ratings a mixture of a normal around what was expected and of anything on the scale, each author's
strictness taken out first.
A high rank says "look here first", not "this is wrong": people may rightly differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, logit

from burnish.errors import InputError
from burnish.feedback import content, crowd
from burnish.feedback.answers import Answer, SignalConfig, newest, rescale
from burnish.feedback.graders import person_number
from burnish.feedback.ratings import effects

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRIOR_WRONG = 0.05
"""Share of labels taken to be wrong before anything is known."""
_CERTAIN = 1e-6


@dataclass(frozen=True, slots=True)
class Suspect:
    """One record and why it stands out."""

    feedback_id: str
    kind: str
    author: str
    said: str
    chance_wrong: float
    """Posterior probability that the label is wrong."""
    margin: float
    """Mean of the ensemble for what was said; negative is against it. In logits for votes, in spreads for ratings."""
    margin_spread: float
    """Standard deviation of the ensemble's members."""
    others: float | None
    """Probability of what was said by the other people; None where nobody else answered."""


def suspects(answers: Sequence[Answer], config: SignalConfig | None = None) -> list[Suspect]:
    """Every comparison, thumb and rating with its probability of being wrong, the most suspicious first."""
    settings = config or SignalConfig()
    by_kind: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_kind[answer.feedback.kind].append(answer)
    judged = [
        *_comparisons([a for a in by_kind["comparison"] if "chosen" in a.feedback.value], settings),
        *_thumbs(by_kind["thumb"]),
        *_ratings(by_kind["rating"]),
    ]
    return sorted(judged, key=lambda each: (-each.chance_wrong, each.feedback_id))


def _comparisons(answers: Sequence[Answer], config: SignalConfig) -> list[Suspect]:
    if not answers:
        return []
    try:
        fitted = crowd.fit_together(answers, config)
        answers, others_N = fitted.answers, fitted.found.others_say()
    except InputError:  # nobody answered what another did: only the words can judge
        others_N = np.full(len(answers), 0.5)
    texts = [text for answer in answers for text in (answer.completions[0].text, answer.completions[1].text)]
    table = content.rows(texts)
    chosen_N = np.array([answer.feedback.value["chosen"] == 0 for answer in answers])
    opinion_NM = _stretched(
        csr_array(table[::2] - table[1::2]), np.where(chosen_N, 1.0, -1.0), _groups(answers), chosen_N
    )
    return _votes(answers, chosen_N, opinion_NM, logit(np.clip(others_N, _CERTAIN, 1 - _CERTAIN)))


def _thumbs(answers: Sequence[Answer]) -> list[Suspect]:
    answers = _latest(answers)
    if not answers:
        return []
    up_N = np.array([answer.feedback.value["thumb"] for answer in answers], dtype=bool)
    item_N = _items(answers)
    base = (up_N.sum() + 1) / (len(up_N) + 2)
    said_N, n_N = np.bincount(item_N, up_N)[item_N] - up_N, np.bincount(item_N)[item_N] - 1
    others_N = logit((said_N + 2 * base) / (n_N + 2)) - logit(base)
    table = content.rows([answer.completions[0].text for answer in answers])
    target_N = np.where(up_N, 1.0, -1.0)
    opinion_NM = _stretched(table, target_N - target_N.mean(), _groups(answers), up_N)
    return _votes(answers, up_N, opinion_NM + logit(base), others_N)


def _votes(answers: Sequence[Answer], yes_N: NDArray[np.bool_], opinion_NM: Floats, others_N: Floats) -> list[Suspect]:
    """Labels of two answers, from the logit of yes by the ensemble and by the others."""
    sign_N = np.where(yes_N, 1.0, -1.0)
    margin_NM = sign_N[:, None] * opinion_NM
    with_others_N = sign_N * others_N
    said_N = expit(margin_NM.mean(axis=1) + with_others_N)
    slip_N = _slips(answers, with_others_N)
    wrong_N = slip_N * (1 - said_N) / (slip_N * (1 - said_N) + (1 - slip_N) * said_N)
    return _told(answers, wrong_N, margin_NM, np.where(np.abs(others_N) > _CERTAIN, expit(with_others_N), np.nan))


def _ratings(answers: Sequence[Answer]) -> list[Suspect]:
    answers = _latest(answers)
    if len(answers) < 2:
        return []
    value_N = np.array([rescale(a.feedback.value["rating"], a.feedback.value["scale"], (0, 1)) for a in answers])
    item_N = _items(answers)
    value_N = value_N - _leniency(answers, value_N, item_N)  # whoever is strict throughout is wrong nowhere
    first_I = np.unique(item_N, return_index=True)[1]
    size_I = np.bincount(item_N).astype(np.float64)
    mean_I = np.bincount(item_N, value_N) / size_I
    shown = [answers[row] for row in first_I.tolist()]
    opinion_IM = content.outside_opinions(
        content.rows([answer.completions[0].text for answer in shown]), mean_I, _groups(shown)
    )
    expected_I = opinion_IM.mean(axis=1)
    noise, between = _variances(value_N, item_N, mean_I, size_I, expected_I)
    others_N = (mean_I * size_I)[item_N] - value_N
    told_N = 1 / between + (size_I[item_N] - 1) / noise
    middle_N = (expected_I[item_N] / between + others_N / noise) / told_N
    spread_N = np.sqrt(1 / told_N + noise)
    away_N = (value_N - middle_N) / spread_N
    density_N = np.exp(-(away_N**2) / 2) / (spread_N * np.sqrt(2 * np.pi))
    wrong_N = PRIOR_WRONG / (PRIOR_WRONG + (1 - PRIOR_WRONG) * density_N)
    margin_NM = 1 - np.abs(value_N[:, None] - opinion_IM[item_N]) / np.sqrt(between + noise)
    alone_N = size_I[item_N] < 2
    apart_N = np.where(alone_N, np.nan, np.exp(-(away_N**2) / 2))
    return _told(answers, wrong_N, margin_NM, apart_N)


def _leniency(answers: Sequence[Answer], value_N: Floats, item_N: Ints) -> Floats:
    """How far above the others each answer's author grades the same texts, drawn towards 0; 0 for anonymous answers."""
    people: dict[tuple[str, str], int] = {}
    person_N = np.array([person_number(answer, people) for answer in answers], dtype=np.int64)
    if not people:
        return np.zeros(len(answers))
    usual = SignalConfig()
    guesses = (usual.prior_item_share, usual.prior_person_share, usual.prior_noise_share)
    found = effects(item_N, person_N, value_N, guesses=guesses)
    return np.where(person_N < 0, 0.0, found.person_K[person_N])


def _variances(
    value_N: Floats, item_N: Ints, mean_I: Floats, size_I: Floats, expected_I: Floats
) -> tuple[float, float]:
    """Variance of ratings around their text's own, and of texts around what their words let expect."""
    within, free = float(np.square(value_N - mean_I[item_N]).sum()), float((size_I - 1).sum())
    noise = (within + 2 * 0.125**2) / (free + 2)
    between = float(np.square(mean_I - expected_I).mean() - noise * (1 / size_I).mean())
    return noise, max(between, 0.05**2)


def _slips(answers: Sequence[Answer], with_others_N: Floats) -> Floats:
    """How often each answer's author disagrees with clear cases, drawn towards one in twenty as if asked 40 times."""
    clear_N = np.abs(with_others_N) > 1.0
    asked: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    names = [(answer.feedback.author.kind, answer.feedback.author.id) for answer in answers]
    for who, is_clear, agrees in zip(names, clear_N.tolist(), (with_others_N > 0).tolist(), strict=True):
        if is_clear:
            asked[who][0] += 1
            asked[who][1] += not agrees
    strength = 40.0
    return np.array([(PRIOR_WRONG * strength + asked[who][1]) / (strength + asked[who][0]) for who in names])


def _stretched(table: csr_array, target_N: Floats, groups: Sequence[str], yes_N: NDArray[np.bool_]) -> Floats:
    """The ensemble's opinions as logits of yes; one stretch for all members, fitted to their mean."""
    opinion_NM = content.outside_opinions(table, target_N, groups)
    mean_N = opinion_NM.mean(axis=1)
    logit_N = content.as_logits(mean_N, yes_N.astype(np.float64))
    stretch = float(logit_N @ mean_N) / max(float(mean_N @ mean_N), 1e-12)
    return opinion_NM * stretch


def _told(answers: Sequence[Answer], wrong_N: Floats, margin_NM: Floats, others_N: Floats) -> list[Suspect]:
    from burnish.feedback.signals import said

    rows = zip(
        answers,
        wrong_N.tolist(),
        margin_NM.mean(axis=1).tolist(),
        margin_NM.std(axis=1, ddof=1).tolist(),
        others_N.tolist(),
        strict=True,
    )
    return [
        Suspect(
            answer.feedback.id,
            answer.feedback.kind,
            answer.feedback.author.id,
            said(answer.feedback),
            wrong,
            margin,
            spread,
            None if others != others else others,
        )
        for answer, wrong, margin, spread, others in rows
    ]


def _latest(answers: Sequence[Answer]) -> list[Answer]:
    return [answer for _, answer in newest((_item(answer), answer) for answer in answers)]


def _item(answer: Answer) -> Hashable:
    return answer.feedback.completion_ids[0], answer.feedback.aspect


def _items(answers: Sequence[Answer]) -> Ints:
    """Number of the (text, aspect) of each answer, from 0 without gaps."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(_item(answer), len(numbers)) for answer in answers], dtype=np.int64)


def _groups(answers: Sequence[Answer]) -> list[str]:
    """What must not be learned from and judged at once: the prompt, or the text where prompts are few."""
    prompts = [answer.feedback.prompt_id for answer in answers]
    if len(set(prompts)) >= 2 * content.FOLDS:
        return prompts
    return [min(answer.feedback.completion_ids) for answer in answers]
