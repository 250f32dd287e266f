"""TRL's GRPOTrainer, one step a turn: the callback waits at the beginning of each step until it is asked."""

from __future__ import annotations

import sys
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STEPS = 100_000  # more than are ever asked for: the parent decides when it is enough


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
    """Waits for its turn before each step and answers after it."""

    def __init__(self, turns: Any, tokens: Any) -> None:
        self.turns = turns
        self.tokens = tokens
        """Returns the completion tokens of the step that has just been done."""
        self.began = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if self.turns.next() is None:
            sys.exit(0)
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        seconds = time.perf_counter() - self.began
        self.turns.answer(seconds=seconds, tokens=self.tokens())


def serve(job: dict[str, Any], turns: Any) -> None:
    """Train until no more steps are asked for."""
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=DTYPES[job["dtype"]])
    drawn: list[int] = []

    def reward(completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        drawn.append(sum(len(ids) for ids in completion_ids))
        return [float(completion[0]["content"].count(job["letter"])) for completion in completions]

    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=job["prompts_per_step"] * job["group_size"],
        gradient_accumulation_steps=1,
        num_generations=job["group_size"],
        max_completion_length=job["max_new_tokens"],
        max_steps=STEPS,
        learning_rate=job["learning_rate"],
        beta=job["beta"],
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=job["dtype"] == "bfloat16",
        seed=0,
        disable_tqdm=True,
        gradient_checkpointing=False,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": each}]} for each in job["prompts"]]),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=job["rank"], target_modules="all-linear"),
        callbacks=[Clock(turns, lambda: drawn[-1])],
    )
    turns.ready(torch.get_num_threads(), "trl", "transformers", "peft", "torch")
    trainer.train()
