"""What may be wrong with a body of labels, before anything is trained on it: one examination, five findings.

- records most likely wrong (`burnish.feedback.suspects`);
- contradictions: one person who says two things of the same, prefers in a circle, or rates against their own choice;
- duplicates: prompts or completions that are the same but for a few letters;
- leakage: the same text on both sides of the split between training and test;
- length: whether the longer text wins, which a reward model then learns instead of quality.

Nothing is changed: what to do about a finding is a person's decision.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from burnish.feedback import kinds, similar
from burnish.feedback.answers import Answer, SignalConfig, answers_of, newest, rescale
from burnish.feedback.suspects import Suspect, suspects
from burnish.maths.intervals import rank_correlation, wilson
from burnish.records import Completion, Interval, Prompt
from burnish.store import Entry

LEAST_CHANCE = 0.5
"""Records at least this likely to be wrong are listed."""
AGAINST = 0.25
"""A choice contradicts one's own ratings where these differ by more than this share of the scale the other way."""
_LONG_TEXT = 20  # characters: shorter texts recur by themselves


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What one person said that cannot all be meant."""

    what: str
    """changed, circle, or rating against choice"""
    author: str
    feedback_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Twins:
    """Two texts that are the same but for a few letters."""

    what: str
    """prompt or completion"""
    ids: tuple[str, str]
    splits: tuple[str, str]
    similarity: float
    text: str
    """Beginning of the first."""

    @property
    def leaks(self) -> bool:
        return self.splits[0] != self.splits[1]


@dataclass(frozen=True, slots=True)
class Length:
    """Whether length pays."""

    longer_wins: Interval | None
    """Share of comparisons of unequal lengths that the longer text won."""
    rating_correlation: Interval | None
    """Rank correlation of a text's length with its mean rating."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings."""

    labels: int
    """Comparisons, thumbs and ratings that were judged."""
    expected_wrong: float
    """Sum of their probabilities of being wrong."""
    by_author: Mapping[str, tuple[int, float]]
    """Author -> labels, and how many of them are expected to be wrong; anonymous under an empty name."""
    spread: tuple[int, ...]
    """How many labels are wrong with probability 0 to 0.1, ..., 0.9 to 1."""
    suspects: tuple[Suspect, ...]
    contradictions: tuple[Contradiction, ...]
    twins: tuple[Twins, ...]
    length: Length

    @property
    def leaks(self) -> tuple[Twins, ...]:
        return tuple(each for each in self.twins if each.leaks)

    def to_plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "labels": self.labels,
            "expected_wrong": self.expected_wrong,
            "by_author": {name: {"labels": n, "expected_wrong": wrong} for name, (n, wrong) in self.by_author.items()},
            "spread": list(self.spread),
            "suspects": [asdict(each) for each in self.suspects],
            "contradictions": [asdict(each) for each in self.contradictions],
            "duplicates": [asdict(each) for each in self.twins if not each.leaks],
            "leaks": [asdict(each) for each in self.leaks],
            "length": asdict(self.length),
        }


def examine(entries: Iterable[Entry], config: SignalConfig | None = None) -> Examination:
    """Return all findings on the entries. Gold answers are taken as right and not judged."""
    prompts: dict[str, Prompt] = {}
    texts: dict[str, tuple[Completion, str]] = {}
    answers: list[Answer] = []
    for entry in entries:
        prompts[entry.prompt.id] = entry.prompt
        texts.update((each.id, (each, entry.prompt.split)) for each in entry.completions)
        answers.extend(each for each in answers_of(entry) if each.feedback.metadata.get("gold") is not True)
    judged = suspects(answers, config)
    return Examination(
        labels=len(judged),
        expected_wrong=sum(each.chance_wrong for each in judged),
        by_author=_by_author(judged),
        spread=tuple(np.histogram([each.chance_wrong for each in judged], bins=10, range=(0, 1))[0].tolist()),
        suspects=tuple(each for each in judged if each.chance_wrong >= LEAST_CHANCE),
        contradictions=tuple(contradictions(answers)),
        twins=tuple(_twins(prompts, texts)),
        length=length_bias(answers),
    )


def _by_author(judged: Sequence[Suspect]) -> dict[str, tuple[int, float]]:
    """Labels and expected wrong ones of each author, the largest share first."""
    found: dict[str, tuple[int, float]] = {}
    for each in judged:
        labels, wrong = found.get(each.author, (0, 0.0))
        found[each.author] = labels + 1, wrong + each.chance_wrong
    return dict(sorted(found.items(), key=lambda item: (-item[1][1] / item[1][0], item[0])))


# ------------------------------------------------------------------------------------------------------ contradictions


def contradictions(answers: Sequence[Answer]) -> Iterator[Contradiction]:
    """What named people said against themselves."""
    by_person: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.feedback.author.id:
            by_person[answer.feedback.author.kind, answer.feedback.author.id].append(answer)
    for (_, author), own in by_person.items():
        yield from _changed(author, own)
        yield from _circles(author, own)
        yield from _against_own_ratings(author, own)


