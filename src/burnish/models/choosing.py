"""Log-probabilities of answers that were not drawn, from a model in this process: a judge's doubt in one pass."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch

from burnish.models.answering import Choice
from burnish.models.policy import Policy
from burnish.models.sampler import EngineSampler
from burnish.records import Completion, Prompt

PROMPTS_AT_ONCE = 8
"""Questions packed together: the widest intermediate is (tokens of all answers, vocabulary)."""


class EngineChooser(EngineSampler):
    """`EngineSampler` that also says how likely each option is as the whole answer.

    log P(option) = sum of the log-probs of its tokens and of the end token after them, so that options of several
    tokens ("10" beside "1") are compared rightly.
    """

    tells_logprobs = True

    def __init__(self, policy: Policy, *, adapter: bool = True, name: str = "") -> None:
        super().__init__(policy, adapter=adapter)
        self.name = name or policy.name

    @torch.no_grad()
    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> list[Choice]:
        """Return for each prompt {option: log-prob}, at temperature 1, not normalised over the options."""
        end = min(self.policy.end_ids)
        tokens = [(*self.policy.tokenizer.encode(option, add_special_tokens=False), end) for option in options]
        found: list[Choice] = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            some = prompts[start : start + PROMPTS_AT_ONCE]
            groups = [
                [Completion(prompt.id, option, token_ids=ids) for option, ids in zip(options, tokens, strict=True)]
                for prompt in some
            ]
            rows = self.policy.pack(some, groups)
            with contextlib.nullcontext() if self.adapter else self.policy.adapter_off():
                logprobs = self.policy.statistics(rows, temperature=1.0, reference=False).logprobs
            sums = iter([float(part.sum()) for part in torch.split(logprobs.cpu(), rows.lengths_B)])
            found += [{option: next(sums) for option in options} for _ in some]
        return found
