"""`transformers` sampling: `generate` with a batch padded on the left, or its continuous batching, `generate_batch`.

Every completion gets exactly the number of tokens that is asked for (the end token is forbidden until then), so that
both sides draw the same number. A batch of `generate` runs as long as its longest row: what the others draw beyond
their own limit is thrown away and not counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, ContinuousBatchingConfig, GenerationConfig

ROWS, BATCH_TOKENS = 64, 1024
"""Completions, and prompt tokens, that continuous batching takes at once; left alone it fills most of the memory."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def serve(job: dict[str, Any], turns: Any) -> None:
    """Answer turns of {"prompts": texts, "limits": tokens of each, "n": completions of each, "batch": rows}."""
    tokenizer = AutoTokenizer.from_pretrained(job["model"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=DTYPES[job["dtype"]]).eval()
    draw = _continuous if job["mode"] == "continuous" else _generate
    turns.ready(torch.get_num_threads(), "transformers", "torch")
    torch.manual_seed(0)
    while (turn := turns.next()) is not None:
        wanted = [(turn["prompts"][i], limit) for i, limit in enumerate(turn["limits"]) for _ in range(turn["n"])]
        began = time.perf_counter()
        tokens = 0
        for start in range(0, len(wanted), turn["batch"]):
            tokens += draw(model, tokenizer, wanted[start : start + turn["batch"]])
        turns.answer(seconds=time.perf_counter() - began, tokens=tokens)


def _ids(tokenizer: Any, text: str) -> list[int]:
    found = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
    )
    ids: list[int] = found["input_ids"]
    return ids


def _generate(model: Any, tokenizer: Any, wanted: Sequence[tuple[str, int]]) -> int:
    encoded = tokenizer.pad({"input_ids": [_ids(tokenizer, text) for text, _ in wanted]}, return_tensors="pt")
    longest = max(limit for _, limit in wanted)
    with torch.inference_mode():
        out = model.generate(
            **encoded,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=longest,
            min_new_tokens=longest,
            pad_token_id=tokenizer.pad_token_id,
        )
    drawn = out.shape[1] - encoded["input_ids"].shape[1]
    return sum(min(limit, drawn) for _, limit in wanted)


def _continuous(model: Any, tokenizer: Any, wanted: Sequence[tuple[str, int]]) -> int:
    """One limit for all: `generate_batch` takes one generation config. No end token: each row runs to the limit."""
    (limit,) = {limit for _, limit in wanted}
    config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=limit, eos_token_id=-1,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    found = model.generate_batch(
        inputs=[_ids(tokenizer, text) for text, _ in wanted],
        generation_config=config,
        continuous_batching_config=ContinuousBatchingConfig(
            num_blocks=ROWS, max_batch_tokens=BATCH_TOKENS, max_requests_per_batch=ROWS
        ),
        persistent_manager=True,  # its cache is made once, not at every call, and for the largest
        progress_bar=False,
    )
    return sum(len(each.generated_tokens) for each in found.values())
