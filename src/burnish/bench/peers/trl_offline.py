"""TRL's SFT, DPO and reward trainers, one step a turn, on the same texts in the same order as ours."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer
from trl_grpo import DTYPES, STEPS, Clock

TRAINERS = {"sft": (SFTConfig, SFTTrainer), "dpo": (DPOConfig, DPOTrainer), "reward": (RewardConfig, RewardTrainer)}


def serve(job: dict[str, Any], turns: Any) -> None:
    """Train until no more steps are asked for."""
    name, batch = job["name"], job["batch"]
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    kind, more = (
        (AutoModelForSequenceClassification, {"num_labels": 1}) if name == "reward" else (AutoModelForCausalLM, {})
    )
    model = kind.from_pretrained(job["model"], dtype=DTYPES[job["dtype"]], **more)
    model.config.pad_token_id = tokenizer.pad_token_id
    rows = [_row(name, pair) for pair in job["pairs"]]
    sides = ("chosen",) if name == "sft" else ("chosen", "rejected")
    lengths = [sum(len(tokenizer(pair[side])["input_ids"]) + 1 for side in sides) for pair in job["pairs"]]
    step = [0]

    def tokens() -> int:
        start = step[0] * batch % len(rows)
        step[0] += 1
        return sum(lengths[start : start + batch])

    make_config, trainer_class = TRAINERS[name]
    config = make_config(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=batch,
        max_steps=STEPS,
        learning_rate=job["learning_rate"],
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=job["dtype"] == "bfloat16",
        seed=0,
        disable_tqdm=True,
        gradient_checkpointing=False,
        **({"beta": job["beta"]} if name == "dpo" else {}),
    )

    class InOrder(trainer_class):  # type: ignore[misc, valid-type]  # chosen at run time
        """Takes the rows as they come, so that step k sees the same texts on both sides."""

        def _get_train_sampler(self, dataset: Any = None) -> SequentialSampler:
            return SequentialSampler(self.train_dataset if dataset is None else dataset)

    trainer = InOrder(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=job["rank"], target_modules="all-linear", task_type="SEQ_CLS" if name == "reward" else "CAUSAL_LM"
        ),
        callbacks=[Clock(turns, tokens)],
    )
    turns.ready(torch.get_num_threads(), "trl", "transformers", "peft", "torch")
    trainer.train()


def _row(name: str, pair: dict[str, str]) -> dict[str, Any]:
    prompt = [{"role": "user", "content": pair["prompt"]}]
    chosen, rejected = ([{"role": "assistant", "content": pair[side]}] for side in ("chosen", "rejected"))
    if name == "sft":
        return {"prompt": prompt, "completion": chosen}
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
