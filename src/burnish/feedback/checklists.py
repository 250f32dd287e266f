"""A rubric's points as one score: what share of what was asked for is there, less what should not be.

    share = clamp( sum of w_c x_c  /  sum of the positive w_c,  0, 1 )

x_c is 1 where point c is met, 0 where it is not, in between on a scale; w_c is its weight, negative for a pitfall (x_c
is then "it is there"). Points nobody could judge leave both sums. Where an essential point is missed (x_c below one
half) the share is at most `ESSENTIAL_CAP`. Negative points: HealthBench (Arora et al. 2025, arXiv 2505.08775);
essential ones: Rubrics as Rewards (Gunjal et al. 2025, arXiv 2507.17746).

Several people's answers to a point are votes, a half-met point a split one, and their posterior is Beta(a, a) plus the
votes (`burnish.feedback.votes.beta`); the share is linear in the x_c, so its variance is that of the sum. A pitfall is
taken to be rare until somebody finds it (`PITFALLS_BEFORE`): with even odds each one that was looked for in vain would
cost as much as half a one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.feedback import reliability
from burnish.feedback.answers import Answer, SignalConfig, newest, rescale
from burnish.feedback.votes import beta
from burnish.records import Critique, Score

ESSENTIAL_CAP = 0.5
"""Highest share of a completion that misses an essential point."""
PITFALLS_BEFORE = 0.05
"""Share of completions that a pitfall is expected in before anybody has looked."""


def met(point: Mapping[str, Any]) -> float | None:
    """How far a point is met, 0 to 1; None where nobody could judge."""
    answer = point["answer"]
    if answer is None or isinstance(answer, bool):
        return None if answer is None else float(answer)
    return rescale(answer, point["scale"], (0, 1))


def is_missed(point: Mapping[str, Any]) -> bool:
    """Whether a point speaks against the completion: asked for and not there, or a pitfall that is there."""
    found = met(point)
    return found is not None and ((found < 0.5) if point.get("weight", 1) > 0 else (found >= 0.5))


def share(points: Sequence[Mapping[str, Any]]) -> float:
    """One person's share, 0 to 1, without a prior; 0 where no point that was asked for could be judged."""
    tallies = {}
    for point in points:
        if (found := met(point)) is not None:
            tallies[point["criterion"]] = _Tally(point.get("weight", 1), bool(point.get("essential")), found, 1 - found)
    return _share({name: (tally.won, 0.0) for name, tally in tallies.items()}, tallies)[0]


def scores(answers: Sequence[Answer], config: SignalConfig) -> list[Score]:
    """For each (completion, aspect): a score of the whole, then one for each criterion, whose aspect is its name.

    Values lie on `config.scale` (share 0 is its worst, 1 its best); `variance` is the posterior's. The reason names the
    points that are missed. A capped score keeps the variance of the share it would have had. With
    `config.people = "reliable"` the whole is the one quality behind all points, each as hard as it proves, freed of
    each person's strictness; weights then say only which points are pitfalls.
    """
    made = []
    grouped = _by_completion(answers)
    behind = _behind(grouped) if config.people == "reliable" else {}
    for (completion, aspect), given in grouped.items():
        tallies = _tallies(given)
        if not any(tally.weight > 0 for tally in tallies.values()):
            continue  # nobody could judge what was asked for: not scored
        chances = {
            name: beta(tally.won, tally.lost, config.prior_votes, 0.5 if tally.weight > 0 else PITFALLS_BEFORE)
            for name, tally in tallies.items()
        }
        value, variance = _share(chances, tallies)
        if (completion, aspect) in behind:
            most = ESSENTIAL_CAP if _fails(tallies) else 1.0
            value, variance = min(behind[completion, aspect][0], most), behind[completion, aspect][1]
        missed = [name for name, tally in tallies.items() if tally.speaks_against]
        made.append(_score(given, value, variance, aspect, f"missed: {', '.join(missed)}" if missed else "", config))
        made += [
            _score(given, *chances[name], f"{aspect}/{name}" if aspect else name, "", config)
            for name, tally in tallies.items()
            if tally.weight > 0
        ]
    return made


