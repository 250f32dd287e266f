"""A recurrent network over padded rows: places that the mask leaves out are never seen, wherever they stand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from burnish.models.small.stateful import State


def run(network: nn.RNNBase, inputs_BTH: Tensor, mask_BT: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Return the outputs (B, T, H), 0 at masked places, and the state after each row's last token.

    Tokens are moved to the front of their row, run as a packed sequence, and moved back: padding costs nothing, and
    on the left it does not disturb the state. A row without tokens keeps its state.
    """
    before = None if state is None else state if isinstance(network, nn.LSTM) else state[0]
    if bool(mask_BT.all()):
        outputs, after = network(inputs_BTH, before)
        return outputs, after if isinstance(after, tuple) else (after,)
    order_BT = (~mask_BT).long().argsort(dim=1, stable=True)
    lengths_B = mask_BT.sum(1)
    front_BTH = inputs_BTH.gather(1, order_BT[..., None].expand_as(inputs_BTH))
    packed = pack_padded_sequence(front_BTH, lengths_B.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    found, after = network(packed, before)
    outputs, _ = pad_packed_sequence(found, batch_first=True, total_length=mask_BT.shape[1])
    back_BT = order_BT.argsort(dim=1)
    outputs = outputs.gather(1, back_BT[..., None].expand_as(outputs)) * mask_BT[..., None]
    reached = after if isinstance(after, tuple) else (after,)
    kept = state if state is not None else tuple(torch.zeros_like(part) for part in reached)
    empty_B = (lengths_B == 0)[:, None]
    return outputs, tuple(torch.where(empty_B, old, new) for old, new in zip(kept, reached, strict=True))
