"""How near a text's meaning is to a reference's: the cosine of their embeddings (`similarity:minilm`).

In [-1, 1]. Embeddings blur negation ("not good" lies near "good") and reward copying the question; put a metric of
words beside them (`combined`). An empty completion is not scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from burnish.errors import InputError
from burnish.records import Completion, Prompt, Reward, Score
from burnish.rewards.parts.references import references_of

Embed = Callable[[Sequence[str]], ArrayLike]
"""Texts in, one vector for each out: shape (N, D)."""


def make(spec: str = "") -> Reward:
    """Return the reward `similarity:MODEL`: minilm, or the folder of another model that embeds texts."""
    if not spec:
        raise InputError("reward similarity: no model. Write similarity:minilm, or similarity:FOLDER.")
    from burnish import corpora
    from burnish.models.text_encoder import Embedder

    return Similarity(Embedder(corpora.resolve(spec)), source=f"similarity:{spec}")


@dataclass(frozen=True)
class Similarity:
    """`Reward` by embeddings; the nearest reference counts."""

    embed: Embed
    source: str = "similarity"

    def score(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the cosine with the nearest reference; all texts are embedded in one call."""
        references = [references_of(prompt) for prompt in prompts]
        texts = [completion.text for completion in completions] + [text for each in references for text in each]
        vectors_ND = np.asarray(self.embed(texts), dtype=np.float64) if texts else np.zeros((0, 1))
        if vectors_ND.shape[:1] != (len(texts),):
            raise InputError(f"reward {self.source}: {vectors_ND.shape} vectors for {len(texts)} texts.")
        with np.errstate(invalid="ignore"):
            vectors_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
        made, at = [], len(completions)
        for place, (prompt, completion, known) in enumerate(zip(prompts, completions, references, strict=True)):
            cosines = vectors_ND[at : at + len(known)] @ vectors_ND[place]
            made.append(self._one(prompt, completion, known, cosines.tolist()))
            at += len(known)
        return made

    def _one(self, prompt: Prompt, completion: Completion, known: Sequence[str], cosines: Sequence[float]) -> Score:
        why = "" if known else "the prompt has no reference"
        if not completion.text.strip():
            why = "the completion is empty"
        usable = [(cosine, text) for cosine, text in zip(cosines, known, strict=True) if np.isfinite(cosine)]
        if why or not usable:
            return Score(prompt, completion, None, source=self.source, reason=why or "no direction in its embedding")
        best, nearest = max(usable)
        return Score(prompt, completion, best, source=self.source, reason=f"nearest to {nearest[:60]!r}")
