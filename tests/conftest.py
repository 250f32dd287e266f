"""A language model small enough for every test: random, two layers, grouped heads, tied embeddings, ChatML.

Its padding token *is* its end token, as in many real models (trap T1), and its weights are wide enough that attention,
positions and norms all matter: a mistake in any of them moves log-probs by far more than rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MERGES = ["t h", "th e", "Ġ the", "Ġ a", "i n", "e r", "g o", "go o", "goo d", "Ġ good", "b a", "ba d", "Ġ bad"]


def a_tokenizer() -> Any:
    """Byte-level BPE with a few merges: any text goes in and comes back; 272 tokens, more than a block of 256."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pairs = [tuple(merge.split()) for merge in MERGES]
    words = [START, END, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in pairs)]
    tokenizer = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[START],
        chat_template=CHATML,
    )


def a_model(tokenizer: Any, **changes: Any) -> Any:
    """A random Llama; `changes` are settings of its config."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "attention_dropout": 0.1,  # as a config may have it: on only where a method asks (trap T20)
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(**{**shape, **changes}))
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


@pytest.fixture(autouse=True)
def told_again() -> Iterator[None]:
    """What one test asked to be quiet about, the next is told."""
    yield
    from burnish import progress

    progress.configure()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in Hugging Face layout."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = a_tokenizer()
    a_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def policy(tiny_folder: Path) -> Any:
    """The tiny model as a policy, without an adapter, in float32."""
    from burnish.models.policy import Policy

    return Policy.load(tiny_folder)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Any]:
    return a_model


@pytest.fixture(scope="session")
def shake() -> Callable[..., None]:
    """Put noise on an adapter's B, as training would."""

    def shaken(policy: Any, *, seed: int = 2, size: float = 0.15) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in policy.parameters().items():
                if "lora_B" in name:
                    parameter.add_(size * torch.randn(parameter.shape, generator=generator))

    return shaken


@pytest.fixture
def trained(policy: Any, shake: Callable[..., None]) -> Any:
    """The tiny model with an adapter that is far from nothing: its B is not 0."""
    policy.add_lora(rank=4, alpha=8.0, seed=1)
    shake(policy)
    return policy
