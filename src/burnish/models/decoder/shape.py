"""One description of a decoder that Llama, Qwen2, Qwen3, Mistral, Gemma, Gemma 2, Gemma 3 and SmolLM models fill in.

They differ in few places: where norms stand, whether a norm's weight is counted from 1, the activation, biases, the
window a layer looks through, how positions turn, and caps on logits. `Shape.of` reads those from a Hugging Face model;
what it does not know it refuses by name, and that model takes the general path instead (`models.general`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3"})
"""`model_type` of the configs that are understood."""
ACTIVATIONS = {"silu": "silu", "swish": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}


class UnknownShape(ValueError):
    """A model whose arithmetic this decoder does not know; the message says what is unknown."""


@dataclass(frozen=True)
class LayerShape:
    """What may differ from layer to layer."""

    window: int | None
    """Tokens that a query sees, itself included; None: all before it."""
    rotary: str | None
    """Kind of rotary table (Gemma 3 has two, the others ""); None: positions are not turned in."""


@dataclass(frozen=True)
class Shape:
    """The arithmetic of a decoder, without its weights."""

    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    scale: float
    """Queries times keys are multiplied by this before the softmax."""
    activation: str
    """silu, gelu or gelu_tanh."""
    gemma: bool
    """A norm multiplies by 1 + weight in float32, and embeddings are multiplied by sqrt(hidden size)."""
    attention_cap: float | None
    logit_cap: float | None
    layers: tuple[LayerShape, ...]

    @classmethod
    def of(cls, config: Any) -> Shape:
        """Return the shape that a Hugging Face config says. Raises UnknownShape for one that computes otherwise."""
        family = config.model_type
        if family not in FAMILIES:
            raise UnknownShape(f"{family!r} is not one of {', '.join(sorted(FAMILIES))}")
        activation = getattr(config, "hidden_activation", None) or config.hidden_act
        if activation not in ACTIVATIONS:
            raise UnknownShape(f"its activation is {activation!r}, not one of {', '.join(ACTIVATIONS)}")
        if getattr(config, "use_bidirectional_attention", False):
            raise UnknownShape("its attention looks both ways")
        if turned := _turned_by_length(config):
            raise UnknownShape(f"its positions turn by how long the longest text of a batch is ({turned})")
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=head_dim,
            eps=config.rms_norm_eps,
            scale=(getattr(config, "query_pre_attn_scalar", None) or head_dim) ** -0.5,
            activation=ACTIVATIONS[activation],
            gemma=family.startswith("gemma"),
            attention_cap=getattr(config, "attn_logit_softcapping", None),
            logit_cap=getattr(config, "final_logit_softcapping", None),
            layers=tuple(_layer(config, number) for number in range(config.num_hidden_layers)),
        )


def _turned_by_length(config: Any) -> str:
    """Return the name of such a kind of positions, "" when there is none: a row must not hang on its company."""
    said: Any = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    tables = said.values() if all(isinstance(each, dict) for each in said.values()) else [said]
    return next((kind for each in tables if (kind := each.get("rope_type", "")) in ("dynamic", "longrope")), "")


def _layer(config: Any, number: int) -> LayerShape:
    kinds: Any = getattr(config, "layer_types", None) or []
    window = getattr(config, "sliding_window", None)
    if config.model_type != "mistral":  # Mistral's window holds for all its layers, the others name them
        window = window if kinds and kinds[number] == "sliding_attention" else None
    rotary: str | None = str(kinds[number]) if config.model_type == "gemma3_text" else ""
    turned = getattr(config, "no_rope_layers", None)
    if turned is not None and not turned[number]:
        rotary = None
    return LayerShape(window, rotary)
