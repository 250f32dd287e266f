"""What is resampled together when a reward is fitted: never texts that share a prompt, one by one."""

from __future__ import annotations

from burnish.records import Completion, Prompt


def unit_of(prompt: Prompt, completion: Completion) -> str:
    """Return the unit a text belongs to: its prompt, or itself where nothing was asked (raw texts share one prompt)."""
    return prompt.id if prompt.messages else completion.id
