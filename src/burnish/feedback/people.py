"""Who answers how: one report a person, from all that they said, beside what everybody else said of the same texts.

Comparisons (and neighbours in rankings) give a slope and a liking for a side, ratings and thumbs a slope and a
strictness, by models in which everybody judges everybody (`burnish.maths.annotators`, `burnish.maths.grades`). Beside
the models stand figures that need none: gold, the same question asked again, long runs, pace, copies, drift over time.

Gold is an answer whose metadata say `"gold": true`: the right answer, which nobody's own answers are part of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from burnish.errors import InputError
from burnish.feedback import crowd, habits, kinds, reliability, similar
from burnish.feedback.answers import DECIDES, Answer, SignalConfig, answers_of, newest
from burnish.feedback.corrections import Operation, align
from burnish.feedback.person import LEAST_ANSWERS, Estimate, Manner, Person, Share
from burnish.feedback.worded import last_version
from burnish.maths.grades import graded_response, grades
from burnish.records import Author
from burnish.store import Entry

Floats: TypeAlias = NDArray[np.float64]
Who: TypeAlias = tuple[str, str]
"""(author kind, author id)"""

NEAR = 0.15
"""Grades this close, as a share of the scale, are the same answer given again."""
LEANS = 0.7
"""Others lean where they put a careful person's choice above this or below one minus it."""
_LONG_TEXT = 20  # characters from which a repeated text is a copy and not "too long" said twice
_RUN_CHANCE = 1e-4  # with some hundred people and kinds, chance alone would rarely show one such run


@dataclass(frozen=True, slots=True)
class People:
    """All named authors, and why a part could not be told."""

    people: tuple[Person, ...]
    """Those with most answers first."""
    notes: tuple[str, ...]
    """What could not be fitted, and why."""

    @property
    def by_manner(self) -> dict[Manner, int]:
        """How many people answer in each manner."""
        return dict(Counter(person.manner for person in self.people))


def people(entries: Iterable[Entry], config: SignalConfig | None = None) -> People:
    """Return a report of every named author of the entries. Gold answers and decisions are no author's own."""
    settings = config or SignalConfig()
    own: dict[Who, list[Answer]] = defaultdict(list)
    gold: dict[Hashable, Answer] = {}
    for entry in entries:
        for answer in answers_of(entry):
            if answer.feedback.metadata.get("gold") is True:
                gold[_question(answer)] = answer
            elif answer.feedback.author.id and not answer.feedback.metadata.get(DECIDES):
                own[answer.feedback.author.kind, answer.feedback.author.id].append(answer)
    everything = [answer for given in own.values() for answer in given]
    notes: list[str] = []
    voted = _votes(everything, settings, notes)
    graded = {kind: _grades(kind, everything, notes) for kind in ("rating", "thumb")}
    skilled = {kind: _skills(kind, everything, notes) for kind in ("thumb", "span")}
    copies = _copies(own)
    shares = _shares(everything)
    found = []
    for who, given in own.items():
        # who: (kind, id) out of an Author's own, kept as plain text
        person = Person(Author(who[1], who[0]), Counter(answer.feedback.kind for answer in given))  # type: ignore[arg-type]
        for kind, told in graded.items():
            if who in told:
                sees, strict, follows = told[who]
                person = replace(
                    person,
                    sees={**person.sees, kind: sees},
                    strict={**person.strict, kind: strict},
                    follows={**person.follows, kind: follows},
                )
        person = replace(person, right={kind: told[who] for kind, told in skilled.items() if who in told})
        by_votes = voted.get(who, {})
        by_votes["follows"] = {**person.follows, **by_votes.get("follows", {})}
        person = replace(person, **by_votes, **_order_and_pace(given, shares), copied=copies.get(who))
        person = replace(person, gold=_gold(given, gold), same_again=_again(given))
        found.append(person)
    return People(tuple(sorted(found, key=lambda each: (-each.answers, each.author.id))), tuple(notes))


# ------------------------------------------------------------------------------------------------------------- models


def _votes(answers: Sequence[Answer], config: SignalConfig, notes: list[str]) -> dict[Who, dict[str, Any]]:
    """Slope, side, agreement with others and drift of everybody who compared."""
    compared = [vote for answer in answers for vote in crowd.as_votes(answer)]
    if not compared:
        return {}
    try:
        fitted = crowd.fit_together(compared, config)
    except InputError as error:
        notes.append(str(error))
        return {}
    votes, found = fitted.votes, fitted.found
    others_V = found.others_say()
    company_K, beyond_K = _company(fitted), crowd.beyond_chance(votes)
    rows = defaultdict(list)
    for row, person in enumerate(votes.person_V.tolist()):
        rows[person].append(row)
    told: dict[Who, dict[str, Any]] = {}
    for number, author in enumerate(fitted.people):
        mine = np.array(rows[number])
        lean = mine[(np.abs(others_V[mine] - 0.5) > LEANS - 0.5) & (votes.share_V[mine] != 0.5)]
        hits = int(((others_V[lean] > 0.5) == (votes.share_V[lean] > 0.5)).sum())
        ordered = _in_time(mine, [fitted.answers[row] for row in mine.tolist()])
        level = found.slope_K[number] * found.others_mean_V[ordered] + found.side_K[number] * votes.sided_V[ordered]
        surprise = (votes.share_V[ordered] - 1 / (1 + np.exp(-level))) * found.others_mean_V[ordered]
        told[author.kind, author.id] = {
            "votes": len(mine),
            "slope": Estimate(float(found.slope_K[number]), float(np.sqrt(found.slope_variance_K[number]))),
            "side": Estimate(float(found.side_K[number]), float(np.sqrt(found.side_variance_K[number])))
            if votes.sided_V[mine].any()
            else None,
            "follows": {} if beyond_K is None else {"vote": float(beyond_K[number])},
            "with_others": Share(hits, len(lean)) if len(lean) else None,
            "drift": habits.drift(surprise),
            "has_company": bool(company_K[number]),
        }
    return told


