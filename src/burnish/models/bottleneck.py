"""Bottleneck adapters: after every layer, states + up(gelu(down(states))); up begins at zero, so nothing changes yet.

Source: Houlsby et al., arXiv 1902.00751; one a layer, behind the feed-forward part: Pfeiffer et al., arXiv 2005.00247.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Bottlenecks(nn.Module):
    """One narrow residual layer behind each of a model's layers, hooked on; float32."""

    NAME: ClassVar[str] = "bottleneck"
    """What the adapter is called among the active ones."""

    def __init__(self, layers: Iterable[nn.Module], hidden: int, width: int) -> None:
        super().__init__()
        self.on = True
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for number, layer in enumerate(layers):
            down, up = nn.Linear(hidden, width), nn.Linear(width, hidden)
            nn.init.normal_(down.weight, std=0.02)
            for parameter in (down.bias, up.weight, up.bias):
                nn.init.zeros_(parameter)
            self.down.append(down)
            self.up.append(up)
            layer.register_forward_hook(partial(self._after, number))

    def _after(self, number: int, layer: nn.Module, inputs: Any, output: Any) -> Any:
        if not self.on:
            return output
        if isinstance(output, tuple):  # some families return their attention beside the states
            return (self._added(number, output[0]), *output[1:])
        return self._added(number, output)

    def _added(self, number: int, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            inner = nn.functional.gelu(self.down[number](states.to(next(self.down.parameters()).dtype)))
            added: Tensor = self.up[number](inner)
        return states + added.to(states.dtype)
