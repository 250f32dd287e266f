"""A `Sampler` in front of one on another machine: personal data stays here, and stands again in what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from burnish.feedback.masking import Masker
from burnish.feedback.masking.rules import PLACEHOLDER
from burnish.models.answering import name_of
from burnish.records import Completion, Message, Prompt, Sampler, Sampling


class Masked:
    """Asks with placeholders in the place of personal data, and puts the values back into the completions.

    Only the prompt's own values are put back: a placeholder that a model makes up, or knows of another prompt, stays.
    """

    def __init__(self, inner: Sampler, masker: Masker) -> None:
        self.inner = inner
        self.masker = masker
        self.name = name_of(inner)

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, n: int = 1, seed: int = 0, run: str = "", round: int = 0
    ) -> list[list[Completion]]:
        """Return n completions for each prompt; one that was changed has no token ids and log-probs: it is no rollout.

        Nothing but the messages of a prompt is handed on.
        """
        sent, known = zip(*map(self._out, prompts), strict=True) if prompts else ((), ())
        groups = self.inner.sample(list(sent), sampling, n=n, seed=seed, run=run, round=round)
        return [
            [_back(each, prompt, values) for each in group]
            for group, prompt, values in zip(groups, prompts, known, strict=True)
        ]

    def _out(self, prompt: Prompt) -> tuple[Prompt, dict[str, str]]:
        """Return a prompt as it may leave, and what its placeholders stand for."""
        messages: list[Message] = []
        known: dict[str, str] = {}
        for message in prompt.messages:
            masked = self.masker.located(message.content, prompt.id, "prompt")
            messages.append(Message(message.role, masked.text))
            for placeholder, found in zip(masked.placeholders, masked.findings, strict=True):
                known.setdefault(placeholder, message.content[found.start : found.end])
        return Prompt(tuple(messages)), known


def _back(completion: Completion, prompt: Prompt, known: Mapping[str, str]) -> Completion:
    """Return a completion of the prompt as it was asked here."""
    text = PLACEHOLDER.sub(lambda match: known.get(match[0], match[0]), completion.text)
    if text == completion.text:
        return replace(completion, prompt_id=prompt.id)
    return replace(completion, prompt_id=prompt.id, text=text, token_ids=None, logprobs=None)