def critiques(answers: Sequence[Answer]) -> list[Critique]:
    """One critique for each person who found a point missed: the points, with the evidence for each."""
    made = []
    for answer in answers:
        missed = [point for point in answer.feedback.value["rubric"] if is_missed(point)]
        if missed:
            made.append(
                Critique(
                    prompt=answer.prompt,
                    completion=answer.completions[0],
                    text="\n".join(_in_words(point) for point in missed),
                    aspect=answer.feedback.aspect,
                    feedback_ids=(answer.feedback.id,),
                )
            )
    return made


@dataclass(slots=True)
class _Tally:
    """Votes on one point."""

    weight: float
    essential: bool
    won: float = 0.0
    lost: float = 0.0

    @property
    def speaks_against(self) -> bool:
        return self.won < self.lost if self.weight > 0 else self.won >= self.lost


def _by_completion(answers: Sequence[Answer]) -> dict[tuple[str, str], list[Answer]]:
    of_item = (((answer.feedback.completion_ids[0], answer.feedback.aspect), answer) for answer in answers)
    grouped: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for item, answer in newest(of_item):
        grouped[item].append(answer)
    return grouped


def _tallies(answers: Sequence[Answer]) -> dict[str, _Tally]:
    """Votes on each criterion that somebody could judge; weights as the latest answer has them."""
    tallies: dict[str, _Tally] = {}
    for answer in answers:
        for point in answer.feedback.value["rubric"]:
            if (found := met(point)) is not None:
                tally = tallies.setdefault(point["criterion"], _Tally(1.0, False))
                tally.weight, tally.essential = point.get("weight", 1), bool(point.get("essential"))
                tally.won, tally.lost = tally.won + found, tally.lost + 1 - found
    return tallies


def _share(chances: Mapping[str, tuple[float, float]], tallies: Mapping[str, _Tally]) -> tuple[float, float]:
    """The weighted share and its variance, from the mean and variance of each point."""
    whole = sum(tally.weight for tally in tallies.values() if tally.weight > 0)
    if not whole:
        return 0.0, 0.0
    value = sum(tallies[name].weight * mean for name, (mean, _) in chances.items()) / whole
    variance = sum((tallies[name].weight / whole) ** 2 * each for name, (_, each) in chances.items())
    return min(max(value, 0.0), ESSENTIAL_CAP if _fails(tallies) else 1.0), variance


def _fails(tallies: Mapping[str, _Tally]) -> bool:
    """Whether an essential point is missed."""
    return any(tally.essential and tally.speaks_against for tally in tallies.values())


def _behind(grouped: Mapping[tuple[str, str], Sequence[Answer]]) -> dict[tuple[str, str], tuple[float, float]]:
    """What an average-strict person finds met of each (completion, aspect), by the many-facet model; see `scores`."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for aspect in dict.fromkeys(aspect for _, aspect in grouped):
        points = [
            (item, answer, point["criterion"], share if point.get("weight", 1) > 0 else 1 - share)
            for item, given in grouped.items()
            if item[1] == aspect
            for answer in given
            for point in answer.feedback.value["rubric"]
            if (share := met(point)) is not None
        ]
        found.update((reliability.rubrics(points) if points else None) or {})
    return found


def _score(
    given: Sequence[Answer], share: float, variance: float, aspect: str, reason: str, config: SignalConfig
) -> Score:
    return Score(
        prompt=given[0].prompt,
        completion=given[0].completions[0],
        value=config.scale[0] + share * config.width,
        variance=variance * config.width**2,
        aspect=aspect,
        source="rubric",
        reason=reason,
        feedback_ids=tuple(answer.feedback.id for answer in given),
    )


def _in_words(point: Mapping[str, Any]) -> str:
    verdict = "Not met" if point.get("weight", 1) > 0 else "Should not be there"
    evidence = f" ({point['evidence']})" if point.get("evidence") else ""
    return f"{verdict}: {point['criterion']}{evidence}"
