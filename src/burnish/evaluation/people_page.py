"""The page of `burnish feedback stats --out`: what was said, how far people agree, where they differ, who answers how.

One HTML file without a program or a request in it. Names and remarks pass through the template's escaping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from burnish.evaluation import formats
from burnish.evaluation.people_pictures import agreement_bars, manner_map, slopes
from burnish.evaluation.pictures import COLOURS, style
from burnish.evaluation.side_by_side import visible
from burnish.evaluation.svg import picture
from burnish.feedback.contents import Contents
from burnish.feedback.disagreements import Item
from burnish.feedback.overview import Overview
from burnish.feedback.people import People
from burnish.feedback.person import HURRIED, Estimate, Manner, Person, Share
from burnish.feedback.signals import said as told
from burnish.records import Interval

ANSWERS, QUOTED = 12, 160
"""Different answers of a kind that are listed, and characters of a text that is quoted."""
SHOWN = 60
"""People in pictures and in the table: those with most answers."""
WORDS: Mapping[Manner, str] = {
    Manner.CAREFUL: "follow what others see",
    Manner.CARELESS: "guess: what they say hardly follows what others see",
    Manner.ADVERSARIAL: "say the opposite of what others see: a turned scale, a misread question, or malice",
    Manner.ONE_SIDED: "pick a side of the screen",
    Manner.ONE_ANSWER: "give the same answer nearly always",
    Manner.UNCLEAR: "fit more than one of these",
    Manner.FEW: "have answered too little to say",
    Manner.ALONE: "answered questions that nobody else did",
}


def page(found: Overview, answering: People, said: Contents, kept: Mapping[str, int]) -> str:
    """Return the page for the counts, the people, what they said, and what the store holds."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = resources.files("burnish.evaluation")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["visible"] = visible
    template = environment.from_string((files / "people.html.jinja").read_text(encoding="utf-8"))
    shown = answering.people[:SHOWN]
    drawn = _pictures(found, shown)
    return template.render(
        style=Markup((files / "report.css").read_text(encoding="utf-8")),
        pictures={name: (Markup(each.inline), each.width) for name, each in drawn.items()},
        records=f"{found.records:,}",
        people=f"{len(answering.people):,}",
        kept=[(name, f"{number:,}") for name, number in kept.items()],
        anonymous=f"{found.anonymous:,}",
        kinds=list(_kinds(found)),
        answers=[(kind, list(_shares(counts))) for kind, counts in said.answers.items()],
        disputed=None if said.disputed is None else _between(said.disputed),
        hardest=[_hard(item) for item in said.hardest],
        comments=f"{said.comments:,}",
        aspects=[(each.aspect, f"{each.comments:,}", _value(each.value)) for each in said.aspects],
        topics=[(", ".join(each.words), formats.percent(each.share, 0), _value(each.value)) for each in said.topics],
        manners=[(manner.value, f"{n:,}", WORDS[manner]) for manner, n in _by_size(answering)],
        rows=[_row(person) for person in shown],
        remarks=[(name, remark) for person in shown for name, remark in _remarks(person)],
        rest=len(answering.people) - len(shown),
        notes=answering.notes,
    )


def _pictures(found: Overview, shown: tuple[Person, ...]) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    with style():
        if any(each.alpha is not None for each in found.agreement.values()):
            alt = "Krippendorff's alpha of each kind with its interval"
            drawn["agreement"] = picture("agreement", agreement_bars(found.agreement), alt, COLOURS)
        if sloped := [person for person in shown if person.slope or person.sees]:
            alt = "Slope of each person with its interval: 1 careful, 0 guesses, below 0 the opposite"
            drawn["slopes"] = picture("slopes", slopes(sloped), alt, COLOURS)
        if sided := [person for person in shown if person.slope and person.side]:
            alt = "Slope against the liking for the first side, a dot a person"
            drawn["map"] = picture("map", manner_map(sided), alt, COLOURS)
    return drawn


def _shares(counts: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """The most frequent labels of a kind that has many; all answers of a scale."""
    whole = sum(counts.values())
    for answer, number in list(counts.items())[:ANSWERS]:
        yield answer, f"{number:,}", formats.percent(number / whole, 0)


def _between(found: Interval) -> str:
    return f"{formats.percent(found.low, 0)} to {formats.percent(found.high, 0)}"


def _hard(item: Item) -> tuple[str, str, str, str]:
    question = max(item.questions, key=lambda each: each.apart or 0.0)
    heard = "; ".join(
        f"{answer.feedback.author.id or 'anonymous'}: {told(answer.feedback)}" for answer in question.people
    )
    return item.prompt.text[:QUOTED], question.kind, formats.number(item.apart, 2), heard[: 2 * QUOTED]


def _value(value: float | None) -> str:
    return formats.NONE if value is None else formats.number(value, 1, signed=True)


def _by_size(answering: People) -> Iterator[tuple[Manner, int]]:
    order = list(WORDS)
    yield from sorted(answering.by_manner.items(), key=lambda item: order.index(item[0]))


def _kinds(found: Overview) -> Iterator[tuple[str, ...]]:
    for kind, number in found.by_kind.items():
        told = found.agreement.get(kind)
        if told is None:
            yield kind, f"{number:,}", formats.NONE, formats.NONE, ""
        elif told.alpha is None:
            yield kind, f"{number:,}", formats.NONE, formats.NONE, told.reason
        else:
            bounds = f"{told.low:.2f} to {told.high:.2f}" if told.ci95 else told.reason
            basis = f"{told.units:,} items answered by several, {formats.percent(told.same, 0)} of pairs equal"
            yield kind, f"{number:,}", formats.number(told.alpha, 2), bounds, basis


def _row(person: Person) -> tuple[str, ...]:
    slope = person.slope or next(iter(person.sees.values()), None)
    strict = next(iter(person.strict.values()), None)
    return (
        name_of(person),
        f"{person.answers:,}",
        _estimate(slope),
        _estimate(person.side),
        _estimate(strict),
        *(_share(each) for each in (person.with_others, person.gold, person.same_again)),
        formats.NONE if person.seconds is None else f"{person.seconds:.0f} s",
        person.manner.value,
    )


def name_of(person: Person) -> str:
    """The person's id, with what it is where it is no human."""
    kind = person.author.kind
    return person.author.id if kind == "human" else f"{person.author.id} ({kind})"


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return formats.NONE
    return f"{formats.number(found.mean, 2, signed=True)} ± {formats.number(1.96 * found.spread, 2)}"


def _share(found: Share | None) -> str:
    return formats.NONE if found is None else f"{found.hits}/{found.of}"


def _remarks(person: Person) -> Iterator[tuple[str, str]]:
    name = name_of(person)
    if person.run:
        yield name, f"{person.run}; by chance with probability {person.run_chance:.1g} at most"
    if person.drift is not None and person.drift < 0.001:
        yield name, f"answers otherwise than before; by chance with probability {person.drift:.1g}"
    if person.hurried and person.hurried > HURRIED:
        yield name, f"{person.hurried:.0%} of the timed answers came faster than anybody reads"
    if person.copied is not None and person.copied.hits:
        yield name, f"{person.copied.hits} of {person.copied.of} texts repeat another person's or the completion"
