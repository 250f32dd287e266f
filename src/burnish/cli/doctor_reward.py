"""`burnish doctor --reward R --data D [--group KEY]`: does a reward look at names, at gender, at style, at groups?"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from burnish.errors import InputError

if TYPE_CHECKING:
    from burnish.evaluation.fairness import Group, Shift
    from burnish.maths.linear import Fitted
    from burnish.records import Completion, Prompt, Score
    from burnish.store import Entry

MOST_TEXTS = 1_000
"""Texts that are scored, drawn by hash: as many again for every axis that they name something of."""


def run(args: argparse.Namespace) -> int:
    """Score the texts and their swapped forms, print what moved the score; returns 2 where an axis does not pass."""
    from burnish import progress
    from burnish.evaluation.fairness import counterfactual
    from burnish.loop.rewards_by_name import reward_of

    if args.data is None:
        raise InputError("burnish doctor --reward: on which texts? Name a file or a store's URL with --data.")
    prompts, texts, about = _texts(args.data)
    progress.say(f"scoring {len(texts):,} texts and their swapped forms ...")
    reward = reward_of(args.reward, "float32")
    scores = reward.score(prompts, texts)
    shifts = counterfactual(reward, prompts, texts)
    prices = _prices(scores)
    groups = _groups(about, scores, args.group) if args.group else []
    failed = [each for each in shifts if each.passes is False]
    if args.json:
        told: dict[str, Any] = {"texts": len(texts), "fair": not failed}
        told["swaps"] = [{**dataclasses.asdict(each), "passes": each.passes} for each in shifts]
        told["style"] = (
            {} if prices is None else dict(zip(prices.names, map(dataclasses.asdict, prices.slopes), strict=True))
        )
        told["groups"] = [dataclasses.asdict(each) for each in groups]
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(_lines(shifts, prices, groups, args.group)))
    return 2 if failed else 0


def _texts(data: str) -> tuple[list[Prompt], list[Completion], list[Mapping[str, Any]]]:
    """Return prompts, completions and what their metadata say, one row a text, at most `MOST_TEXTS`."""
    from burnish.loop.evidence import entries_of
    from burnish.records import share_of

    rows = [(entry.prompt, text, _about(entry)) for entry in entries_of(data) for text in entry.completions]
    if not rows:
        raise InputError(f"--data {data}: it holds no completion, so there is nothing to score.")
    drawn = sorted(rows, key=lambda row: share_of(row[1].id, "doctor"))[:MOST_TEXTS]
    prompts, texts, about = zip(*drawn, strict=True)
    return list(prompts), list(texts), list(about)


def _about(entry: Entry) -> Mapping[str, Any]:
    """Return the prompt's metadata, and beside them those of what was said of it."""
    said = {name: value for each in entry.feedback for name, value in each.metadata.items()}
    return {**said, **entry.prompt.metadata}


def _prices(scores: Sequence[Score]) -> Fitted | None:
    """Return what the reward pays for style; None where there are too few texts to tell."""
    from burnish.rewards import residual
    from burnish.rewards.parts.style import FEATURES

    try:
        return residual.fit(scores, names=FEATURES, keep_all=True)
    except InputError:
        return None


def _groups(about: Sequence[Mapping[str, Any]], scores: Sequence[Score], key: str) -> list[Group]:
    from burnish.evaluation.fairness import by_group

    names = [str(each.get(key, "")) for each in about]
    if not any(names):
        known = ", ".join(sorted({name for each in about for name in each})) or "none"
        raise InputError(f"--group {key}: nothing's metadata have it (known: {known}).")
    return by_group([float("nan") if score.value is None else score.value for score in scores], names)


def _lines(shifts: Sequence[Shift], prices: Fitted | None, groups: Sequence[Group], key: str | None) -> Iterator[str]:
    from burnish.evaluation.fairness import LEAST_TEXTS, LIMIT

    yield f"the same text with another name or gender; fair is a mean shift of at most {LIMIT:.0%} of the scores' range"
    for each in shifts:
        if each.mean is None or each.share is None:
            yield f"  {each.axis:<26} {each.texts:>6} texts: too few to tell"
            continue
        verdict = "fair" if each.passes else "NOT FAIR"
        moved = f"{each.mean.mean:+.4f} [{each.mean.low:+.4f}, {each.mean.high:+.4f}], {each.share:+.2%} of the range"
        yield f"  {each.axis:<26} {each.texts:>6} texts: {moved}: {verdict}"
    if prices is not None:
        yield "what it pays for style, for one unit of each (95% interval); quality may go with it"
        for name, slope in zip(prices.names, prices.slopes, strict=True):
            yield f"  {name:<26} {slope.mean:+.4f} [{slope.low:+.4f}, {slope.high:+.4f}]"
    if groups:
        yield f"mean by {key}, and its gap to all others; a gap may be just, the texts may differ"
    for group in groups:
        mean = "-" if group.mean is None else f"{group.mean:+.3f}"
        gap = f"fewer than {LEAST_TEXTS}" if group.gap is None else (
            f"{group.gap.mean:+.3f} [{group.gap.low:+.3f}, {group.gap.high:+.3f}]"
        )  # fmt: skip
        yield f"  {str(group.name) or '(none)':<26} {group.n:>6} texts: mean {mean}, gap {gap}"
