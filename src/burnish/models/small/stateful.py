"""What the recurrent models share: a past that is a state, embeddings that may be shifted, an output matrix."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

State = tuple[Tensor, ...]
"""GRU: (hidden,); LSTM: (hidden, cell); each (layers, B, H)."""


class StatefulForCausalLM(PreTrainedModel, GenerationMixin):  # type: ignore[misc]  # transformers publishes no types
    """A backbone with an output matrix; the two kinds differ in their backbone and its config alone."""

    base_model_prefix = "model"
    backbone: ClassVar[type[Any]]
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012  # as transformers wants it
    packs = False
    """A row cannot hold several completions of one prompt: a state does not branch within a row."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor, **more: Any) -> CausalLMOutputWithPast:
        """Return logits, (B, T, V), and the state; takes what the backbone takes."""
        found = self.model(input_ids, **more)
        logits = self.lm_head(found.last_hidden_state)
        return CausalLMOutputWithPast(logits=logits, past_key_values=found.past_key_values)


def selected(parts: State, rows: Tensor) -> State:
    """Return the state with these rows of the batch, in this order; a row may come several times."""
    return tuple(part[:, rows] for part in parts)


def embedded(embedding: nn.Embedding, input_ids: Tensor, shift_BTH: Tensor | None) -> Tensor:
    """Return the tokens' embeddings (B, T, H), and what is to be added to them added."""
    found: Tensor = embedding(input_ids)
    return found if shift_BTH is None else found + shift_BTH.to(found.dtype)


def mask_of(input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Return bool (B, T): which of these places are tokens. attention_mask: 1 = token, (B, T) or (B, past + T)."""
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    return attention_mask[:, -input_ids.shape[1] :].bool()