def _changed(author: str, own: Sequence[Answer]) -> Iterator[Contradiction]:
    """The same question answered in two ways, neither of which replaces the other."""
    asked: dict[Hashable, list[Answer]] = defaultdict(list)
    for answer in own:
        said = answer.feedback
        if said.kind in ("comparison", "thumb", "rating"):
            asked[said.kind, said.prompt_id, tuple(sorted(said.completion_ids)), said.aspect].append(answer)
    for given in asked.values():
        if len(given) > 1 and len({tuple(_opinions(answer)) for answer in given}) > 1:
            yield Contradiction("changed", author, tuple(answer.feedback.id for answer in given))


def _circles(author: str, own: Sequence[Answer]) -> Iterator[Contradiction]:
    """A over B, B over C, C over A: choices within a prompt and aspect that no order explains."""
    asked: dict[Hashable, list[tuple[Hashable, Answer]]] = defaultdict(list)
    for answer in own:
        said = answer.feedback
        if said.kind == "comparison" and "chosen" in said.value:
            asked[said.prompt_id, said.aspect].append((tuple(sorted(said.completion_ids)), answer))
    for given in asked.values():
        latest = [answer for _, answer in newest(given)]
        if len(latest) < 3:
            continue
        numbers: dict[str, int] = {}
        wins = []
        for answer in latest:
            chosen = answer.feedback.value["chosen"]
            ends = answer.feedback.completion_ids[chosen], answer.feedback.completion_ids[1 - chosen]
            wins.append(tuple(numbers.setdefault(each, len(numbers)) for each in ends))
        graph = coo_array((np.ones(len(wins)), tuple(zip(*wins, strict=True))), shape=(len(numbers), len(numbers)))
        part = connected_components(graph, connection="strong")[1]
        for which, size in Counter(part.tolist()).items():
            if size > 2:
                inside = [a.feedback.id for a, (w, _) in zip(latest, wins, strict=True) if part[w] == which]
                yield Contradiction("circle", author, tuple(inside))


def _against_own_ratings(author: str, own: Sequence[Answer]) -> Iterator[Contradiction]:
    rated: dict[tuple[str, str], Answer] = {
        (answer.feedback.completion_ids[0], answer.feedback.aspect): answer
        for answer in own
        if answer.feedback.kind == "rating"
    }
    for answer in own:
        said = answer.feedback
        if said.kind != "comparison" or "chosen" not in said.value:
            continue
        chosen, rejected = said.completion_ids[said.value["chosen"]], said.completion_ids[1 - said.value["chosen"]]
        one, two = rated.get((chosen, said.aspect)), rated.get((rejected, said.aspect))
        if one is not None and two is not None and _share(two) - _share(one) > AGAINST:
            ids = said.id, one.feedback.id, two.feedback.id
            yield Contradiction("rating against choice", author, ids)


def _opinions(answer: Answer) -> list[tuple[Hashable, float]]:
    module: Any = kinds.load(answer.feedback.kind)
    return list(module.opinions(answer))


def _share(answer: Answer) -> float:
    return rescale(answer.feedback.value["rating"], answer.feedback.value["scale"], (0, 1))


# -------------------------------------------------------------------------------------------------- texts that recur


def _twins(prompts: Mapping[str, Prompt], texts: Mapping[str, tuple[Completion, str]]) -> Iterator[Twins]:
    """Near-equal prompts, and near-equal completions of different prompts or splits."""
    asked = [(name, prompt.text, prompt.split) for name, prompt in prompts.items() if len(prompt.text) >= _LONG_TEXT]
    said = [(name, each.text, split) for name, (each, split) in texts.items() if len(each.text) >= _LONG_TEXT]
    for what, rows in (("prompt", asked), ("completion", said)):
        for one, two, similarity in similar.alike([text for _, text, _ in rows]):
            (first, text, split), (second, _, other) = rows[one], rows[two]
            yield Twins(what, (first, second), (split, other), round(similarity, 3), text[:80])


# -------------------------------------------------------------------------------------------------------------- length


def length_bias(answers: Sequence[Answer]) -> Length:
    """Whether the longer text wins comparisons, and whether longer texts are rated higher."""
    won: list[bool] = []
    rated: dict[str, list[float]] = defaultdict(list)
    size: dict[str, int] = {}
    for answer in answers:
        said = answer.feedback
        if said.kind == "comparison" and "chosen" in said.value:
            places = said.value["chosen"], 1 - said.value["chosen"]
            chosen, rejected = (len(answer.completions[place].text) for place in places)
            if chosen != rejected:
                won.append(chosen > rejected)
        elif said.kind == "rating":
            rated[said.completion_ids[0]].append(_share(answer))
            size[said.completion_ids[0]] = len(answer.completions[0].text)
    longer = wilson(sum(won), len(won)) if won else None
    return Length(longer, rank_correlation([size[name] for name in rated], [float(np.mean(g)) for g in rated.values()]))
