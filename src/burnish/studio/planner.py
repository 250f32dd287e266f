"""How many items and how many answers each: told before anybody is asked, from guesses or from what a study has shown.

The sums are `burnish.maths.sample_size`'s; here is what its three spreads are for each kind of question.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.errors import InputError
from burnish.feedback import kinds
from burnish.feedback.answers import Answer, answers_of, is_opinion
from burnish.maths.sample_size import Plan, Spreads, plan, plans, spreads_of
from burnish.store import Store
from burnish.studio.findings import entries_of
from burnish.studio.study import Question

MOST_EACH = 6
USUAL: dict[str, Spreads] = {
    # of a grade as a share of its scale's width: 198,810 ratings of 10,605 texts, as in `SignalConfig`
    "rating": Spreads(item=0.24, person=0.06, noise=0.12),
    # of a yes (1) or no (0) at even chances: people agree on 75 in 100 items, a third of what is left is the person's
    "yes_no": Spreads(item=0.35, person=0.1, noise=0.34),
}
"""Standard deviations to begin with, where a study has no answers yet; both on a scale from 0 to 1."""


def usual(question: Question) -> Spreads:
    """Return the spreads to begin with, in the unit of the question's answers: grades, or shares of 1."""
    if question.kind != "rating":
        return USUAL["yes_no"]
    width = question.scale[1] - question.scale[0]
    guess = USUAL["rating"]
    return Spreads(guess.item * width, guess.person * width, guess.noise * width)


def seen(question: Question, answers: Sequence[Answer]) -> Spreads | None:
    """Return the spreads that answers to the question show; None where they cannot show them yet."""
    opinions = getattr(kinds.load(question.kind), "opinions", None)
    if opinions is None:
        return None
    values, items, people = [], [], []
    for answer in answers:
        if answer.feedback.metadata.get("question") != question.name or answer.feedback.kind != question.kind:
            continue
        for unit, value in opinions(answer):
            values.append(_unit(question, value))
            items.append((answer.feedback.completion_ids if question.kind != "rating" else "", unit))
            people.append(answer.feedback.author.id)
    try:
        return spreads_of(values, items, people) if len(values) > 2 else None
    except InputError:
        return None


def measured(store: Store, study: str, question: Question) -> Spreads | None:
    """Return the spreads that a study's answers show, told from a random part of a great one; None before they do."""
    entries, _ = entries_of(store, study)
    return seen(question, [answer for entry in entries for answer in answers_of(entry) if is_opinion(answer)])


def options(half_width: float, people: int, spreads: Spreads) -> list[Plan]:
    """Return, for 1, 2, ... answers to an item, the fewest items whose mean is known to ± `half_width`.

    Raises InputError where so few people cannot give it.
    """
    if not 0 < half_width < float("inf"):
        raise InputError(f"half_width: {half_width:g} is not above 0.")
    if not 1 <= people <= 100_000:
        raise InputError(f"people: {people} is not between 1 and 100,000.")
    return plans(half_width, people, spreads, most_each=MOST_EACH)


def expected(items: int, answers_each: int, people: int, spreads: Spreads) -> Plan:
    """Return what a study of this size gives. Raises InputError where it asks more people than there are."""
    return plan(items, answers_each, people, spreads)


def _unit(question: Question, value: float) -> float:
    """Return an opinion in the unit of the answers: a grade again, or a share from 0 to 1."""
    if question.kind == "rating":
        low, high = question.scale
        return low + value * (high - low)
    return (value + 1) / 2 if question.kind in ("comparison", "ranking", "best_worst") else value
