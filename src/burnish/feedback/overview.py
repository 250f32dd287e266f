"""What there is: how many answers, by whom, of which kinds, and how far people agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from burnish.feedback import kinds, similar
from burnish.feedback.answers import Answer, answers_of, is_opinion, newest
from burnish.maths.agreement import Agreement, Metric, alpha, count
from burnish.maths.distance_agreement import alpha_by_distance
from burnish.store import Entry

Opinions: TypeAlias = Callable[[Answer], list[tuple[Hashable, float]]]
Wording: TypeAlias = Callable[[Answer], str]


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts and agreement of a store's or a file's feedback."""

    records: int
    people: int
    """Named human authors; anonymous answers may come from any number of people."""
    anonymous: int
    """Answers without a name."""
    by_kind: Mapping[str, int]
    by_author_kind: Mapping[str, int]
    agreement: Mapping[str, Agreement]
    """Krippendorff's alpha for each kind whose answers can agree."""

    @property
    def main_kind(self) -> str:
        """The kind that speaks for the whole: most answers, of those whose alpha is defined; empty when none is."""
        defined = [kind for kind, found in self.agreement.items() if found.alpha is not None]
        return max(defined, key=lambda kind: self.agreement[kind].answers, default="")

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON: the `feedback` part of report.json, with agreement by kind beside it."""
        main = self.agreement.get(self.main_kind)
        return {
            "records": self.records,
            "people": self.people,
            "anonymous": self.anonymous,
            "by_kind": dict(self.by_kind),
            "by_author_kind": dict(self.by_author_kind),
            "agreement": {
                "alpha": main.alpha if main else None,
                "ci95": list(main.ci95) if main and main.ci95 else None,
                "kind": self.main_kind or None,
            },
            "agreement_by_kind": {kind: _plain(found) for kind, found in self.agreement.items()},
        }


def overview(entries: Iterable[Entry], *, resamples: int = 1_000, seed: int = 0) -> Overview:
    """Return the counts of all entries, and for each kind alpha with a 95% interval by bootstrap over units.

    A unit is what people can agree on: a completion's rating or thumb, which of two is better. One person's several
    answers on a unit count as the latest; units of one ranking are resampled together. AI judges and rules do not
    count as people, and their answers stay out of alpha.
    """
    by_kind: Counter[str] = Counter()
    by_author_kind: Counter[str] = Counter()
    names: set[str] = set()
    anonymous = 0
    heard: dict[str, list[Answer]] = {}
    for entry in entries:
        for answer in answers_of(entry):
            author, kind = answer.feedback.author, answer.feedback.kind
            by_kind[kind] += 1
            by_author_kind[author.kind] += 1
            if author.kind == "human":
                if is_opinion(answer):
                    heard.setdefault(kind, []).append(answer)
                names.update([author.id] if author.id else [])
                anonymous += not author.id
    agreement = {
        kind: agreement_on(kind, heard[kind], resamples=resamples, seed=seed)
        for kind in sorted(heard)
        if can_agree(kind)
    }
    return Overview(
        records=by_kind.total(),
        people=len(names),
        anonymous=anonymous,
        by_kind=dict(sorted(by_kind.items())),
        by_author_kind=dict(sorted(by_author_kind.items())),
        agreement=agreement,
    )


def can_agree(kind: str) -> bool:
    """Whether two answers of a kind can be compared: by what they say, or by how alike their words are."""
    return kind in kinds.names() and any(hasattr(kinds.load(kind), each) for each in ("opinions", "wording"))


def agreement_on(kind: str, answers: Sequence[Answer], *, resamples: int = 1_000, seed: int = 0) -> Agreement:
    """Krippendorff's alpha of people's answers of one kind, one answer a person and item; see `overview`."""
    module: Any = kinds.load(kind)
    if not hasattr(module, "opinions"):
        return _agreement_of_texts(cast(Wording, module.wording), answers, resamples, seed)
    opinions, metric = cast(Opinions, module.opinions), cast(Metric, module.METRIC)
    asked = (((_shown(answer), answer.feedback.aspect), answer) for answer in answers)
    unit_codes: dict[Hashable, int] = {}
    cluster_codes: dict[Hashable, int] = {}
    units, values, clusters = [], [], []
    # sorted, so that the interval does not depend on the order in which the answers came
    for question, answer in sorted(newest(asked), key=lambda pair: repr(pair[0])):
        cluster = cluster_codes.setdefault(question, len(cluster_codes))
        for unit, value in opinions(answer):
            units.append(unit_codes.setdefault((question, unit), len(unit_codes)))
            values.append(value)
            clusters.append(cluster)
    return alpha(count(units, values, clusters=clusters), metric, resamples=resamples, seed=seed)


def _agreement_of_texts(wording: Wording, answers: Sequence[Answer], resamples: int, seed: int) -> Agreement:
    """Of what people wrote themselves: how much more alike two texts on one completion are than any two texts."""
    asked = (((_shown(answer), answer.feedback.aspect), answer) for answer in answers)
    given = sorted(newest(asked), key=lambda pair: repr(pair[0]))
    units, texts = [question for question, _ in given], [wording(answer) for _, answer in given]
    return alpha_by_distance(units, texts, similar.distance, resamples=resamples, seed=seed)


def _shown(answer: Answer) -> Hashable:
    """The completions an answer is about; of one that is about none, such as a reference, the prompt."""
    ids = answer.feedback.completion_ids
    if not ids:
        return answer.feedback.prompt_id
    return ids[0] if len(ids) == 1 else tuple(sorted(ids))


def _plain(found: Agreement) -> dict[str, Any]:
    return {
        "alpha": found.alpha,
        "ci95": list(found.ci95) if found.ci95 else None,
        "metric": found.metric,
        "same": found.same,
        "units": found.units,
        "answered_once": found.dropped,
        "answers": found.answers,
        "reason": found.reason,
    }
