"""The states of a bidirectional encoder: each text is read whole, and every token of it has seen all the others.

    causal           [ prompt | completion 0 | completion 1 | ... ]     a prompt once, and nobody sees what follows
    bidirectional    [ prompt | completion 0 ]  [ prompt | completion 1 ]  ...

Nothing is shared: a prompt that stood before two completions would have seen both. Texts of like length stand as rows
side by side, and padding is masked, so that a text reads alone as it does in company.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from burnish.models.packing import Packed, Rows

KIND = "encoder"
"""What `config.json` calls it (`models.small`)."""


def is_encoder(model: Any) -> bool:
    """Return whether a model reads and never speaks."""
    return getattr(model.config, "burnish_kind", "") == KIND


def hidden_states(model: Any, packed: Packed, shift_NH: Tensor | None = None) -> Tensor:
    """Return (M, H): the state at the place before each completion token, which here has seen what comes after it too.

    A text's last token is the place before none, and is not shown. shift_NH: what is added to the embeddings of the N
    tokens. Raises ValueError where completions share a prompt, which would then see all of them.
    """
    if any(len(group) != 2 for group in packed.layout.groups):
        raise ValueError("bidirectional: completions share a prompt; lay each text by itself, as HeadedPolicy does.")
    states = [_of_rows(model, rows, packed.tokens_N, shift_NH).flatten(0, 1) for rows in packed.layout.rows]
    found: Tensor = torch.cat(states)[packed.layout.place_N[packed.source_M]]
    return found


def _of_rows(model: Any, rows: Rows, tokens_N: Tensor, shift_NH: Tensor | None) -> Tensor:
    """Return (R, T, H), 0 at the last place: whatever stands there, in the longest row, is not shown."""
    token_RT = rows.token_RT[:, :-1]
    embedded_RTH = model.get_input_embeddings()(tokens_N[token_RT])
    if shift_NH is not None:
        embedded_RTH = embedded_RTH + shift_NH[token_RT].to(embedded_RTH.dtype)
    seen_RT = torch.arange(token_RT.shape[1], device=tokens_N.device)[None] < (rows.length_R - 1)[:, None]
    states_RTH = model(inputs_embeds=embedded_RTH, attention_mask=seen_RT.long()).last_hidden_state
    return nn.functional.pad(states_RTH, (0, 0, 0, 1))
