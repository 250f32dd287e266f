"""Several rewards as one, written down in a TOML file: `burnish train grpo --reward reward.toml`.

    scale = "group"                  # "none", "fixed" or "group": how parts are brought to one size
    people = "grades.jsonl"          # fit the weights to these people's grades, one size for all parts
    style = ["log words"]            # take out what the whole pays for length, beyond what these people pay
    clip = 3.0                       # keep the whole within 3 standard deviations of what these texts get

    [[part]]
    reward = "runs/reviews-0/checkpoints/reward-0"
    weight = 1.0
    [[part]]
    name = "brief"
    reward = "length:20-60"
    weight = [[0, 0.0], [100, 0.5]]  # by step of training: straight lines between these points
    [[part]]
    reward = "boosted"               # trees on the text's style, fitted to one half of the people's grades

With grades the weights that are written do not count, the fitted ones do: grade units for one standard deviation. Where
trees learned from grades, the weights are fitted to the grades of other prompts: on its own texts a fit looks too good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from burnish import config, progress
from burnish.errors import InputError
from burnish.feedback.signals import signals_from
from burnish.loop import evidence
from burnish.maths.linear import Fitted
from burnish.records import Reward, Score, seed_of
from burnish.rewards import boosted, combined, normalised, residual
from burnish.rewards.combined import Combined, Part

TREES = "boosted"
"""The part that is fitted here, to people's grades."""
LEAST_SHARE = 0.01
"""Share of the grades' variance below which a feature that trees use is not told."""


@dataclass(frozen=True)
class PartSettings:
    """One reward among several."""

    reward: str
    """A name (chrf, length:20-60), a reward's folder, judged:..."""
    name: str = ""
    """What it is called in reasons; the reward's own word when empty."""
    weight: float | tuple[tuple[int, float], ...] = 1.0
    """A number, or [[step, weight], ...] in ascending order."""


@dataclass(frozen=True)
class Together:
    """What holds for the sum."""

    scale: Literal["none", "fixed", "group"] = "none"
    """How parts are brought to one size: not at all, by the texts that people graded, within each prompt's group."""
    missing: Literal["abstain", "reweigh"] = "abstain"
    """What becomes of a completion that a part cannot score: passed over, or scored by the others."""
    enough: float = 0.5
    """For reweigh: the share of the weight that must have been scored."""
    people: str = ""
    """Ratings (a JSONL file or a store's URL) that the weights are fitted to; empty: they are as written."""
    style: tuple[str, ...] = ()
    """Features of style whose price is taken out."""
    clip: float = 0.0
    """Bring the whole to mean 0 and spread 1 on the texts that people graded, and keep it within plus and minus this;
    0: leave it."""

    def __post_init__(self) -> None:
        needs = "style" if self.style else "clip" if self.clip else 'scale = "fixed"' if self.scale == "fixed" else ""
        if needs and not self.people:
            raise InputError(f'people: {needs} is fitted to grades. Name them, as in people = "grades.jsonl".')
        if self.clip < 0:
            raise InputError(f"clip: {self.clip} is below 0. Use 3 to keep the whole within 3 standard deviations.")


def combined_of(path: Path, reward_of: Callable[[str], Reward]) -> Reward:
    """Return the reward that a file describes; `reward_of` makes each part.

    What is fitted to people's grades is told with its intervals. Raises InputError that names file, key and remedy.
    """
    plain = config.parse_toml(path)
    rows = plain.pop("part", [])
    if not isinstance(rows, list) or not rows:
        raise InputError(f'{path}: no [[part]]. Write one for each reward, with reward = "chrf" or another in it.')
    parts = [config.build(PartSettings, row, f"{path}: part {number}") for number, row in enumerate(rows, 1)]
    settings = config.build(Together, plain, str(path))
    by_step = any(not isinstance(each.weight, int | float) for each in parts)
    if settings.people and by_step:
        raise InputError(f"{path}: people: weights by step cannot be fitted. Leave people or the steps out.")
    trees = [each for each in parts if each.reward == TREES]
    if trees and not settings.people:
        raise InputError(f'{path}: people: {TREES} is fitted to grades. Name them, as in people = "grades.jsonl".')
    graded = _graded(settings.people) if settings.people else []
    learned, graded = _halves(graded) if trees else ([], graded)
    several = tuple(
        Part(each.name or each.reward, _grown(learned) if each in trees else reward_of(each.reward), each.weight)
        for each in parts
    )
    try:
        made = Combined(several, settings.scale, settings.missing, settings.enough)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return _fitted(made, settings, graded) if settings.people else made


def _fitted(made: Combined, settings: Together, graded: Sequence[Score]) -> Reward:
    """Return the reward with weights that fit people's grades, without the price of style, and clipped."""
    prompts, texts = [score.prompt for score in graded], [score.completion for score in graded]
    grades = [float(score.value) for score in graded if score.value is not None]
    weighed, weights = combined.fit_weights(made, prompts, texts, grades)
    _tell("weight of", weights)
    reward: Reward = weighed
    if settings.style:
        prices = residual.fit(weighed.score(prompts, texts), people=grades, names=settings.style)
        _tell("price of", prices)
        reward = residual.without_style(weighed, prices)
    return normalised.fit(reward, reward.score(prompts, texts), clip=settings.clip) if settings.clip else reward


def _graded(people: str) -> list[Score]:
    """Return the grades that people gave to texts."""
    return [
        signal
        for signal in signals_from(evidence.entries_of(people))
        if isinstance(signal, Score) and signal.value is not None and not signal.aspect
    ]


def _halves(graded: Sequence[Score]) -> tuple[list[Score], list[Score]]:
    """Return the grades that trees learn from and those that weights are fitted to: of different prompts."""
    prompts = sorted({score.prompt.id for score in graded}, key=lambda prompt: seed_of(0, TREES, prompt))
    first = set(prompts[: len(prompts) // 2])
    halves = [score for score in graded if score.prompt.id in first], [s for s in graded if s.prompt.id not in first]
    progress.say(f"reward: {TREES} learns from {len(halves[0])} grades, the weights from {len(halves[1])} others")
    return halves


def _grown(learned: Sequence[Score]) -> Reward:
    """Return trees fitted to these grades, and say what they look at."""
    made = boosted.fit(learned)
    used = [f"{name} {share:.2f}" for name, share in boosted.importance(made).items() if share > LEAST_SHARE]
    progress.say(f"reward: {TREES} looks at {', '.join(used) or 'nothing in particular'}")
    return made


def _tell(what: str, fitted: Fitted) -> None:
    for name, slope in zip(fitted.names, fitted.slopes, strict=True):
        progress.say(f"reward: {what} {name}: {slope.mean:+.3f} [{slope.low:+.3f}, {slope.high:+.3f}]")
