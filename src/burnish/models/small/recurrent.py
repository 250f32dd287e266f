"""GRU and LSTM language models: embedding -> recurrent layers -> the embedding again as output matrix.

The recurrent state takes the place of keys and values (`past_key_values`). It cannot branch inside one row, so packed
groups are run as prompts first, then completions from their prompt's state (`models.general`).
Source: Cho et al., arXiv 1406.1078 (GRU); Hochreiter & Schmidhuber 1997 (LSTM); Press & Wolf, arXiv 1608.05859 (tying).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from burnish.models.small import masked
from burnish.models.small.stateful import State, StatefulForCausalLM, embedded, mask_of, selected

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers publishes no types
    """Settings of the model, in `config.json`."""

    model_type = "burnish_recurrent"

    cell: Literal["gru", "lstm"] = "gru"
    """Kind of recurrent layer."""
    vocab_size: int = 512
    """V."""
    hidden_size: int = 64
    """Width of embeddings and of the state."""
    num_hidden_layers: int = 2
    """Recurrent layers, one on another."""
    dropout: float = 0.0
    """Share of a layer's outputs dropped before the next, in training mode alone."""
    initializer_range: float = 0.1
    """Standard deviation of fresh embeddings; the recurrent layers keep torch's own."""
    tie_word_embeddings: bool = True
    """Whether the output matrix is the embedding."""
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None


@dataclass(frozen=True)
class RecurrentState:
    """What the model remembers of B texts."""

    parts: State

    def select(self, rows: Tensor) -> RecurrentState:
        """Return the state with these rows of the batch, in this order; a row may come several times."""
        return RecurrentState(selected(self.parts, rows))


class RecurrentModel(PreTrainedModel):  # type: ignore[misc]  # transformers publishes no types
    """Tokens -> states that predict the next token."""

    config_class = RecurrentConfig
    base_model_prefix = "model"

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        layers = config.num_hidden_layers
        self.cells = CELLS[config.cell](
            config.hidden_size, config.hidden_size, layers, batch_first=True,
            dropout=config.dropout if layers > 1 else 0.0,  # torch warns: a last layer has no next
        )  # fmt: skip
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: RecurrentState | None = None,
        shift: Tensor | None = None,
        **unused: Any,  # a state knows where it stands: it takes no position ids
    ) -> BaseModelOutputWithPast:
        """Return states (B, T, H); attention_mask: 1 = token, (B, T) or (B, past + T); shift: added to embeddings."""
        state = None if past_key_values is None else past_key_values.parts
        inputs = embedded(self.embed_tokens, input_ids, shift)
        states, after = masked.run(self.cells, inputs, mask_of(input_ids, attention_mask), state)
        return BaseModelOutputWithPast(last_hidden_state=states, past_key_values=RecurrentState(after))


class RecurrentForCausalLM(StatefulForCausalLM):
    """The same with an output matrix."""

    config_class = RecurrentConfig
    backbone = RecurrentModel
