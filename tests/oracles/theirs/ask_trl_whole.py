"""TRL 1.16.0, the whole path: texts and a model's folder in, what its SFT and DPO trainers make of them out."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

SETTINGS: dict[str, Any] = {
    "use_cpu": True, "bf16": False, "report_to": "none", "per_device_train_batch_size": 64, "disable_tqdm": True,
    "gradient_checkpointing": False,
}  # fmt: skip


def main() -> None:
    """Read FOLDER/texts.json, FOLDER/policy and FOLDER/reference; write FOLDER/theirs.json."""
    folder = Path(sys.argv[1])
    given = json.loads((folder / "texts.json").read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "policy")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for form in ("plain", "conversation"):
            rows = [_row(each, form) for each in given["pairs"]]
            shown = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
            found[f"sft, {form}"] = _asked(
                SFTTrainer, SFTConfig(output_dir=scratch, max_length=None, **SETTINGS), folder, tokenizer, shown
            )
            found[f"dpo, {form}"] = _asked(
                DPOTrainer, DPOConfig(output_dir=scratch, max_length=None, beta=given["beta"], **SETTINGS), folder,
                tokenizer, rows,
            )  # fmt: skip
    (folder / "theirs.json").write_text(json.dumps(found), encoding="utf-8")


def _row(pair: dict[str, str], form: str) -> dict[str, Any]:
    """plain: texts as they stand, the prompt in its template already. conversation: TRL puts them into the template."""
    if form == "plain":
        return {"prompt": pair["templated"], "chosen": pair["chosen"], "rejected": pair["rejected"]}
    asked = [{"role": "user", "content": pair["prompt"]}]
    sides = {side: [{"role": "assistant", "content": pair[side]}] for side in ("chosen", "rejected")}
    return {"prompt": asked, **sides}


def _asked(kind: Any, config: Any, folder: Path, tokenizer: Any, rows: list[dict[str, Any]]) -> list[float]:
    """Return the loss of all rows as one batch, and how many tokens it trains on."""
    model, reference = (AutoModelForCausalLM.from_pretrained(folder / name) for name in ("policy", "reference"))
    more = {"ref_model": reference} if kind is DPOTrainer else {}
    trainer = kind(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, **more)
    trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    trained = batch["completion_mask"] if "completion_mask" in batch else batch["labels"] != -100
    with torch.no_grad():
        return [float(trainer.compute_loss(trainer.model, batch)), float(trained.sum())]


if __name__ == "__main__":
    main()
