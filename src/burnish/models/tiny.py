"""A language model small enough to be made on the spot: for trying the whole ring in a minute, and for tests.

A Llama of 3 layers with a byte-level BPE tokenizer of at most 512 tokens, both learned in seconds from short dialogues,
so that it speaks a little and reinforcement learning has something to move. It knows nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from burnish import progress
from burnish.models.small import tokenizer as tokenizers
from burnish.models.small.tokenizer import END, PAD, START
from burnish.records import seed_of

VOCABULARY = 512
HIDDEN, LAYERS, HEADS, KEY_VALUE_HEADS, INNER = 64, 3, 4, 2, 160
ROWS = 32
LEARNING_RATE = 6e-3
WARMUP_STEPS = 20


def make(folder: Path, dialogues: Sequence[tuple[str, str]], *, seed: int = 0, steps: int = 200) -> None:
    """Write a model in Hugging Face layout that was trained to answer as the (asked, answered) dialogues do.

    The same arguments give the same bytes on one machine with one number of threads. `steps`: batches of 32 dialogues.
    """
    texts = [*map(_asked, dialogues), *(answer for _, answer in dialogues)]
    tokenizer = tokenizers.learn(texts, vocabulary=VOCABULARY)
    encoded = [(_encode(tokenizer, _asked(each)), _encode(tokenizer, each[1] + END)) for each in dialogues]
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, "tiny"))
        model = LlamaForCausalLM(_config(tokenizer))
    _train(model, encoded, seed, steps)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = ["LlamaForCausalLM"]
    model.config.save_pretrained(str(folder))
    tokenizers.save(tokenizer, folder)


def _asked(dialogue: tuple[str, str]) -> str:
    return f"{START}user\n{dialogue[0]}{END}\n{START}assistant\n"


def _encode(tokenizer: Tokenizer, text: str) -> Tensor:
    return torch.tensor(tokenizer.encode(text, add_special_tokens=False).ids)


def _config(tokenizer: Tokenizer) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_VALUE_HEADS,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.1,
        bos_token_id=tokenizer.token_to_id(START),
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )


def _train(model: nn.Module, dialogues: Sequence[tuple[Tensor, Tensor]], seed: int, steps: int) -> None:
    """Plain next-token prediction of the answers, batches drawn from the seed."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    order = torch.Generator().manual_seed(seed_of(seed, "batches"))
    with progress.bar(steps, "making a tiny model", "steps") as bar:
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * (1.0 - step / steps)
            chosen = torch.randint(len(dialogues), (ROWS,), generator=order).tolist()
            loss = _loss(model, [dialogues[i] for i in chosen])
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            bar.advance(1, f"loss {float(loss.detach()):.2f}")
    model.eval()


def _loss(model: nn.Module, rows: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the mean negative log-likelihood of the answers' tokens; padding on the right is never looked at."""
    ids_BT = nn.utils.rnn.pad_sequence([torch.cat(row) for row in rows], batch_first=True)
    starts_B, ends_B = torch.tensor([(len(asked), len(asked) + len(answer)) for asked, answer in rows]).T
    place_T = torch.arange(1, ids_BT.shape[1])
    answer_BT = (place_T >= starts_B[:, None]) & (place_T < ends_B[:, None])
    logits_NV = model(input_ids=ids_BT[:, :-1]).logits[answer_BT]
    return nn.functional.cross_entropy(logits_NV.float(), ids_BT[:, 1:][answer_BT])
