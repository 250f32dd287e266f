"""The texts of one question, masked, disarmed and fenced together under one mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.judges.asking.asker import Asker
from burnish.judges.asking.fence import disarm, fenced, mark_of
from burnish.records import Prompt


@dataclass(frozen=True, slots=True)
class Fenced:
    """Texts as a question shows them."""

    mark: str
    blocks: tuple[str, ...]
    """The request first (empty where nothing was asked), then one for each text."""
    shown: tuple[str, ...]
    """The texts between the fences: what quotes are checked against."""
    attempts: tuple[str, ...]
    """What was found in the judged texts (`fence.Disarmed.attempts`)."""


def together(asker: Asker, prompt: Prompt, texts: Sequence[str], labels: Sequence[str]) -> Fenced:
    """Return the request and the texts, each fenced under its label, personal data masked alike in all of them."""
    asked = "\n".join(f"{message.role}: {message.content}" for message in prompt.messages)
    if len(prompt.messages) == 1:
        asked = prompt.text
    request, *others = [disarm(text) for text in asker.masked([asked, *texts])]
    mark = mark_of([request.text, *(each.text for each in others)])
    blocks = [fenced(request.text, "the request", mark) if asked.strip() else ""]
    blocks += [fenced(each.text, label, mark) for each, label in zip(others, labels, strict=True)]
    attempts = tuple(dict.fromkeys(attempt for each in others for attempt in each.attempts))
    return Fenced(mark, tuple(blocks), tuple(each.text for each in others), attempts)
