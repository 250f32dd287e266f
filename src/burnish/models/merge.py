"""A PEFT adapter on its base model -> one plain model folder that anything can load and train further."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from burnish.errors import InputError
from burnish.models import asking, bidirectional, decoding, encoder
from burnish.models.small import registry as registry  # so that the Auto classes know our own small models


def merge_adapter(base: Path, adapter: Path, target: Path) -> None:
    """Write the model of `base` with what the adapter does put into its weights into `target`, in float32.

    float32, so that the sum loses nothing: a small update vanishes in a bfloat16 weight. The tokenizer is the
    adapter's own where it brought one, and how the adapter wants to be asked goes along. Raises InputError when the
    adapter does not fit the model, for a prefix, which is no part of any weight, and for what speaks by its heads.
    """
    decoding.refuse(decoding.decoding_in(adapter), adapter)
    model = _weights(base)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it is about to drop
            warnings.filterwarnings("ignore", message="The following rank_pattern keys")  # AdaLoRA's are named apart
            # left to itself peft reads an adapter to whichever GPU there is
            adapted = PeftModel.from_pretrained(model, str(adapter), local_files_only=True, torch_device="cpu")
    except (ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{adapter}: this adapter does not fit the model in {base} ({error}).") from None
    if adapted.active_peft_config.is_prompt_learning:
        raise InputError(f"{adapter}: a prefix stands before texts and cannot be merged into weights. Load it beside.")
    adapted.merge_and_unload().save_pretrained(str(target), safe_serialization=True)
    own = adapter / "tokenizer_config.json"
    AutoTokenizer.from_pretrained(adapter if own.exists() else base, local_files_only=True).save_pretrained(str(target))
    if template := asking.template_in(adapter) or asking.template_in(base):
        asking.keep(template, target)


def _weights(base: Path) -> Any:
    """Return the model of a folder in float32: one that speaks, or an encoder."""
    if getattr(AutoConfig.from_pretrained(base, local_files_only=True), "burnish_kind", "") == bidirectional.KIND:
        return encoder.weights(base, torch.float32)
    return AutoModelForCausalLM.from_pretrained(base, local_files_only=True, use_safetensors=True, dtype="float32")
