"""What a person wrote as it may be stored, in a studio that masks (`burnish studio --mask`).

Masked is every text of an answer, a draft, a note, but for what anybody sees who looks at the item: words that the
study offers, and values that stand in the item's own texts. A correction keeps those, so that it differs from its
completion only where the person changed it; who wants them masked too masks the items when they are brought in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish.feedback.masking import Masker
from burnish.feedback.masking.rules import PLACEHOLDER
from burnish.store.held import Held
from burnish.studio.context import Studio
from burnish.studio.study import Study


def storable(studio: Studio, held: Held, study: Study, said: Any) -> Any:
    """Return what was said, its texts masked where the studio masks; a JSON value of the same shape."""
    settings = studio.settings
    if not settings.mask_key:
        return said
    prompt, completions = studio.store.texts(held.prompt_id, held.shown_ids)
    shown = [message.content for message in (prompt.messages if prompt else ())]
    shown += [completion.text for completion in completions if completion]
    masker = Masker(settings.mask_key, engines=settings.mask_engines)
    return _Masked(masker, held.prompt_id, _own_words(study), "\n".join(shown)).value(said)


def _own_words(study: Study) -> frozenset[str]:
    """Return the names that a study offers to choose from: an answer with another one would be refused."""
    return frozenset(
        word
        for question in study.questions
        for word in (*question.labels, *question.severities, *(name for name, _ in question.criteria))
    )


@dataclass(frozen=True, slots=True)
class _Masked:
    masker: Masker
    scope: str
    """The prompt's id, as in an import: one value has one placeholder in all that is said about a prompt."""
    own: frozenset[str]
    shown: str

    def value(self, said: Any) -> Any:
        if isinstance(said, str):
            return said if said in self.own else self._text(said)
        if isinstance(said, Mapping):
            return {name: self.value(each) for name, each in said.items()}
        if isinstance(said, list):
            return [self.value(each) for each in said]
        return said

    def _text(self, said: str) -> str:
        masked = self.masker.located(said, self.scope, "words")
        values = [said[found.start : found.end] for found in masked.findings]
        kept = {name: value for name, value in zip(masked.placeholders, values, strict=True) if value in self.shown}
        return PLACEHOLDER.sub(lambda match: kept.get(match[0], match[0]), masked.text) if kept else masked.text
