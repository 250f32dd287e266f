"""An encoder-decoder: a bidirectional GRU reads the prompt, a GRU that attends to what was read writes the completion.

It is called as a causal model is: without a past, `input_ids` are prompts, and what comes back is the one state that
predicts the first token of the completion; with a past, they are tokens of the completion.

In training mode each input of the decoder is the true token with probability `teacher_forcing`, else a token drawn from
the decoder's own prediction (scheduled sampling). Log-probs of given completions are those of evaluation mode, which
every policy is in: there the inputs are always the true tokens.

Source: Luong et al., arXiv 1508.04025, eq. 5 and the "general" score of eq. 8; Bengio et al., arXiv 1506.03099, §2.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from burnish.errors import InputError
from burnish.models.small import masked
from burnish.models.small.stateful import State, StatefulForCausalLM, embedded, mask_of, selected


class EncoderDecoderConfig(PreTrainedConfig):  # type: ignore[misc]  # transformers publishes no types
    """Settings of the model, in `config.json`."""

    model_type = "burnish_encoder_decoder"

    vocab_size: int = 512
    """V."""
    hidden_size: int = 64
    """Width of embeddings and states; even, since the encoder's two directions have half of it each."""
    num_hidden_layers: int = 2
    """Recurrent layers of the encoder, and of the decoder."""
    teacher_forcing: float = 1.0
    """Probability that an input of the decoder is the true token in training mode, in [0, 1]."""
    dropout: float = 0.0
    """Share of a layer's outputs dropped before the next, in training mode alone."""
    initializer_range: float = 0.1
    """Standard deviation of fresh embeddings and linear layers."""
    tie_word_embeddings: bool = True
    """The output matrix is the embedding: the decoder draws its own inputs with it."""
    decoder_start_token_id: int = 0
    """What the decoder is shown before the first token."""
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **more: Any) -> None:
        super().__post_init__(**more)
        if not 0 <= self.teacher_forcing <= 1:
            raise InputError(f"teacher_forcing: {self.teacher_forcing} is not in [0, 1]. Use 1 for true tokens only.")
        if self.hidden_size % 2 or not self.tie_word_embeddings:
            raise InputError(f"hidden_size: {self.hidden_size} must be even, and the embeddings tied.")


@dataclass(frozen=True)
class DecoderState:
    """What the decoder goes on from, for B completions."""

    memory_BSH: Tensor
    """What the encoder made of the S places of the prompts."""
    mask_BS: Tensor
    """bool: which of them are tokens."""
    parts: State
    last_BH: Tensor
    """The state that predicts the next token."""

    def select(self, rows: Tensor) -> DecoderState:
        """Return the state with these rows of the batch, in this order; a row may come several times."""
        parts = selected(self.parts, rows)
        return DecoderState(self.memory_BSH[rows], self.mask_BS[rows], parts, self.last_BH[rows])


class EncoderDecoderModel(PreTrainedModel):  # type: ignore[misc]  # transformers publishes no types
    """Prompts, then tokens -> states that predict the next token."""

    config_class = EncoderDecoderConfig
    base_model_prefix = "model"

    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__(config)
        width, layers = config.hidden_size, config.num_hidden_layers
        dropout = config.dropout if layers > 1 else 0.0  # torch warns: a last layer has no next
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        self.encoder = nn.GRU(width, width // 2, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.bridge = nn.Linear(width, width)
        self.decoder = nn.GRU(width, width, layers, batch_first=True, dropout=dropout)
        self.query = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: DecoderState | None = None,
        shift: Tensor | None = None,
        **unused: Any,  # a state knows where it stands: it takes no position ids
    ) -> BaseModelOutputWithPast:
        """Return states (B, 1, H) of prompts, or (B, T, H) of T further tokens of completions.

        shift: added to the tokens' embeddings; to those of the decoder's own draws, where it is shown those instead.
        """
        mask_BT = mask_of(input_ids, attention_mask)
        if past_key_values is None:
            after = self.read(embedded(self.embed_tokens, input_ids, shift), mask_BT)
            return BaseModelOutputWithPast(last_hidden_state=after.last_BH[:, None], past_key_values=after)
        if self.training and self.config.teacher_forcing < 1:
            states, after = self.write_own(input_ids, past_key_values, shift)
        else:
            states, after = self.write(embedded(self.embed_tokens, input_ids, shift), mask_BT, past_key_values)
        return BaseModelOutputWithPast(last_hidden_state=states, past_key_values=after)

    def read(self, prompts_BSH: Tensor, mask_BS: Tensor) -> DecoderState:
        """Return the state before the first token of the completions of these prompts, given their embeddings."""
        memory, (ends,) = masked.run(self.encoder, prompts_BSH, mask_BS, None)
        forwards, backwards = ends[::2], ends[1::2]  # each (layers, B, H / 2)
        first = torch.tanh(self.bridge(torch.cat([forwards, backwards], dim=-1)))
        state = DecoderState(memory, mask_BS, (first,), memory.new_zeros(len(memory), memory.shape[2]))
        start_B = torch.full((len(memory), 1), self.config.decoder_start_token_id, device=memory.device)
        _, after = self.write(self.embed_tokens(start_B), torch.ones_like(start_B, dtype=torch.bool), state)
        return after

    def write(self, inputs_BTH: Tensor, mask_BT: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Return states (B, T, H) after each of these inputs, and the state that goes on from the last of each row."""
        hidden_BTH, parts = masked.run(self.decoder, inputs_BTH, mask_BT, state.parts)
        score_BTS = self.query(hidden_BTH) @ state.memory_BSH.mT
        share_BTS = score_BTS.masked_fill(~state.mask_BS[:, None], -torch.inf).softmax(-1)
        found_BTH = torch.tanh(self.combine(torch.cat([share_BTS @ state.memory_BSH, hidden_BTH], dim=-1)))
        place_BT = torch.arange(mask_BT.shape[1], device=mask_BT.device) * mask_BT
        last_BH = found_BTH[torch.arange(len(found_BTH), device=mask_BT.device), place_BT.amax(1)]
        last_BH = torch.where(mask_BT.any(1, keepdim=True), last_BH, state.last_BH)
        return found_BTH, DecoderState(state.memory_BSH, state.mask_BS, parts, last_BH)

    def write_own(
        self, tokens_BT: Tensor, state: DecoderState, shift_BTH: Tensor | None = None
    ) -> tuple[Tensor, DecoderState]:
        """Return the same, each input being the decoder's own draw with probability 1 - `teacher_forcing`.

        Draws come from torch's generator, as those of dropout do; no gradient flows through them.
        """
        found = []
        for place, token_B in enumerate(tokens_BT.unbind(1)):
            with torch.no_grad():
                logits_BV = nn.functional.linear(state.last_BH, self.embed_tokens.weight)
                own_B = torch.multinomial(logits_BV.softmax(-1), 1)[:, 0]
                forced_B = torch.rand(len(own_B), device=own_B.device) < self.config.teacher_forcing
            input_B1 = torch.where(forced_B, token_B, own_B)[:, None]
            inputs_B1H = embedded(
                self.embed_tokens, input_B1, None if shift_BTH is None else shift_BTH[:, place : place + 1]
            )
            states, state = self.write(inputs_B1H, torch.ones_like(input_B1, dtype=torch.bool), state)
            found.append(states)
        return torch.cat(found, dim=1), state


class EncoderDecoderForCausalLM(StatefulForCausalLM):
    """The same with an output matrix."""

    config_class = EncoderDecoderConfig
    backbone = EncoderDecoderModel
