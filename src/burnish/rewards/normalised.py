"""A reward on a scale of its own: (r - mean) / std, clipped. The mean and spread are fitted once and then stand still.

A running mean would make one text's reward depend on when it was scored, and a policy that gets better would see its
reward stay where it is. For advantages within a group use the method's own normalisation (`grpo.scale`); to bring
several rewards to one size before they are added, this or `combined`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Reward, Score
from burnish.rewards.parts.token_rewards import scaled_by


@dataclass(frozen=True)
class Normalised:
    """`Reward` brought to mean 0 and spread 1 on the texts it was fitted on, kept within plus and minus `clip`."""

    inner: Reward
    mean: float = 0.0
    std: float = 1.0
    clip: float = 5.0

    def __post_init__(self) -> None:
        if not (self.std > 0 and self.clip > 0):
            raise InputError(f"reward normalised: std {self.std} and clip {self.clip} must be above 0.")

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the inner scores on the new scale; unscored stays unscored."""
        return [self._one(score) for score in self.inner.score(prompts, completions)]

    def _one(self, score: Score) -> Score:
        if score.value is None:
            return score
        value = (score.value - self.mean) / self.std
        kept = min(self.clip, max(-self.clip, value))
        clipped = f"clipped from {value:+.2f}" if kept != value else ""
        return replace(
            score,
            value=kept,
            variance=None if score.variance is None else score.variance / self.std**2,
            members=tuple((member - self.mean) / self.std for member in score.members),
            token_rewards=scaled_by(1 / self.std, score),  # the mean, and what is clipped, are taken off the end
            reason="; ".join(filter(None, (score.reason, clipped))),
        )


def fit(inner: Reward, scores: Sequence[Score], *, clip: float = 5.0) -> Normalised:
    """Return the reward brought to mean 0 and spread 1 on its own scores of some texts; the unscored are passed over.

    Raises InputError for fewer than two different values: they have no spread.
    """
    values = [score.value for score in scores if score.value is not None]
    spread = stdev(values) if len(values) > 1 else 0.0
    if spread == 0:
        raise InputError(f"reward normalised: {len(values)} scores without spread. Fit on texts of different quality.")
    return Normalised(inner, fmean(values), spread, clip)