def _company(fitted: crowd.Crowd) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each person voted on an island where somebody else voted too."""
    island_V = fitted.found.island_I[fitted.votes.left_V]
    met = np.unique(np.stack([island_V, fitted.votes.person_V], axis=1), axis=0)
    several = np.bincount(met[:, 0])[met[:, 0]] > 1
    return np.bincount(met[:, 1], several, len(fitted.people)) > 0


def _beyond_chance(own: Floats, others: Floats) -> float:
    """Sum of products in standard errors of what it is when one of the two is noise around its mean of zero."""
    spread = float(np.sqrt(np.square(own * others).sum()))
    return float(own @ others) / spread if spread > 0 else 0.0


def _centred(values: Floats) -> Floats:
    """Return values less their mean; of nobody's, none: somebody may share no question with anybody."""
    return values - values.mean() if len(values) else values


def _grades(kind: str, answers: Sequence[Answer], notes: list[str]) -> dict[Who, tuple[Estimate, Estimate, float]]:
    """Slope and strictness of everybody who graded, and how far their grades go with the others'."""
    asked = ((_question(answer), answer) for answer in answers if answer.feedback.kind == kind)
    given = newest(asked)
    if not given:
        return {}
    opinions = _opinions(kind)
    items: dict[Hashable, int] = {}
    numbers: dict[Who, int] = {}
    rows = []
    for question, answer in given:
        author = answer.feedback.author
        ((_, value),) = opinions(answer)
        rows.append(
            (
                items.setdefault(question, len(items)),
                numbers.setdefault((author.kind, author.id), len(numbers)),
                value,
            )
        )
    item_N, person_N, value_N = (np.array(column) for column in zip(*rows, strict=True))
    try:
        found = graded_response(grades(item_N, person_N, value_N, n_items=len(items), n_people=len(numbers)))
    except InputError as error:
        notes.append(f"{kind}: {error}")
        return {}
    size_N, total_N = np.bincount(item_N)[item_N], np.bincount(item_N, value_N)[item_N]
    others_N = np.where(size_N > 1, (total_N - value_N) / np.maximum(size_N - 1, 1), np.nan)
    told = {}
    for who, k in numbers.items():
        mine = np.flatnonzero((person_N == k) & (size_N > 1))
        own, others = _centred(value_N[mine]), _centred(others_N[mine])
        told[who] = (
            Estimate(float(found.slope_K[k]), float(np.sqrt(found.slope_variance_K[k]))),
            Estimate(float(found.strict_K[k]), float(np.sqrt(found.strict_variance_K[k]))),
            _beyond_chance(own, others),
        )
    return told


def _skills(kind: str, answers: Sequence[Answer], notes: list[str]) -> dict[Who, Estimate]:
    """How often everybody is right; where nothing tells, that is noted (of thumbs `_grades` has said it)."""
    try:
        return reliability.skills(kind, answers)
    except InputError as error:
        notes.extend([f"{kind}: {error}"] if kind == "span" else [])
        return {}


# --------------------------------------------------------------------------------------------- figures without a model


def _order_and_pace(answers: Sequence[Answer], shares: Mapping[str, Mapping[Hashable, float]]) -> dict[str, Any]:
    """The longest run among the kinds, haste and the median time."""
    timed = [answer for answer in answers if answer.feedback.seconds_spent is not None]
    seconds = [float(answer.feedback.seconds_spent or 0.0) for answer in timed]
    characters = [sum(len(each.text) for each in answer.completions) for answer in timed]
    told: dict[str, Any] = {
        "seconds": median(seconds) if seconds else None,
        "hurried": habits.too_fast(seconds, characters) if seconds else None,
    }
    runs = []
    for kind, everybody in shares.items():
        given = [answer for answer in answers if answer.feedback.kind == kind]
        said = [pressed(answer) for answer in given]
        if len(set(said)) > 1:  # where all is alike no order is needed
            dated = [answer for answer in given if answer.feedback.time]
            said = [pressed(answer) for answer in sorted(dated, key=lambda answer: answer.feedback.time)]
        if run := habits.longest_run(said, everybody):
            said_so = f"{kind}: {run.answer} {run.length} times in a row of {run.of}"
            runs.append((run.chance, said_so, run.length / run.of))
    if runs and min(runs)[0] < _RUN_CHANCE:
        told["run_chance"], told["run"], told["run_share"] = min(runs)
    return told


