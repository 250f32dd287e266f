"""Checkpoints of what is trained: peft's layout for its adapters, Hugging Face's for weights, ours for bottlenecks.

lora, adalora, ia3, prefix   adapter_config.json, adapter_model.safetensors: peft reads the folder as it is
bottleneck                   adapter.json, bottleneck.safetensors
layers, full                 config.json, model.safetensors: a whole model; adapter.json says what was trained
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.errors import InputError
from burnish.models.tuning import TuningConfig

OURS = "adapter.json"
PEFT = "adapter_config.json"
BOTTLENECK = "bottleneck.safetensors"


def save(model: Any, tuning: TuningConfig | None, tensors: dict[str, Tensor], folder: Path) -> None:
    """Write what is trained; a model of which nothing is goes whole."""
    if isinstance(model, PeftModel):
        _save_peft(model, folder)
        return
    if tuning is not None:
        (folder / OURS).write_text(tuning.to_json(), "utf-8")
    if tuning is not None and tuning.kind == "bottleneck":
        save_file({name: t.contiguous() for name, t in tensors.items()}, folder / BOTTLENECK, metadata={"format": "pt"})
    else:
        model.save_pretrained(str(folder))


def _save_peft(model: Any, folder: Path) -> None:
    config = model.active_peft_config
    ranks = getattr(config, "rank_pattern", None)
    with warnings.catch_warnings():  # peft takes a layer that AdaLoRA left without a rank for a mistake
        warnings.filterwarnings("ignore", message=".*have invalid shape")
        model.save_pretrained(str(folder), safe_serialization=True)
    if ranks is not None:  # peft renames AdaLoRA's pattern as it saves, and training may go on
        config.rank_pattern = ranks
    path = folder / PEFT
    described = json.loads(path.read_text("utf-8"))
    for name in ("target_modules", "feedforward_modules"):
        if isinstance(described.get(name), list):  # a set in peft: its order changes with every process
            described[name].sort()
    path.write_text(json.dumps(described, indent=2, sort_keys=True), "utf-8")


def described_in(folder: Path) -> TuningConfig | None:
    """Return what was trained, of a folder that `save` wrote in our own layout; None for one in peft's.

    Raises InputError for a folder that is neither.
    """
    if (folder / OURS).exists():
        return TuningConfig.from_json((folder / OURS).read_text("utf-8"))
    if not (folder / PEFT).exists():
        raise InputError(f"{folder}: neither {PEFT} nor {OURS} is there, so no adapter was saved in it. Is it another?")
    return None


def load_peft(model: Any, folder: Path) -> Any:
    """Return the model with the adapter of a folder on it, ready to be trained further."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it is about to drop
        warnings.filterwarnings("ignore", message="The following rank_pattern keys")  # meant for LoRA's, not AdaLoRA's
        try:
            config = PeftConfig.from_pretrained(str(folder), local_files_only=True)
            if config.is_prompt_learning:  # peft would load it frozen
                config.inference_mode = False
                prefixed = get_peft_model(model, config)
                set_peft_model_state_dict(prefixed, load_file(folder / "adapter_model.safetensors"))
                return prefixed
            # read on the processor, then copied to where the model is; left to itself peft takes whichever GPU there is
            return PeftModel.from_pretrained(
                model, str(folder), is_trainable=True, local_files_only=True, torch_device="cpu"
            )
        except (ValueError, KeyError, RuntimeError) as error:
            said = str(error).splitlines()[0]
            raise InputError(f"{folder}: this adapter does not fit the model ({said}).") from None


def read(folder: Path, tuning: TuningConfig, names: set[str]) -> dict[str, Tensor]:
    """Return the trained tensors of a folder in our own layout."""
    file = folder / (BOTTLENECK if tuning.kind == "bottleneck" else "model.safetensors")
    found = load_file(file)
    if missing := names - found.keys():
        raise InputError(f"{file}: {min(missing)} is missing, so it is another model's.")
    return {name: found[name] for name in names}
