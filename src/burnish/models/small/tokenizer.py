"""A byte-level BPE tokenizer learned from the user's own text, with the special tokens and template of a conversation.

Every byte is in the alphabet, so that any text can be encoded and comes back as it was.
Source: Sennrich et al., arXiv 1508.07909 (BPE); GPT-2 (over bytes); the template is ChatML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from burnish.errors import InputError

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def learn(texts: Iterable[str], *, vocabulary: int, special: Sequence[str] = ()) -> Tokenizer:
    """Return a tokenizer of at most `vocabulary` tokens: START, END, PAD, `special`, the 256 bytes, then merges.

    special: texts that stay one token each, such as control tokens. Raises InputError when there is no room for merges.
    """
    named = [START, END, PAD, *special]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if len(set(named)) < len(named) or "" in named:
        raise InputError(f"tokenizer.special: {list(special)} holds an empty or a repeated token. Name each once.")
    if vocabulary < len(named) + len(alphabet):
        least = len(named) + len(alphabet)
        raise InputError(f"tokenizer.vocabulary: {vocabulary} is less than the {least} tokens that any text needs.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=named, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def enclose(tokenizer: Tokenizer) -> None:
    """Put START and END around every text: what an encoder reads its class from stands first."""
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", pair=f"{START} $A {END} $B {END}", special_tokens=ends
    )


def save(tokenizer: Tokenizer, folder: Path, *, longest: int = 512, template: str = CHATML) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`; longest: tokens that the model takes."""
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": END,
        "pad_token": PAD,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "model_max_length": longest,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described, indent=1), "utf-8")
