"""A source of ratings that says what it is told to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from burnish.records import Completion, Prompt, Score


@dataclass(frozen=True)
class Told:
    """`Reward` that looks the members up by the completion's text; an unknown text is not scored."""

    members: dict[str, tuple[float, ...]]

    def score(self, prompts, completions):
        return [self._one(p, c) for p, c in zip(prompts, completions, strict=True)]

    def _one(self, prompt: Prompt, completion: Completion) -> Score:
        values = self.members.get(completion.text)
        if values is None:
            return Score(prompt, completion, None, source="told", reason="nobody knows")
        return Score(prompt, completion, sum(values) / len(values), variance=0.25, members=values, source="told")


@pytest.fixture
def told():
    return Told


@pytest.fixture
def scored():
    """Score (prompt metadata, text) pairs with a reward, in order."""

    def score(reward, *pairs):
        prompts = [Prompt.of(f"p{i}", metadata=metadata) for i, (metadata, _) in enumerate(pairs)]
        completions = [Completion(p.id, text) for p, (_, text) in zip(prompts, pairs, strict=True)]
        found = reward.score(prompts, completions)
        assert [s.completion for s in found] == completions
        assert [s.prompt for s in found] == prompts
        return found

    return score
