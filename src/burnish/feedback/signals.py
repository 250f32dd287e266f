"""From feedback to signals: the one place where many people's answers become probabilities and variances.

Every kind says itself what it becomes (`burnish.feedback.kinds`); here answers are gathered by kind over all prompts,
because leniency and spread are properties of people and of the whole, not of one prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from burnish.errors import InputError, nearest
from burnish.feedback import kinds
from burnish.feedback.answers import Answer, Scale, SignalConfig, answers_of, rescale
from burnish.feedback.pairs import of_one_prompt, preferences_from_scores
from burnish.records import Feedback, Signal
from burnish.store import Entry

__all__ = [
    "Answer",
    "Scale",
    "SignalConfig",
    "answers_of",
    "of_one_prompt",
    "preferences_from_scores",
    "rescale",
    "signals_from",
]

Convert: TypeAlias = Callable[[Sequence[Answer], SignalConfig], list[Signal]]
CONVERSIONS = ("to_demonstrations", "to_preferences", "to_scores", "to_critiques")


def signals_from(entries: Iterable[Entry], config: SignalConfig | None = None) -> list[Signal]:
    """Signals of all entries: scores from ratings and thumbs, preferences from comparisons and rankings.

    Records that another one supersedes, and one person's earlier answers to the same question, do not count; a record
    that comes twice (a file may repeat an id) counts once. The order of signals follows the order of entries within
    each kind, so the same entries give the same snapshot.
    Raises InputError for an unknown kind in `config.kinds`, or for feedback that names a completion its entry lacks.
    """
    settings = config or SignalConfig()
    return signals_of(heard(entries, settings), settings)


def heard(entries: Iterable[Entry], settings: SignalConfig) -> dict[str, list[Answer]]:
    """The answers that count, by kind, each kind with what other kinds' answers hold of it; errors as above."""
    for name in settings.kinds:
        if name not in kinds.names():
            raise InputError(f"signals.kinds: {name!r} is unknown.{nearest(name, kinds.names())}")
    gathered: dict[str, list[Answer]] = {}
    superseded: set[str] = set()
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for entry in entries:
        superseded.update(record.supersedes for record in entry.feedback if record.supersedes)
        for answer in answers_of(entry):
            record = answer.feedback
            if record.author.kind not in settings.author_kinds or record.kind not in settings.kinds:
                continue
            if (record.id, record.completion_ids) not in seen:
                seen.add((record.id, record.completion_ids))
                gathered.setdefault(record.kind, []).append(answer)
    current = {
        kind: [answer for answer in given if answer.feedback.id not in superseded] for kind, given in gathered.items()
    }
    _add_implied(current)
    _gather(current, settings)
    return current


def _add_implied(current: dict[str, list[Answer]]) -> None:
    """Put what answers imply before what was said outright, which counts where one person did both."""
    implied: dict[str, list[Answer]] = {}
    for kind, given in current.items():
        if also := getattr(kinds.load(kind), "also", None):
            for answer in given:
                for more in cast(list[Answer], also(answer)):
                    implied.setdefault(more.feedback.kind, []).append(more)
    for kind, given in implied.items():
        current[kind] = given + current.get(kind, [])


def _gather(current: dict[str, list[Answer]], config: SignalConfig) -> None:
    """Let a kind take what other kinds' answers hold of it: remarks made beside ratings are comments too.

    In alphabetical order: comments have taken their remarks when corrections ask which of them were put in words.
    """
    for kind in sorted(config.kinds):
        if (gathered := getattr(kinds.load(kind), "gathered", None)) and (found := gathered(current)):
            current[kind] = found


def signals_of(current: Mapping[str, Sequence[Answer]], settings: SignalConfig) -> list[Signal]:
    """The signals of answers that `heard` gathered."""
    return [signal for kind in sorted(current) for signal in _convert(kind, current[kind], settings)]


def _convert(kind: str, answers: Sequence[Answer], config: SignalConfig) -> Iterator[Signal]:
    module = kinds.load(kind)
    for name in CONVERSIONS:
        if convert := getattr(module, name, None):
            yield from cast(Convert, convert)(answers, config)


def said(record: Feedback) -> str:
    """What a person said, in words for people."""
    return kinds.load(record.kind).summary(record.value)
