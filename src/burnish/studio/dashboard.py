"""Numbers into words for the dashboards: which sentence fits, who is named, what a table's row says.

Sentences stand in `wording/results.toml`; here is decided which of them is true.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from burnish.evaluation import formats
from burnish.evaluation.against_people import AgainstPeople
from burnish.evaluation.judge_card import JudgeCard
from burnish.evaluation.judge_people import ANSWERS, Beside, Form
from burnish.evaluation.reward_card import RewardCard
from burnish.evaluation.side_by_side import visible
from burnish.feedback.over_time import Pace, Period
from burnish.feedback.person import HURRIED, Estimate, Manner, Person
from burnish.feedback.questions import Asked
from burnish.maths.agreement import Agreement
from burnish.records import Interval
from burnish.studio.outlook import Outlook
from burnish.studio.wording import sentences

FIRM, TENTATIVE = 0.8, 0.667
"""Krippendorff's readings of alpha."""
NEEDS_A_WORD = (Manner.CARELESS, Manner.ADVERSARIAL, Manner.ONE_SIDED, Manner.ONE_ANSWER)
DRIFTS = 0.001
FAR_OFF = timedelta(days=3650)
"""Beyond it no date is told."""
_TICKS = 4


def reading(found: Agreement) -> str:
    """Return which sentence an alpha deserves: unknown, none (its interval holds 0), weak, tentative or firm."""
    if found.alpha is None:
        return "unknown"
    if found.low is not None and found.low <= 0:
        return "none"
    return "firm" if found.alpha >= FIRM else "tentative" if found.alpha >= TENTATIVE else "weak"


def main_question(asked: Sequence[Asked]) -> Asked | None:
    """Return the question that speaks for all: of those whose alpha is known, the one with most answers."""
    known = [each for each in asked if each.agreement and each.agreement.alpha is not None]
    return max(known, key=lambda each: each.answers, default=None)


def need_help(people: Iterable[Person]) -> list[Person]:
    """Return the people whose answers suggest that somebody should talk with them; judges are no people."""
    return [each for each in people if each.author.kind == "human" and each.manner in NEEDS_A_WORD]


def slope_of(person: Person) -> Estimate | None:
    """Return how closely a person follows the others: by votes, or else by what they graded."""
    return person.slope or next(iter(person.sees.values()), None)


def remarks(person: Person) -> list[tuple[str, dict[str, str]]]:
    """Return (sentence, its values) of what stands out beside the table."""
    found: list[tuple[str, dict[str, str]]] = []
    if person.run:
        found.append(("run", {"n": _number_in(person.run)}))
    if person.drift is not None and person.drift < DRIFTS:
        found.append(("drift", {"p": f"{person.drift:.1g}"}))
    if person.hurried and person.hurried > HURRIED:
        found.append(("hurried", {"share": formats.percent(person.hurried, 0)}))
    if person.copied is not None and person.copied.hits:
        found.append(("copied", {"hits": str(person.copied.hits), "n": str(person.copied.of)}))
    return found


def remarked(people: Iterable[Person]) -> set[str]:
    """Return the names of those of whom something is remarked."""
    return {each.author.id for each in people if remarks(each)}


def _number_in(run: str) -> str:
    """How long a run was, out of "rating: 4 12 times in a row of 40"."""
    return run.partition(" times in a row")[0].rpartition(" ")[2]


