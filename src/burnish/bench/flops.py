"""The reference formula: floating-point operations that a step cannot do without, whoever does it.

    a token through all layers, forward                    2 W_layers
    the same, gradient of the activations                  2 W_layers
    a completion token through the output head, forward    2 W_head         and 2 W_head backward

    sft     4 W_layers (P + C)                          + 4 W_head C
    dpo     4 W_layers (P + C) + 2 W_layers (P + C)     + 4 W_head C + 2 W_head C        the second of each: reference
    reward  4 W_layers (P + C)
    grpo    as dpo, and sampling: 2 W_layers (P + C) + 2 W_head C

P: prompt tokens, each prompt once for all its completions; C: completion tokens; no padding. W: weights of the
matrices (a multiply and an add each). Left out, as small or as a matter of how it is done: attention scores, norms, the
adapter's own matrices and gradients, the optimiser, anything recomputed. So the share of the peak that follows from it
is a lower bound on how busy the machine was, and nobody gets credit for padding or for work done twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.errors import InputError

Group = tuple[int, Sequence[int]]
"""Tokens of a prompt, and of each of its completions."""


@dataclass(frozen=True)
class Size:
    """What a decoder's matrices hold."""

    layers: int
    """Weights of the matrices of all layers."""
    head: int
    """Weights of the output head (those of the embedding when tied: they are multiplied all the same)."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Size:
        """Return it from a `config.json` of a Llama, Qwen2/3, Mistral, Gemma or SmolLM: attention, gated MLP, head.

        Raises InputError when a number is missing.
        """
        try:
            hidden, inner = config["hidden_size"], config["intermediate_size"]
            heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
            vocabulary = config["vocab_size"]
        except KeyError as missing:
            raise InputError(f"bench: config.json has no {missing}; expected a decoder with a gated MLP.") from None
        wide = heads * (config.get("head_dim") or hidden // heads)
        narrow = wide // heads * (config.get("num_key_value_heads") or heads)
        return cls(layers * (2 * hidden * wide + 2 * hidden * narrow + 3 * hidden * inner), hidden * vocabulary)


def step_flops(method: str, size: Size, groups: Sequence[Group]) -> dict[str, float]:
    """Return the operations of one step by part: "sample" (grpo alone), "train" (with the reference where used).

    method: grpo, dpo, sft or reward. groups: the step's prompts, each with its completions.
    """
    completion = sum(sum(lengths) for _, lengths in groups)
    every = sum(prompt for prompt, _ in groups) + completion
    forward = 2.0 * size.layers * every
    head = 2.0 * size.head * completion
    if method == "reward":
        return {"train": 2 * forward}
    if method == "sft":
        return {"train": 2 * (forward + head)}
    trained = 3 * (forward + head)  # forward, backward, and the reference's forward
    if method == "dpo":
        return {"train": trained}
    if method == "grpo":
        return {"sample": forward + head, "train": trained}
    raise ValueError(f"step_flops: {method!r} is none of grpo, dpo, sft, reward.")
