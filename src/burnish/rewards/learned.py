"""The rating that a trained reward model predicts people would give: mean of its heads, with their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from burnish.records import Completion, Prompt, Reward, Score


class Predictor(Protocol):
    """A network that gives K values for each text (`models.reward_model.RewardModel`)."""

    def predict(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> Tensor: ...


class AskedOnce:
    """`Reward` that answers from memory when the same texts are asked about twice in a row."""

    def __init__(self, inner: Reward) -> None:
        self.inner = inner
        self._last: tuple[list[Prompt], list[Completion], list[Score]] | None = None

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the inner reward's scores."""
        if self._last is None or self._last[:2] != (list(prompts), list(completions)):
            self._last = (list(prompts), list(completions), self.inner.score(prompts, completions))
        return list(self._last[2])


@dataclass(frozen=True)
class LearnedRating:
    """`Reward` by a reward model, on the scale of people's ratings."""

    model: Predictor
    source: str
    """Checkpoint id of the model."""
    slope: float = 1.0
    """Calibration, fitted on texts that trained nothing: rating = slope * reward + offset."""
    offset: float = 0.0
    floor: float = 0.0
    """Variance of a rating = floor + factor * variance of the heads', fitted likewise: the heads alone are too sure."""
    factor: float = 1.0

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the predicted rating of each completion; an empty completion is not scored."""
        spoken = [i for i, completion in enumerate(completions) if completion.text.strip()]
        texts, asked = [completions[i].text for i in spoken], [prompts[i].text for i in spoken]
        found = dict(zip(spoken, self.model.predict(texts, asked), strict=True)) if spoken else {}
        return [self._score(p, c, found.get(i)) for i, (p, c) in enumerate(zip(prompts, completions, strict=True))]

    def _score(self, prompt: Prompt, completion: Completion, values: Tensor | None) -> Score:
        if values is None:
            return Score(prompt, completion, None, source=self.source, reason="the completion is empty")
        members = tuple(self.slope * float(value) + self.offset for value in values)
        mean = sum(members) / len(members)
        spread = sum((value - mean) ** 2 for value in members) / max(len(members) - 1, 1)
        variance = self.floor + self.factor * spread
        reason = f"rated {mean:+.2f} ± {math.sqrt(variance):.2f} by {len(members)} heads"
        return Score(prompt, completion, mean, variance=variance, members=members, source=self.source, reason=reason)
