"""What `burnish feedback judge` tells: counts, a judge beside people, a panel's agreement; as text, JSON, a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.errors import InputError
from burnish.progress import counted

if TYPE_CHECKING:
    from burnish.evaluation.judge_card import JudgeCard
    from burnish.evaluation.judge_panel import PanelCard
    from burnish.evaluation.judge_reliability import Reliability
    from burnish.judges.asking.remembered import Tally
    from burnish.judges.asking.verdict import Count
    from burnish.models.spending import Spent
    from burnish.records import Interval


@dataclass(frozen=True, slots=True)
class Told:
    """One judge's work."""

    author: str
    count: Count
    cards: Sequence[JudgeCard]
    tally: Tally | None
    """None of a panel, which asks nothing itself."""


@dataclass(frozen=True, slots=True)
class ToldPanel:
    """What several judges said together."""

    told: Told
    agreement: PanelCard


# ----------------------------------------------------------------------------------------------------------------- text


def tell(told: Sequence[Told], panel: ToldPanel | None, spent: Spent | None) -> None:
    """Print it all."""
    for each in told:
        _tell_judge(each)
    if spent is not None:
        print(f"{spent.tokens:,} tokens in {counted(spent.calls, 'call')}, {spent.money:.4f} spent")
    if any("budget" in each.count.failures for each in told):
        print("The budget ended it. The same command with a larger one goes on; what was answered costs nothing again.")
    if panel is not None:
        _tell_agreement(panel.agreement)
        _tell_judge(panel.told)
    for each in (*told, *([panel.told] if panel else [])):
        for card in each.cards:
            _tell_card(card, each.author if panel else "")


def _tell_judge(told: Told) -> None:
    found = told.count
    print(f"{told.author}: {found.judged:,} judged, {found.failed:,} failed")
    for reason, number in found.failures.items():
        print(f"  failed {number:,}: {reason}")
    if told.tally is None:
        return
    print(f"{counted(told.tally.asked, 'question')} asked, {told.tally.recalled:,} answered from the cache")
    if found.consistent or found.inconsistent:
        both = found.consistent + found.inconsistent
        print(f"both orders named the same one in {found.consistent:,} of {both:,}")


def _tell_agreement(found: PanelCard) -> None:
    print(f"\nthe panel: {counted(len(found.judges), 'judge')}, {counted(found.n, 'item')} answered by two or more")
    if found.same is not None:
        _tell_interval("all say the same", found.same)
    agreement = found.alpha
    if agreement.alpha is None or agreement.low is None:
        print(f"  Krippendorff's alpha not known: {agreement.reason}")
    else:
        what = "Krippendorff's alpha"
        print(f"  {what:34} {agreement.alpha:+.3f} [{agreement.low:+.3f}, {agreement.high:+.3f}]")
    if len(found.judges) > 2:
        for (one, two), same in found.two.items():
            print(f"  {one} and {two}: the same in {same.mean:.2f} [{same.low:.2f}, {same.high:.2f}]")


CARD_LINES = (
    ("accuracy", "agrees with people's order"),
    ("one_person", "one person does"),
    ("correlation", "rank correlation with people"),
    ("consistency", "both orders name the same"),
    ("first_place", "else it names the first shown"),
    ("length_bias", "likes length more than people by"),
)


def _tell_card(card: JudgeCard, author: str) -> None:
    whose = f"{author} beside people" if author else "beside people"
    print(f"\n{whose}, {card.form}: {card.n:,} of {card.judged:,} were answered by people too")
    for name, what in CARD_LINES:
        value: Interval | None = getattr(card, name)
        if value is not None:
            _tell_interval(what, value)
    for name, what in (("kappa", "Cohen's kappa"), ("alpha", "Krippendorff's alpha")):
        if getattr(card, name) is not None:
            print(f"  {what:34} {getattr(card, name):+.3f}")
    for name, what in (("corrected", "mean, corrected by people's"), ("corrected_rate", "share good, corrected")):
        one = getattr(card, name)
        if one is not None:
            each = one.corrected
            print(
                f"  {what:34} {each.mean:.3f} [{each.low:.3f}, {each.high:.3f}], the judge alone {one.uncorrected:.3f}"
            )
    if card.reliability is not None:
        _tell_reliability(card.form, card.reliability)
    for name, why in card.notes.items():
        print(f"  {name.replace('_', ' ')} not known: {why.removeprefix('corrected: ')}")


YES = {"pairs": "the first is better", "texts": "the text is good"}


def _tell_reliability(form: str, found: Reliability) -> None:
    for name, what in (("sensitivity", "names it where people do"), ("specificity", "and not where they do not")):
        share: Interval | None = getattr(found, name)
        if share is not None:
            _tell_interval(what, share)
    if found.brier is not None:
        _tell_interval("Brier score", found.brier)
        print(f"  {'  of always saying their share':34} {found.brier_of_share:+.3f}")
    if found.brier_recalibrated is not None and found.recalibration is not None:
        _tell_interval("  recalibrated", found.brier_recalibrated)
        print(f"  {'  by slope, offset':34} {found.recalibration.slope:+.2f}, {found.recalibration.offset:+.2f}")
    if found.rate is not None:
        one = found.rate
        print(
            f"  {'share good, recalibrated':34} {one.mean:.3f} [{one.low:.3f}, {one.high:.3f}], "
            f"the judge alone {found.rate_told:.3f}"
        )
    print(f"  it says that {YES[form]}, and people say so in")
    for each in found.bins:
        said = each.people
        print(f"    {each.told:.2f}   {said.mean:.2f} [{said.low:.2f}, {said.high:.2f}] (n = {said.n:,})")


def _tell_interval(what: str, value: Interval) -> None:
    print(f"  {what:34} {value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}] (n = {value.n:,})")


# -------------------------------------------------------------------------------------------------------- JSON, picture


def plain(told: Sequence[Told], panel: ToldPanel | None, spent: Spent | None) -> dict[str, Any]:
    """Return it all as plain values: one judge's own, or the judges' and the panel's."""
    from burnish.plain import to_plain

    money = {"tokens": spent.tokens if spent else None, "money": spent.money if spent else None}
    if panel is None:
        return {**_plain_judge(told[0]), **money}
    agreement = {
        "items": panel.agreement.n,
        "same": to_plain(panel.agreement.same),
        "alpha": to_plain(panel.agreement.alpha),
        "two": [{"judges": list(two), "same": to_plain(same)} for two, same in panel.agreement.two.items()],
    }
    together = {**_plain_judge(panel.told), "agreement": agreement}
    return {"judges": [_plain_judge(each) for each in told], "panel": together, **money}


def _plain_judge(told: Told) -> dict[str, Any]:
    from burnish.plain import to_plain

    found = told.count
    return {
        "author": told.author,
        "judged": found.judged,
        "failed": found.failed,
        "failures": dict(found.failures),
        "consistent": found.consistent,
        "inconsistent": found.inconsistent,
        "asked": told.tally.asked if told.tally else 0,
        "recalled": told.tally.recalled if told.tally else 0,
        "people": [to_plain(card) for card in told.cards],
    }


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    print()


def save_picture(path: Path, cards: Sequence[JudgeCard]) -> None:
    """Write the reliability of every judge as an SVG. Raises InputError where people answered nothing of theirs."""
    from burnish.evaluation.judge_pictures import reliability_picture

    shown = [card for card in cards if card.reliability is not None]
    if not shown:
        raise InputError("--picture: people answered none of the judged items, so there is nothing to draw.")
    path.write_bytes(reliability_picture(shown).svg)
