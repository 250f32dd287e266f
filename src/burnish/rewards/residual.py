"""A reward without what it pays for length and style: r' = r - sum of b_f (f(text) - mean of f).

The slopes b come from texts whose quality is known otherwise: with people's grades, from the regression of what the
reward gives *beyond* them on the features (a reward that likes length as much as people do keeps that); without grades,
from the regression of the reward itself, which takes away what people like in length too. Each slope comes with its
interval, by bootstrap over prompts; one that does not exclude 0 is left out unless it is asked for.
Source: style control as covariates, Chatbot Arena 2024; length control, Dubois et al. 2024, arXiv 2404.04475.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from burnish.errors import InputError
from burnish.maths.linear import Fitted, fit_linear
from burnish.records import Completion, Prompt, Reward, Score
from burnish.rewards.parts.style import FEATURES, LENGTH, style
from burnish.rewards.parts.units import unit_of


@dataclass(frozen=True)
class Residual:
    """`Reward` that takes the price of style out of another's."""

    inner: Reward
    names: tuple[str, ...]
    slopes: tuple[float, ...]
    """Reward units for one unit of each feature."""
    means: tuple[float, ...]
    """A text with these features keeps its reward."""

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the inner scores less what their texts' style was paid; unscored stays unscored."""
        features_NF = style([completion.text for completion in completions], self.names)
        paid_N = (features_NF - np.array(self.means)) @ np.array(self.slopes)
        return [self._one(*each) for each in zip(self.inner.score(prompts, completions), paid_N.tolist(), strict=True)]

    def _one(self, score: Score, paid: float) -> Score:
        if score.value is None:
            return score
        reason = f"{score.reason}; {paid:+.3f} for style taken out".removeprefix("; ")
        members = tuple(value - paid for value in score.members)
        return replace(score, value=score.value - paid, members=members, reason=reason)


def fit(
    scores: Sequence[Score],
    *,
    people: Sequence[float] | None = None,
    names: Sequence[str] = LENGTH,
    keep_all: bool = False,
    seed: int = 0,
) -> Fitted:
    """Return what a reward pays for each feature of style, with intervals, from scored texts of known quality.

    `people`: their grades of the same texts, in any unit. `names`: features of `parts.style`. `keep_all`: also slopes
    whose interval holds 0. Unscored texts are passed over. Raises InputError for too few texts.
    """
    if unknown := sorted(set(names) - set(FEATURES)):
        raise InputError(f"residual: no feature {unknown[0]!r}. There are: {', '.join(FEATURES)}.")
    known = [i for i, score in enumerate(scores) if score.value is not None]
    values = np.array([scores[i].value for i in known], dtype=np.float64)
    features = style([scores[i].completion.text for i in known], names)
    columns, labels = features, list(names)
    if people is not None:  # a column of its own: the grades' unit does not matter then
        columns = np.column_stack([features, np.asarray(people, dtype=np.float64)[known]])
        labels.append("people")
    found = fit_linear(
        columns, values, labels, clusters=[unit_of(scores[i].prompt, scores[i].completion) for i in known], seed=seed
    )
    return found.only([name for name in names if keep_all or found.interval(name).excludes_zero])


def without_style(inner: Reward, fitted: Fitted) -> Residual:
    """Return the reward without what `fit` found it to pay."""
    return Residual(inner, fitted.names, tuple(i.mean for i in fitted.slopes), fitted.means)
