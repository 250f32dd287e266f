"""Whether a text is about the thing its prompt names, and what it costs when it is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.records import Completion, Prompt, Reward, Score


def is_on_topic(prompt: Prompt, text: str) -> bool | None:
    """Return whether any of `metadata["words"]` stands in the text (or its plural); None when there are none."""
    words = prompt.metadata.get("words")
    if not words:
        return None
    pattern = r"\b(?:" + "|".join(re.escape(word) for word in words) + r")(?:s|es)?\b"
    return re.search(pattern, text.lower()) is not None


@dataclass(frozen=True)
class StaysOnTopic:
    """`Reward` that takes `penalty` from another's score when the text is not about the named thing."""

    inner: Reward
    penalty: float = 0.5

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the inner scores, lowered where the text strays; unscored stays unscored."""
        return [self._one(score) for score in self.inner.score(prompts, completions)]

    def _one(self, score: Score) -> Score:
        if score.value is None or is_on_topic(score.prompt, score.completion.text) is not False:
            return score
        return replace(score, value=score.value - self.penalty, reason=f"{score.reason}; not about the thing named")
