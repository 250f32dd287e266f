"""A reward model on a bidirectional encoder such as MiniLM: mean-pooled states, one linear head, all layers trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from burnish.maths.batch import Outputs
from burnish.models.reward_model import by_length

ROWS = 64
MAX_TOKENS = 96


class EncoderReward:
    """The network; `outputs` takes a list of token-id lists."""

    def __init__(self, encoder: Any, tokenizer: Any) -> None:
        self.encoder = encoder.eval()  # dropout off: a few thousand texts and two epochs do not need it
        self.tokenizer = tokenizer
        # word embeddings are half the weights and rarely seen words would not move: training them only costs time
        self.encoder.embeddings.requires_grad_(False)
        self.score = nn.Linear(int(encoder.config.hidden_size), 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    @classmethod
    def load(cls, folder: Path) -> EncoderReward:
        """Return the encoder of a folder with a head of zeros, or with the head that `save` wrote there."""
        encoder = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",  # the fused kernel takes 40% of a step on texts this short
        )
        model = cls(encoder, AutoTokenizer.from_pretrained(folder, local_files_only=True))
        if (folder / "score.safetensors").exists():
            model.score.load_state_dict(load_file(folder / "score.safetensors"))
        return model

    def save(self, folder: Path) -> None:
        """Write encoder, tokenizer and head."""
        self.encoder.save_pretrained(str(folder), safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))
        save_file(
            {name: tensor.contiguous() for name, tensor in self.score.state_dict().items()},
            folder / "score.safetensors",
        )

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return the layers' and the head's parameters; embeddings stay, the pooler is not used."""
        named = {f"encoder.{n}": p for n, p in self.encoder.encoder.named_parameters()}
        return named | {f"score.{n}": p for n, p in self.score.named_parameters()}

    def encode(self, text: str) -> list[int]:
        """Return token ids with the encoder's own special tokens."""
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        return ids

    def outputs(self, inputs: Sequence[list[int]], *, reference: bool = False) -> Outputs:
        """Return rewards (B, 1)."""
        ids = nn.utils.rnn.pad_sequence([torch.tensor(each) for each in inputs], batch_first=True)
        mask = torch.arange(ids.shape[1])[None, :] < torch.tensor([len(each) for each in inputs])[:, None]
        with torch.autocast("cpu", torch.bfloat16):
            states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        held = states.float() * mask[..., None]
        return Outputs(rewards_BK=self.score(held.sum(1) / mask.sum(1, keepdim=True)))

    @torch.no_grad()
    def predict(self, texts: Sequence[str]) -> Tensor:
        """Return rewards (N,)."""
        encoded = [self.encode(text) for text in texts]
        found = torch.zeros(len(texts))
        for part in by_length(encoded, ROWS):
            rewards = self.outputs([encoded[i] for i in part]).rewards_BK
            assert rewards is not None
            found[part] = rewards[:, 0]
        return found