def step_words(step: timedelta) -> tuple[str, int]:
    """Return the unit of a step of time and how many of it: ("hours", 6)."""
    minutes = round(step.total_seconds() / 60)
    if minutes < 60:
        return "minutes", minutes
    return ("hours", minutes // 60) if minutes < 24 * 60 else ("days", minutes // (24 * 60))


def foretold(ahead: Outlook) -> tuple[str, dict[str, str]]:
    """Return (sentence, its values) of when the missing answers will be there."""
    found, left = ahead.forecast, f"{ahead.left:,}"
    if not ahead.left or found is None or not ahead.is_open:
        return ("full" if not ahead.left else "unknown" if ahead.is_open else "closed"), {"left": left}
    values = {"left": left, "seen": str(found.seen), "pace": formats.number(found.per_step, 1)}
    if found.steps * found.step > FAR_OFF:
        return "years", values
    is_open_ended = found.high is None or found.high * found.step > FAR_OFF
    ends = {"about": found.steps, "low": found.low, "high": found.steps if is_open_ended else found.high or 0.0}
    if found.step < timedelta(days=1):
        told = {name: formats.number(steps, 0 if steps >= 10 else 1) for name, steps in ends.items()}
        return ("hours_open" if is_open_ended else "hours"), values | told
    told = {name: (ahead.at + steps * found.step).strftime("%Y-%m-%d") for name, steps in ends.items()}
    return ("days_open" if is_open_ended else "days"), values | told


def money(amount: Interval, currency: str) -> str:
    """Return an amount, with its interval where it has a width."""
    mean, low, high = (f"{each:,.2f}" for each in (amount.mean, amount.low, amount.high))
    return f"{mean} {currency}" if low == high else f"{mean} {currency} ({low}–{high})"


def pace_ticks(pace: Pace) -> list[tuple[float, str]]:
    """Return the moments named below a picture of the pace; with the hour where a day holds several bars."""
    form = "%m-%d" if pace.step >= timedelta(days=1) else "%m-%d %H:%M"
    return _some([(place + 0.5, when.strftime(form)) for place, when in enumerate(pace.starts)])


def period_ticks(periods: Sequence[Period]) -> list[tuple[float, str]]:
    """Return the ends of the periods, named below a picture of agreement."""
    one_day = periods[0].start.date() == periods[-1].end.date()
    form = "%H:%M" if one_day else "%m-%d"
    return _some([(place, each.end.strftime(form)) for place, each in enumerate(periods)])


def _some(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """A few of many, evenly, the first always; those at the edges keep off them."""
    every = -(-len(ticks) // _TICKS)
    return ticks[every // 2 :: every] if len(ticks) > _TICKS else ticks


def alphas(periods: Sequence[Period]) -> list[tuple[float, float, float]]:
    """Return (alpha, low, high) of the periods in which it is known."""
    found = [(each.agreement.alpha, each.agreement.low, each.agreement.high) for each in periods]
    return [(a, a if low is None else low, a if high is None else high) for a, low, high in found if a is not None]


def known_periods(periods: Sequence[Period]) -> list[Period]:
    return [each for each in periods if each.agreement.alpha is not None]


def lowest(rows: Iterable[tuple[float, float, float]]) -> float:
    """Return where a picture of alphas begins: at 0, or below what lies lower."""
    return min([0.0, *(low - 0.05 for _, low, _ in rows)])


def pressed(button: object) -> tuple[str, str]:
    """Return (sentence, text) of a button: one of the two stands for it."""
    names = {
        "first": "first", "second": "second", "tie good": "tie_good", "tie bad": "tie_bad", "cannot judge": "cannot",
    }  # fmt: skip
    if isinstance(button, bool):
        return ("up" if button else "down"), ""
    return (names[button], "") if isinstance(button, str) and button in names else ("", str(button))


def leans(found: Interval) -> bool:
    """Whether an interval of shares leaves one half out."""
    return found.low > 0.5 or found.high < 0.5


def share_interval(share: float, n: int) -> Interval:
    """Return the interval of a share of n."""
    from burnish.maths.intervals import wilson

    return wilson(share * n, n)


def pays_for_length(found: AgainstPeople) -> bool:
    """Whether the reward goes with length clearly more than people's ratings do."""
    own, people = found.reward_by_length, found.people_by_length
    return own is not None and own.low > (people.high if people else 0.0)


def length_points(found: AgainstPeople) -> list[tuple[float, float]]:
    """Return (words, reward) of each text."""
    return [(float(words), reward) for words, (reward, _) in zip(found.lengths, found.points, strict=True)]


def judged(card: JudgeCard) -> str:
    """Return which sentence a judge deserves: none, alone, worse, as_good."""
    if card.accuracy is None:
        return "none"
    if card.one_person is None:
        return "alone"
    return "worse" if card.accuracy.high < card.one_person.low else "as_good"


def judge_rows(card: JudgeCard) -> list[tuple[str, Interval]]:
    """Return the measures of a judge that are known, with their intervals, by the name of their sentence."""
    rows = [
        ("accuracy", card.accuracy), ("person", card.one_person), ("consistency", card.consistency),
        ("first", card.first_place), ("length", card.length_bias), ("correlation", card.correlation),
    ]  # fmt: skip
    if (found := card.reliability) is not None:
        rows += [("sensitivity", found.sensitivity), ("specificity", found.specificity), ("brier", found.brier)]
        rows += [("recalibrated", found.brier_recalibrated), ("rate", found.rate)]
    return [(name, found) for name, found in rows if found is not None]


def told_and_found(card: JudgeCard) -> tuple[list[float], list[float], list[tuple[float, float]]] | None:
    """Return what a judge told, how often people said so, and those shares' intervals; None for a single point."""
    bins = card.reliability.bins if card.reliability else ()
    if len(bins) < 2:
        return None
    return [b.told for b in bins], [b.people.mean for b in bins], [(b.people.low, b.people.high) for b in bins]


MOST_BESIDE = 30
"""People whom a judge is shown beside, those with most items first."""


def beside(rows: Iterable[Beside], form: str) -> list[Beside]:
    """Return the people whom a judge is shown beside, of one form."""
    return [row for row in rows if row.form == form][:MOST_BESIDE]


def said_by_both(form: Form) -> list[tuple[str, str]]:
    """Return every (person's answer, judge's answer), those that are the same first: the columns of the table."""
    every = [(one, other) for one in ANSWERS[form] for other in ANSWERS[form]]
    return sorted(every, key=lambda pair: pair[0] != pair[1])


def changes(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the measures of a run's report that were taken before and after, with their change."""
    before, after, difference = (report.get(side) or {} for side in ("before", "after", "difference"))
    found = []
    for key in MEASURES:
        bounds = (difference.get(key) or {}).get("ci95")
        if before.get(key) is None or after.get(key) is None or not bounds:
            continue
        mean = difference[key]["mean"]
        widest = max(abs(mean), *(abs(each) for each in bounds)) or 1.0
        found.append(
            {
                "key": key,
                "before": formats.measure(key, before[key]),
                "after": formats.measure(key, after[key]),
                "change": formats.change(key, mean),
                "low": formats.change(key, bounds[0]),
                "high": formats.change(key, bounds[1]),
                "picture": (mean / widest, bounds[0] / widest, bounds[1] / widest),
            }
        )
    return found


def reasons(report: Mapping[str, Any]) -> list[str]:
    """Return the sentences of a report's verdict, in the report's own language; none in a report of `burnish train`."""
    return [str(each) for each in (report.get("verdict") or {}).get("reasons") or ()]


def headline(report: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return (sentence, its values) of a verdict: better, not_better, or unmeasured by an independent judge."""
    gold = (report.get("difference") or {}).get("gold") or {}
    if gold.get("mean") is None or not gold.get("ci95"):
        return "unmeasured", {}
    low, high = (formats.change("gold", each) for each in gold["ci95"])
    improved = (report.get("verdict") or {}).get("improved")
    values = {"change": formats.change("gold", gold["mean"]), "low": low, "high": high}
    return ("better" if improved else "not_better"), values


MEASURES = (
    "gold", "proxy", "on_topic", "asked_rated_correlation", "length", "distinct_2", "repetition", "perplexity",
    "truncated",
)  # fmt: skip


def clean(text: object, most: int = 0) -> str:
    """Return a text as a page may hold it, cut to `most` characters where given."""
    shown = visible(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))
    return shown[: most - 1].rstrip() + "…" if most and len(shown) > most else shown


def minute(when: str | float | datetime) -> str:
    """Return a moment to the minute: of RFC 3339 text, of seconds since 1970, of a datetime."""
    if isinstance(when, (int, float)):
        when = datetime.fromtimestamp(when, UTC)
    elif isinstance(when, str):
        if not when:
            return formats.NONE
        when = datetime.fromisoformat(when).astimezone(UTC)
    return when.strftime("%Y-%m-%d %H:%M")


def why_not(say: Any, reason: str) -> str:
    """Return why a figure is not there, in the reader's language."""
    key = next((key for key, beginning in _REASONS.items() if reason.startswith(beginning)), "")
    return str(say(f"results.why_{key}")) if key else reason


_REASONS: Mapping[str, str] = {
    "no_unit": "no unit was answered",
    "one_unit": "only one unit was answered",
    "equal": "all answers are equal",
    "together": "all units belong together",
    "few": "too few different answers",
}
"""By sentence: how the reasons of `burnish.maths.agreement` begin."""


def kind_name(say: Any, kind: str) -> str:
    """Return what a kind of feedback is called; a kind from another package keeps its own name."""
    return str(say(f"results.kind_{kind}")) if f"results.kind_{kind}" in sentences() else kind


def card_rows(card: RewardCard) -> list[tuple[str, str, Any]]:
    """Return (sentence, name, accuracy) of a reward model and of what it is compared with, in this order."""
    rows: list[tuple[str, str, Any]] = [("card_reward", "", card.accuracy)] if card.accuracy else []
    rows += [("card_person", "", card.one_person)] if card.one_person else []
    best_first = sorted(card.baselines.items(), key=lambda item: -item[1].accuracy)
    rows += [("", name, found) for name, found in best_first]
    return rows + [("card_other", name, found) for name, found in card.other_domains.items()]


def pairs(one: Sequence[float], two: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(one, two, strict=True))
