"""What a run takes of memory, counted before it begins.

    all the time   weights | packed weights | reward model | adapter with gradients and moments | torch and the like
    by turns       activations of the heaviest slice (learning)  or  keys and values (sampling)

The counts are of one run of `burnish run`; `Work` says what they follow from, beside the model's `Size`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

BYTES = {"float32": 4, "bfloat16": 2}
MOST_ROWS = 128
"""Completions decoded together; more fill the products no better."""
GIB = 2**30
WORKING = GIB // 2
"""Bytes that torch, the tokenizer and a tile of logits take whatever the model."""
TRAINED = 16
"""Bytes of a trained parameter: itself, its gradient and two moments, all in float32."""


@dataclass(frozen=True)
class Size:
    """What a model's memory follows from."""

    parameters: int
    layers: int
    hidden: int
    feed_forward: int
    """Width inside the feed-forward layers."""
    keys: int
    """Width of a token's keys in one layer; its values are as wide."""
    packed: int
    """Parameters of its products and its output matrix: those that stand there once more, packed, for decoding."""

    @classmethod
    def of(cls, folder: Path) -> Size | None:
        """Return the size of a model in Hugging Face layout; None when its config.json does not tell it."""
        try:
            plain = json.loads((folder / "config.json").read_text("utf-8"))
            hidden, layers = int(plain["hidden_size"]), int(plain["num_hidden_layers"])
            heads, inner = int(plain["num_attention_heads"]), int(plain["intermediate_size"])
            width = plain.get("head_dim") or hidden // heads
            queries, keys = heads * width, (plain.get("num_key_value_heads") or heads) * width
            output = int(plain["vocab_size"]) * hidden
            is_tied = plain.get("tie_word_embeddings", True)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
            return None
        packed = layers * (2 * hidden * (queries + keys) + 3 * hidden * inner) + output
        norms = (2 * layers + 1) * hidden
        return cls(packed + norms + (0 if is_tied else output), layers, hidden, inner, keys, packed)


SMOLLM2_135M = Size(134_515_008, layers=30, hidden=576, feed_forward=1536, keys=192, packed=134_479_872)


@dataclass(frozen=True)
class Work:
    """What is to be done: the settings of a run that its memory follows from."""

    group_size: int = 8
    prompts_per_step: int = 6
    minibatches: int = 1
    max_new_tokens: int = 64
    prompt_tokens: int = 64
    """Of a long prompt; it is computed once for its whole group."""
    rank: int = 16
    """Of the LoRA adapter on every linear layer."""
    recompute: bool = False
    """Whether training keeps each layer's input only (`rl.recompute`)."""

    @property
    def group_tokens(self) -> int:
        """Tokens of a prompt with its group, all as long as they may become."""
        return self.prompt_tokens + self.group_size * self.max_new_tokens


@dataclass(frozen=True)
class Plan:
    """What a run takes of memory, in bytes."""

    weights: int
    packed: int
    """The weights once more, in the blocks that decoding multiplies by (`models.decoder.packed`)."""
    reward_model: int
    """Beside the policy, at most as large: it has fewer layers, and no packed copy."""
    adapter: int
    """The adapter with its gradients and moments."""
    working: int
    activations: int
    """What the backward pass of the heaviest slice needs."""
    keys_values: int
    """Of the completions decoded together, all as long as they may become."""
    free: int | None
    """What was free before anything was loaded; None: unknown."""

    @property
    def held(self) -> dict[str, int]:
        """What is held all the time, by its name."""
        return {
            "weights": self.weights,
            "packed for sampling": self.packed,
            "reward model": self.reward_model,
            "adapter with moments": self.adapter,
            "torch and the like": self.working,
        }

    @property
    def by_turns(self) -> dict[str, int]:
        """What comes to that, in learning and in sampling."""
        return {"activations of the heaviest slice": self.activations, "keys and values": self.keys_values}

    @property
    def standing(self) -> int:
        """What is held all the time."""
        return sum(self.held.values())

    @property
    def most(self) -> int:
        """The most that is held at a time."""
        return self.standing + max(self.by_turns.values())

    def told(self) -> str:
        """Return it in a line."""
        held, turns = ([f"{name} {amount(size)}" for name, size in some.items()] for some in (self.held, self.by_turns))
        free = "" if self.free is None else f" of {amount(self.free)} free"
        return f"memory: {', '.join(held)}; then {' or '.join(turns)}; {amount(self.most)} at most{free}"


def plan(
    size: Size, work: Work, dtype: str, *, prompts_per_slice: int = 1, rows: int = 1, free: int | None = None
) -> Plan:
    """Return what a run takes with so many prompts in a slice and so many completions decoded together."""
    return Plan(
        weights=size.parameters * BYTES[dtype],
        packed=size.packed * BYTES[dtype],
        reward_model=size.parameters * BYTES[dtype],
        adapter=adapter_parameters(size, work.rank) * TRAINED,
        working=WORKING,
        activations=prompts_per_slice * work.group_tokens * token_bytes(size, dtype, recompute=work.recompute),
        keys_values=rows * row_bytes(size.layers, size.keys, BYTES[dtype], work.prompt_tokens + work.max_new_tokens),
        free=free,
    )


def token_bytes(size: Size, dtype: str, *, recompute: bool = False) -> int:
    """Return what one token takes in a training step: the activations that the backward pass needs.

    A layer keeps the inputs of its seven products, its norms, the rotated queries and keys, and the parts of its
    feed-forward layer. For SmolLM2-135M this says 0.92 MB in bfloat16 and 1.84 in float32; steps of
    566 to 3,396 tokens took 0.75 and 2.0. recompute: a layer keeps its input alone, and one at a time the rest.
    """
    a_layer = 12 * size.hidden + 4 * size.keys + 5 * size.feed_forward
    return BYTES[dtype] * (size.layers * size.hidden + a_layer if recompute else size.layers * a_layer)


def row_bytes(layers: int, keys: int, itemsize: int, tokens: int) -> int:
    """Return what the keys and values of a completion of so many tokens take, its prompt's included.

    keys: width of a token's keys in one layer; itemsize: bytes of a number. The cache rounds a row up to its next
    `models.decoder.cache.STEP` tokens.
    """
    return 2 * layers * keys * itemsize * tokens


def adapter_parameters(size: Size, rank: int) -> int:
    """Return the parameters of LoRA on every linear layer: rank * (in + out) of each product.

    Queries are taken to be as wide as the states, which they are in most families.
    """
    return size.layers * rank * (9 * size.hidden + 2 * size.keys + 3 * size.feed_forward)


def amount(count: int) -> str:
    """Return bytes in words."""
    return f"{count / GIB:,.1f} GiB" if count >= GIB else f"{count / 2**20:,.0f} MiB"
