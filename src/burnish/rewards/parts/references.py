"""A completion against the best of its prompt's references: what every metric of likeness is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Score, Span


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like a text is to one reference."""

    value: float
    """In [0, 1]; 1 is the same."""
    reason: str = ""
    spans: tuple[Span, ...] = ()
    """Parts of the completion that the reference has too."""


Measure = Callable[[str, str], Likeness]


@dataclass(frozen=True)
class AgainstReferences:
    """`Reward` by a measure of likeness; the reference it is likest to counts."""

    measure: Measure
    source: str

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the likeness of each completion; a prompt without a reference is not scored."""
        return [self._one(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]

    def _one(self, prompt: Prompt, completion: Completion) -> Score:
        references = references_of(prompt)
        if not references:
            return Score(prompt, completion, None, source=self.source, reason="the prompt has no reference")
        best = max(
            (self.measure(completion.text, reference) for reference in references), key=lambda found: found.value
        )
        return Score(prompt, completion, best.value, source=self.source, reason=best.reason, spans=best.spans)


def references_of(prompt: Prompt) -> list[str]:
    """Return the known good answers of a prompt: its reference and `metadata["references"]`."""
    more = prompt.metadata.get("references", ())
    if isinstance(more, str):
        raise InputError(f"prompt {prompt.id}: metadata.references is one text. Write a list of texts.")
    return [text for text in (prompt.reference, *more) if text]


def no_spec(name: str, spec: str) -> None:
    """Raise InputError where a reward that takes no spec was given one."""
    if spec:
        raise InputError(f"reward {name}: takes nothing after a colon, not {spec!r}. Write {name}.")
