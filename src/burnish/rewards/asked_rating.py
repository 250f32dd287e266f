"""How well a text says the opinion it was asked for: -|predicted rating - asked rating|, made careful about its doubt.

A prompt that asks for nothing (`metadata["asked"]` absent) is scored by the predicted rating itself: higher is better.
Each head of the ensemble gives its own value v_k; they become one number by `uncertainty`:
    mean       mean_k v_k
    worst      min_k v_k                        (WCO, Coste et al. 2023, arXiv 2310.02743, equation 2)
    variance   mean_k v_k - penalty * var_k v_k (UWO, equation 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from burnish.records import Completion, Prompt, Reward, Score

Uncertainty = Literal["mean", "worst", "variance"]


def conservative(members: Sequence[float], uncertainty: Uncertainty, penalty: float) -> float:
    """Return one number for the K members' values; see the module's formulas."""
    if uncertainty == "worst":
        return min(members)
    doubt = penalty * variance(members) if uncertainty == "variance" else 0.0
    return sum(members) / len(members) - doubt


def variance(members: Sequence[float]) -> float:
    """Return the variance of the K members' values, with Bessel's correction; 0 for one member."""
    mean = sum(members) / len(members)
    return sum((value - mean) ** 2 for value in members) / max(len(members) - 1, 1)


@dataclass(frozen=True)
class AskedRating:
    """`Reward` on top of one that predicts ratings."""

    rating: Reward
    uncertainty: Uncertainty = "variance"
    penalty: float = 0.5
    """Weight of the variance, per rating unit."""
    heeds: bool = True
    """Whether an asked rating is heeded; False scores every prompt by the predicted rating itself."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the reward of each completion; `reason` names the rating behind it."""
        return [self._one(score) for score in self.rating.score(prompts, completions)]

    def _one(self, rating: Score) -> Score:
        if rating.value is None:
            return rating
        asked = rating.prompt.metadata.get("asked") if self.heeds else None
        rated = rating.members or (rating.value,)  # a source that is one number is an ensemble of one
        members = rated if asked is None else tuple(-abs(value - asked) for value in rated)
        value = conservative(members, self.uncertainty, self.penalty)
        reason = f"rated {rating.value:+.2f}" + ("" if asked is None else f", asked {asked:+.2f}")
        # nearness moves at most as far as the rating does, so the rating's stated variance bounds its own
        return replace(rating, value=value, members=members, reason=reason)
