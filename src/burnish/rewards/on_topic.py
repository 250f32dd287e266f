"""Whether a text is about the thing its prompt names, and what it costs when it is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.records import Completion, Prompt, Reward, Score


def is_on_topic(prompt: Prompt, text: str) -> bool | None:
    """Return whether any of `metadata["words"]` stands in the text, or its plural; None when there are none.

    A word inside another ("lamp" in "clamp") does not count; capital letters make no difference.
    """
    words = prompt.metadata.get("words")
    if not words:
        return None
    pattern = r"(?<!\w)(?:" + "|".join(map(_forms, words)) + r")(?!\w)"
    return re.search(pattern, text, re.IGNORECASE) is not None


def _forms(word: str) -> str:
    """Return a pattern of the word and its plural."""
    ending = re.fullmatch(r"(.*[^aeiou])y", word, re.IGNORECASE)
    return f"{re.escape(ending[1])}(?:y|ies)" if ending else f"{re.escape(word)}(?:s|es)?"


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
        members = tuple(value - self.penalty for value in score.members)
        reason = f"{score.reason}; not about the thing named".removeprefix("; ")
        return replace(score, value=score.value - self.penalty, members=members, reason=reason)
