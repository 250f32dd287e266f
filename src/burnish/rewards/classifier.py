"""How much a classifier takes a text for what is wanted: its log-odds, or its probability (`classifier:LABEL@FOLDER`).

Any classifier will do that gives a probability for each label: a fine-tuned encoder, a logistic regression, a safety
model. Log-odds keep telling texts apart where probabilities are all 0.99; `limit` bounds them, because a classifier is
not sure beyond what it was trained on, and a policy finds the texts on which it only seems so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from burnish.errors import InputError, nearest
from burnish.records import Completion, Prompt, Reward, Score

Classify = Callable[[Sequence[str]], Sequence[Mapping[str, float] | None]]
"""Texts in, for each {label: probability} out; None where it could not tell."""


def make(spec: str = "") -> Reward:
    """Return the reward `classifier:LABEL@MODEL`: a folder in Hugging Face layout with a label for each score."""
    label, _, model = spec.partition("@")
    if not label or not model:
        raise InputError(f"reward classifier: {spec!r} names no classifier. Write classifier:LABEL@FOLDER.")
    from burnish import corpora
    from burnish.models.text_encoder import TextClassifier

    classify = TextClassifier(corpora.resolve(model))
    if label not in classify.labels:
        raise InputError(f"reward classifier: {model} has no label {label!r}.{nearest(label, classify.labels)}")
    return Classifier(classify, label, source=f"classifier:{label}")


@dataclass(frozen=True)
class Classifier:
    """`Reward` by a classifier."""

    classify: Classify
    label: str
    """What is wanted; a prompt may want its own: `metadata["label"]`."""
    source: str = "classifier"
    unit: Literal["log-odds", "probability"] = "log-odds"
    limit: float = 6.0
    """Log-odds are kept within plus and minus this: 6 is 0.9975."""

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise InputError(f"reward classifier: limit {self.limit} is not above 0. Use 6.")

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the reward of each completion; an unclassified text is not scored."""
        found = self.classify([completion.text for completion in completions])
        return [self._one(*each) for each in zip(prompts, completions, found, strict=True)]

    def _one(self, prompt: Prompt, completion: Completion, found: Mapping[str, float] | None) -> Score:
        wanted = str(prompt.metadata.get("label", self.label))
        if found is None:
            return Score(prompt, completion, None, source=self.source, reason="the classifier could not tell")
        if wanted not in found:
            raise InputError(f"reward {self.source}: no label {wanted!r}. It knows: {', '.join(sorted(found))}.")
        chance = float(found[wanted])
        if not 0 <= chance <= 1:  # NaN too
            return Score(prompt, completion, None, source=self.source, reason=f"{chance} is no probability")
        likeliest = max(found, key=lambda label: found[label])
        reason = f"P({wanted}) = {chance:.3f}" + ("" if likeliest == wanted else f", likeliest {likeliest}")
        value = chance if self.unit == "probability" else self._log_odds(chance)
        return Score(prompt, completion, value, source=self.source, reason=reason)

    def _log_odds(self, chance: float) -> float:
        if chance in (0.0, 1.0):
            return self.limit if chance else -self.limit
        return min(self.limit, max(-self.limit, math.log(chance) - math.log1p(-chance)))
