"""Texts read by a model that is used as it is: embedded (MiniLM and its like), or told which label they have.

Both are folders in Hugging Face layout, read from safetensors alone. Neither is trained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from burnish.errors import InputError
from burnish.models.reward_model import by_length

ROWS = 64
MAX_TOKENS = 256
"""Longer texts are cut: what MiniLM was trained on; models with less room are cut to theirs."""


class Embedder:
    """Texts in, one vector for each out, (N, D): the mean of the last states (Sentence-BERT, arXiv 1908.10084)."""

    def __init__(self, folder: Path) -> None:
        self.reader = _Reader(folder, AutoModel)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return self.reader.read(texts, _mean_state)


class TextClassifier:
    """Texts in, {label: probability} for each out, by a model with one score for each label."""

    def __init__(self, folder: Path) -> None:
        self.reader = _Reader(folder, AutoModelForSequenceClassification)
        known = self.reader.model.config.id2label
        self.labels = [str(known[place]) for place in range(len(known))]
        if len(self.labels) < 2:
            raise InputError(f"classifier: {folder} gives one number ({self.labels}), no labels to choose from.")

    def __call__(self, texts: Sequence[str]) -> list[dict[str, float]]:
        found = self.reader.read(texts, lambda output, mask: output.logits.float().softmax(-1))
        return [dict(zip(self.labels, row.tolist(), strict=True)) for row in found]


class _Reader:
    """A model and its tokenizer; reads texts of like length together."""

    def __init__(self, folder: Path, kind: Any) -> None:
        try:
            self.model: Any = kind.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder}: no text model in Hugging Face layout with safetensors ({error}).") from None
        self.most = min(MAX_TOKENS, int(getattr(self.model.config, "max_position_embeddings", MAX_TOKENS)))

    @torch.inference_mode()
    def read(self, texts: Sequence[str], answer: Any) -> NDArray[np.float64]:
        """Return `answer(output, mask)` of each text, in their order."""
        encoded = [self.tokenizer(text, truncation=True, max_length=self.most)["input_ids"] or [0] for text in texts]
        rows: list[NDArray[np.float64]] = [np.empty(0)] * len(encoded)
        for part in by_length(encoded, ROWS):
            ids = [torch.tensor(encoded[i]) for i in part]
            padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=self._padding)
            mask = torch.arange(padded.shape[1])[None] < torch.tensor([len(each) for each in ids])[:, None]
            found: Tensor = answer(self.model(input_ids=padded, attention_mask=mask.long()), mask)
            for i, row in zip(part, found.double().numpy(), strict=True):
                rows[i] = row
        return np.stack(rows) if rows else np.zeros((0, 1))

    @property
    def _padding(self) -> int:
        """The token by which a causal classifier finds a text's end is its model's own."""
        found = self.model.config.pad_token_id
        return int(found if found is not None else self.tokenizer.pad_token_id or 0)


def _mean_state(output: Any, mask: Tensor) -> Tensor:
    held: Tensor = output.last_hidden_state.float() * mask[..., None]
    return held.sum(1) / mask.sum(1, keepdim=True)
