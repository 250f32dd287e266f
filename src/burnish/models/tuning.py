"""What of a model is trained, as settings: an adapter beside its weights, some of its layers, or all its weights.

    lora        products of low rank beside every linear layer             LoRA, arXiv 2106.09685
    adalora     the same, ranks shared out by importance as training goes   AdaLoRA, arXiv 2303.10512
    ia3         factors on keys, values and inner activations               (IA)^3, arXiv 2205.05638
    prefix      keys and values before every text                           prefix tuning, arXiv 2101.00190
    bottleneck  a narrow residual layer after every layer                   Houlsby et al., arXiv 1902.00751
    layers      the weights of the top layers, or those whose names match
    full        all weights

Needs no torch, so that settings can be read and checked before anything heavy is loaded; `models.adapters` does it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Literal

from burnish.errors import InputError

Kind = Literal["lora", "adalora", "ia3", "prefix", "bottleneck", "layers", "full"]
KINDS: tuple[Kind, ...] = ("lora", "adalora", "ia3", "prefix", "bottleneck", "layers", "full")

DROPPING: tuple[Kind, ...] = ("lora", "adalora")
"""Kinds in which what goes into an adapter may be dropped."""


@dataclass(frozen=True)
class TuningConfig:
    """What is trained, and how large it is; fields of other kinds are passed over."""

    kind: Kind = "lora"
    """lora, adalora, ia3, prefix, bottleneck, layers or full."""
    rank: int = 16
    """lora: rank of each pair of matrices; adalora: rank that each begins with."""
    alpha: float = 32.0
    """lora, adalora: scale; the product is multiplied by alpha / rank."""
    dropout: float = 0.0
    """lora, adalora: share of what goes into an adapter that is dropped while given texts or rewards are learned, in
    [0, 1); 0 drops none. The model then takes the general path while it learns, which is slower."""
    target_rank: int = 8
    """adalora: mean rank at the end; below `rank`."""
    steps: int = 100
    """adalora: optimiser steps of the whole training; ranks are shared out from a tenth to three quarters of them."""
    tokens: int = 16
    """prefix: places before every text."""
    width: int = 32
    """bottleneck: width of the narrow layers."""
    top: int = 0
    """layers: how many layers train, counted from the output."""
    patterns: tuple[str, ...] = ()
    """layers: further parameters, those whose name one of these regular expressions is found in."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"adapter.kind: {self.kind!r} is not one of {', '.join(KINDS)}.")
        for name in ("rank", "target_rank", "tokens", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"adapter.{name}: {getattr(self, name)} is not a whole number from 1 up.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"adapter.dropout: {self.dropout} is not in [0, 1). Use 0 for none, or 0.05.")
        if self.dropout and self.kind not in DROPPING:
            raise InputError(f"adapter.dropout: {self.kind} has none. Use 0, or adapter.kind lora or adalora.")
        if self.kind == "adalora" and not self.target_rank < self.rank:
            raise InputError(f"adapter.target_rank: {self.target_rank} is not below rank ({self.rank}).")
        if self.kind == "adalora" and self.steps < 4:
            raise InputError(f"adapter.steps: {self.steps} steps are too few to share out ranks in. Use lora.")
        if self.kind == "layers" and not (self.top > 0 or self.patterns):
            raise InputError("adapter: layers are to be trained, but neither top nor patterns says which.")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(f"adapter.patterns: {pattern!r} is no regular expression ({error}).") from None

    @property
    def trains_weights(self) -> bool:
        """Whether the model's own weights change."""
        return self.kind in ("layers", "full")

    def to_json(self) -> str:
        """Return the config as JSON, for what peft has no layout for."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TuningConfig:
        """Return what `to_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "patterns": tuple(found["patterns"])})
