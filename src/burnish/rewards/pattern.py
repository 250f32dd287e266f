"""1 where a text holds a pattern, else 0: a rule in one line. `pattern:^\\{.*\\}$` asks for braces around everything.

A regular expression of Python, with `.` for line ends too; written with a leading `!` the pattern must not occur.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Reward, Score, Span


def make(spec: str = "") -> Reward:
    """Return the reward `pattern:REGEX` or `pattern:!REGEX`."""
    text = spec.removeprefix("!")
    if not text:
        raise InputError("reward pattern: no pattern. Write pattern:REGEX, or pattern:!REGEX for what must not occur.")
    try:
        found = re.compile(text, re.DOTALL)
    except re.error as error:
        raise InputError(f"reward pattern: {text!r} is no regular expression ({error}).") from None
    return Pattern(found, wanted=not spec.startswith("!"))


@dataclass(frozen=True)
class Pattern:
    """`Reward` of 0 or 1."""

    pattern: re.Pattern[str]
    wanted: bool = True

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return 1 for each completion that keeps the rule."""
        return [self._one(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]

    def _one(self, prompt: Prompt, completion: Completion) -> Score:
        found = self.pattern.search(completion.text)
        spans = () if found is None else (Span(found.start(), found.end(), "pattern"),)
        reason = "the pattern does not occur" if found is None else f"{found[0][:60]!r} occurs"
        kept = (found is not None) == self.wanted
        return Score(prompt, completion, float(kept), source="pattern", reason=reason, spans=spans)
