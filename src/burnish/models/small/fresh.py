"""An untrained model of any kind, written in Hugging Face layout: `Policy.load` and transformers read it as any other.

decoder          a Llama, which our own fast arithmetic knows
gru, lstm        recurrent language models
encoder_decoder  a bidirectional GRU reads the prompt, a GRU with attention writes the completion
encoder          a BERT with a classification head: a reward model, a discriminator
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from burnish.errors import InputError
from burnish.models.small import tokenizer as tokenizers
from burnish.models.small.encoder_decoder import EncoderDecoderConfig, EncoderDecoderForCausalLM
from burnish.models.small.recurrent import RecurrentConfig, RecurrentForCausalLM
from burnish.records import seed_of

logging.disable_progress_bar()  # there is one shard, and it is small


@dataclass(frozen=True)
class Size:
    """How large a model is, and the few settings that only some kinds have."""

    hidden: int = 64
    """Width of the states."""
    layers: int = 2
    """Layers; of the encoder and of the decoder where there are both."""
    heads: int = 4
    """Attention heads (decoder, encoder); they divide `hidden`."""
    longest: int = 512
    """Tokens a text may have."""
    dropout: float = 0.0
    """Share of activations dropped in training mode (a policy never is, unless a method asks)."""
    teacher_forcing: float = 1.0
    """Encoder-decoder: probability that an input is the true token in training mode."""
    labels: int = 1
    """Encoder: numbers that the classification head gives."""
    scale: float | None = None
    """Standard deviation of fresh embeddings and linear layers; None: what learns fastest (`SCALES`)."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "heads", "longest", "labels"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a whole number from 1 up.")
        if self.scale is not None and not 0 < self.scale < 100:
            raise InputError(f"scale: {self.scale} is not a number above 0. Leave it out for what learns fastest.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: {self.dropout} is not in [0, 1). Use 0 for none.")


@dataclass(frozen=True)
class Made:
    """What was made."""

    parameters: int
    """Weights; the embedding, which is the output matrix too, counts once."""
    vocabulary: int
    """Tokens, special ones included."""


def make(
    folder: Path, *, kind: str, texts: Iterable[str], vocabulary: int = 512, special: Sequence[str] = (),
    seed: int = 0, size: Size | None = None, **sizes: Any,
) -> Made:  # fmt: skip
    """Write an untrained model of a kind with a tokenizer learned from the texts into the folder; return its size.

    vocabulary: tokens at most; special: further tokens that stay whole; sizes: fields of `Size` (hidden=32, layers=1).
    The same arguments write the same bytes. Raises InputError for an unknown kind or a size that does not fit.
    """
    if kind not in KINDS:
        raise InputError(f"kind: {kind!r} is not one of {', '.join(KINDS)}.")
    known = set(Size.__dataclass_fields__)
    if unknown := sizes.keys() - known:
        raise InputError(f"{min(unknown)}: not a size of a small model. The sizes are {', '.join(sorted(known))}.")
    measured = size or Size(**sizes)
    if kind in ("decoder", "encoder") and measured.hidden % (2 * measured.heads):
        raise InputError(f"hidden: {measured.hidden} is not a multiple of twice the {measured.heads} heads.")
    learned = tokenizers.learn(texts, vocabulary=vocabulary, special=special)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "small", kind))
        model = KINDS[kind](learned, replace(measured, scale=_scale(kind, measured)))
    model.config.burnish_kind = kind  # stays in config.json whatever is trained of it: it is small, and came of nothing
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder))
    if kind == "encoder":
        tokenizers.enclose(learned)
    tokenizers.save(learned, folder, longest=measured.longest)
    return Made(model.num_parameters(), learned.get_vocab_size())


def _scale(kind: str, size: Size) -> float:
    """Return the deviation of fresh weights: as told, else the kind's, so that sums over a wider state are as large."""
    return SCALES[kind] * math.sqrt(WIDTH / size.hidden) if size.scale is None else size.scale


def _common(tokenizer: Tokenizer, size: Size) -> dict[str, Any]:
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": size.hidden,
        "num_hidden_layers": size.layers,
        "tie_word_embeddings": True,
        "initializer_range": size.scale,
        "bos_token_id": tokenizer.token_to_id(tokenizers.START),
        "eos_token_id": tokenizer.token_to_id(tokenizers.END),
        "pad_token_id": tokenizer.token_to_id(tokenizers.PAD),
    }


def _decoder(tokenizer: Tokenizer, size: Size) -> Any:
    return LlamaForCausalLM(
        LlamaConfig(
            **_common(tokenizer, size),
            intermediate_size=5 * size.hidden // 2,
            num_attention_heads=size.heads,
            num_key_value_heads=size.heads // 2 if size.heads % 2 == 0 else size.heads,
            max_position_embeddings=size.longest,
            attention_dropout=size.dropout,
        )
    )


def _gru(tokenizer: Tokenizer, size: Size) -> Any:
    return RecurrentForCausalLM(RecurrentConfig(cell="gru", dropout=size.dropout, **_common(tokenizer, size)))


def _lstm(tokenizer: Tokenizer, size: Size) -> Any:
    model = RecurrentForCausalLM(RecurrentConfig(cell="lstm", dropout=size.dropout, **_common(tokenizer, size)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias_ih" in name:  # it begins by remembering (Jozefowicz et al., ICML 2015); gates stand i, f, g, o
                parameter[size.hidden : 2 * size.hidden] = 1.0
    return model


def _encoder_decoder(tokenizer: Tokenizer, size: Size) -> Any:
    return EncoderDecoderForCausalLM(
        EncoderDecoderConfig(
            **_common(tokenizer, size),
            dropout=size.dropout,
            teacher_forcing=size.teacher_forcing,
            decoder_start_token_id=tokenizer.token_to_id(tokenizers.START),
        )
    )


def _encoder(tokenizer: Tokenizer, size: Size) -> Any:
    return BertForSequenceClassification(
        BertConfig(
            **_common(tokenizer, size),
            intermediate_size=4 * size.hidden,
            num_attention_heads=size.heads,
            max_position_embeddings=size.longest,
            hidden_dropout_prob=size.dropout,
            attention_probs_dropout_prob=size.dropout,
            num_labels=size.labels,
        )
    )


WIDTH = 64
"""At which the scales below were found."""
SCALES = {"decoder": 0.1, "encoder": 0.1, "gru": 0.5, "lstm": 1.0, "encoder_decoder": 0.3}
"""A state within (-1, 1) says little by a small output matrix: a GRU at 0.1 takes ten times the steps it does at 0.5
(nats a token after 60 steps of benchmarks/small_models.py: GRU 4.2 and 1.5, LSTM at 0.3 and 1.0: 3.0 and 1.8)."""

KINDS: dict[str, Callable[[Tokenizer, Size], Any]] = {
    "decoder": _decoder,
    "gru": _gru,
    "lstm": _lstm,
    "encoder_decoder": _encoder_decoder,
    "encoder": _encoder,
}
