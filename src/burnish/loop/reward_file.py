"""Several rewards as one, written down in a TOML file: `burnish train grpo --reward reward.toml`.

    scale = "group"                  # "none", "fixed" or "group": how parts are brought to one size
    people = "grades.jsonl"          # fit the weights to these people's grades, one size for all parts
    style = ["log words"]            # take out what the whole pays for length, beyond what these people pay

    [[part]]
    reward = "runs/reviews-0/checkpoints/reward-0"
    weight = 1.0
    [[part]]
    name = "brief"
    reward = "length:20-60"
    weight = [[0, 0.0], [100, 0.5]]  # by step of training: straight lines between these points

With grades the weights that are written do not count, the fitted ones do: grade units for one standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from burnish import config, progress
from burnish.errors import InputError
from burnish.feedback.signals import signals_from
from burnish.loop import evidence
from burnish.maths.linear import Fitted
from burnish.records import Completion, Prompt, Reward, Score
from burnish.rewards import combined, residual
from burnish.rewards.combined import Combined, Part


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

    def __post_init__(self) -> None:
        needs = "style" if self.style else 'scale = "fixed"' if self.scale == "fixed" else ""
        if needs and not self.people:
            raise InputError(f'people: {needs} is fitted to grades. Name them, as in people = "grades.jsonl".')


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
    several = tuple(Part(each.name or each.reward, reward_of(each.reward), each.weight) for each in parts)
    try:
        made = Combined(several, settings.scale, settings.missing, settings.enough)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return _fitted(made, settings) if settings.people else made


def _fitted(made: Combined, settings: Together) -> Reward:
    """Return the reward with weights that fit people's grades, and without the price of style."""
    prompts, texts, grades = _graded(settings.people)
    weighed, weights = combined.fit_weights(made, prompts, texts, grades)
    _tell("weight of", weights)
    if not settings.style:
        return weighed
    prices = residual.fit(weighed.score(prompts, texts), people=grades, names=settings.style)
    _tell("price of", prices)
    return residual.without_style(weighed, prices)


def _graded(people: str) -> tuple[list[Prompt], list[Completion], list[float]]:
    """Return texts with the grades that people gave them."""
    scores = [
        signal
        for signal in signals_from(evidence.entries_of(people))
        if isinstance(signal, Score) and signal.value is not None and not signal.aspect
    ]
    grades = [float(score.value) for score in scores if score.value is not None]
    return [score.prompt for score in scores], [score.completion for score in scores], grades


def _tell(what: str, fitted: Fitted) -> None:
    for name, slope in zip(fitted.names, fitted.slopes, strict=True):
        progress.say(f"reward: {what} {name}: {slope.mean:+.3f} [{slope.low:+.3f}, {slope.high:+.3f}]")