def pressed(answer: Answer) -> Hashable:
    """What a person pressed, without what stood there: the place chosen, the grade, the thumb."""
    value = answer.feedback.value
    if answer.feedback.kind == "comparison":
        if "tie" in value:
            return f"tie {value['tie']}"
        return ("first", "second")[value["chosen"]] if "chosen" in value else "cannot judge"
    return cast(Hashable, value["rating"] if answer.feedback.kind == "rating" else value["thumb"])


def _shares(answers: Sequence[Answer]) -> dict[str, dict[Hashable, float]]:
    """How often everybody presses what, by kind."""
    told: dict[str, list[Hashable]] = defaultdict(list)
    for answer in answers:
        kind = answer.feedback.kind
        if kind in ("comparison", "rating", "thumb") and answer.feedback.value.get("order") != "unknown":
            told[kind].append(pressed(answer))
    return {kind: habits.shares_of(given) for kind, given in told.items()}


def _gold(answers: Sequence[Answer], gold: Mapping[Hashable, Answer]) -> Share | None:
    """How often the person gave the known answer, the first time they were asked."""
    asked: dict[Hashable, Answer] = {}
    for answer in answers:
        if (question := _question(answer)) in gold:
            asked.setdefault(question, answer)
    right = [_same(answer, gold[question]) for question, answer in asked.items()]
    return Share(sum(right), len(right)) if right else None


def _again(answers: Sequence[Answer]) -> Share | None:
    """How often the person said the same when asked the same again."""
    asked: dict[Hashable, list[Answer]] = defaultdict(list)
    for answer in answers:
        if hasattr(kinds.load(answer.feedback.kind), "opinions"):
            asked[_question(answer)].append(answer)
    pairs = [_same(one, two) for given in asked.values() for one, two in pairwise(given)]
    return Share(sum(pairs), len(pairs)) if pairs else None


def _same(one: Answer, two: Answer) -> bool:
    """Whether two answers to one question say the same on most of what they speak of."""
    module: Any = kinds.load(one.feedback.kind)
    near = NEAR if module.METRIC == "interval" else 0.0
    first, second = dict(module.opinions(one)), dict(module.opinions(two))
    shared = [abs(first[unit] - second[unit]) <= near for unit in first.keys() & second.keys()]
    return bool(shared) and sum(shared) * 2 > len(shared)


def _copies(own: Mapping[Who, Sequence[Answer]]) -> dict[Who, Share]:
    """How many of a person's texts repeat another person's earlier one, or the completion they speak of."""
    rows = [(who, answer, text) for who, given in own.items() for answer in given for text in _written(answer)]
    rows.sort(key=lambda row: row[1].feedback.time)
    copied = set()
    for one, two, _ in similar.alike([text for _, _, text in rows]):
        if rows[one][0] != rows[two][0]:
            copied.add(two)
    told: dict[Who, list[bool]] = defaultdict(list)
    for number, (who, answer, text) in enumerate(rows):
        shown = any(similar.normal(text) == similar.normal(each.text) for each in answer.completions)
        told[who].append(number in copied or shown)
    return {who: Share(sum(flags), len(flags)) for who, flags in told.items()}


def _written(answer: Answer) -> list[str]:
    """Texts that the author wrote, long enough to be nobody else's by chance.

    Of a correction only the words that its author put there: all who mend one completion share the rest of it.
    References are left out: two people who know the right answer write the same, which is agreement, and no copy.
    """
    value = answer.feedback.value
    texts = [value.get("comment"), value.get("suggestion"), answer.feedback.comment]
    if "correction" in value and answer.feedback.kind != "reference":
        texts.append(_put_there(answer.completions[0].text, last_version(value)))
    return [text for text in texts if isinstance(text, str) and len(text) >= _LONG_TEXT]


def _put_there(original: str, corrected: str) -> str:
    """The words that a corrector added; another case, other spaces and words that only moved are none."""
    found = align(similar.normal(original), similar.normal(corrected))
    added = (edit for edit in found.changes if edit.operation is not Operation.MOVE)
    return " ".join(found.corrected[edit.new_start : edit.new_end].strip() for edit in added).strip()


# --------------------------------------------------------------------------------------------------------- small parts


def _question(answer: Answer) -> Hashable:
    said = answer.feedback
    return said.kind, said.prompt_id, tuple(sorted(said.completion_ids)), said.aspect


def _opinions(kind: str) -> Callable[[Answer], list[tuple[Hashable, float]]]:
    module: Any = kinds.load(kind)
    return cast(Callable[[Answer], list[tuple[Hashable, float]]], module.opinions)


def _in_time(rows: Any, answers: Sequence[Answer]) -> Any:
    """The rows whose answers have a time, in its order."""
    dated = [(answer.feedback.time, row) for row, answer in zip(rows.tolist(), answers, strict=True)]
    return np.array([row for time, row in sorted(dated) if time], dtype=np.int64)


__all__ = ["LEAST_ANSWERS", "Manner", "People", "Person", "people"]
