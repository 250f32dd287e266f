"""Puts on a model what is to be trained (kinds and sizes: `models.tuning`), and switches it on and off.

LoRA, AdaLoRA, IA3 and prefixes are peft's. Adapters leave the weights alone, so the untouched model is the model with
its adapter off; where weights are trained, a copy of what they were is kept (`models.untouched`).
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.error import NoMatchingPeftModuleError
from torch import nn

from burnish.errors import InputError
from burnish.models import bidirectional
from burnish.models.bottleneck import Bottlenecks
from burnish.models.tuning import TuningConfig

IA3_KNOWN = {"llama": "down_proj", "mistral": "down_proj", "qwen2": "down_proj", "qwen3": "down_proj"}
"""Families whose inner layer peft scales at its input, as the paper does, and what it is called."""


# ---------------------------------------------------------------------------------------------------- putting them on


def add(model: Any, config: TuningConfig, *, seed: int) -> Any:
    """Return the model with a fresh adapter on it; all but a prefix change nothing at first (trap T21).

    Raises InputError where the model has no place for one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.kind == "bottleneck":
            layers = list_of_layers(model, "a bottleneck")
            model.bottlenecks = Bottlenecks(layers, int(model.config.hidden_size), config.width)
            return model
        with told(config, model):
            return get_peft_model(model, _peft_config(model, config), autocast_adapter_dtype=True)


def hold_counts(model: Any) -> None:
    """Leave AdaLoRA's numbers of ranks as they are.

    Where peft moves one to another device or number format, it makes a parameter of it that takes a gradient.
    """
    for name, parameter in model.named_parameters():
        if ".ranknum." in name:
            parameter.requires_grad_(False)


@contextlib.contextmanager
def told(config: TuningConfig, model: Any) -> Iterator[None]:
    """Inside, peft's complaint that there is nothing to adapt is told as an InputError."""
    try:
        with warnings.catch_warnings():  # peft asks transformers for a name that it is about to drop
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except NoMatchingPeftModuleError:
        raise InputError(
            f"adapter: {model.config.model_type!r} has no linear layers beside its output for {config.kind} to stand "
            "on. Train its weights themselves (kind full or layers)."
        ) from None


def _peft_config(model: Any, config: TuningConfig) -> Any:
    family = model.config.model_type
    task = "FEATURE_EXTRACTION" if bidirectional.is_encoder(model) else "CAUSAL_LM"
    if config.kind == "lora":
        return LoraConfig(
            r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules="all-linear",
            task_type=task,
        )  # fmt: skip
    if config.kind == "adalora":
        return AdaLoraConfig(
            init_r=config.rank, target_r=config.target_rank, lora_alpha=config.alpha, lora_dropout=config.dropout,
            target_modules="all-linear", task_type=task, total_step=config.steps, tinit=config.steps // 10,
            tfinal=config.steps // 4, orth_reg_weight=0.0,
        )  # fmt: skip
    if config.kind == "ia3":
        if inner := IA3_KNOWN.get(family):
            names = ["k_proj", "v_proj", inner]
            return IA3Config(target_modules=names, feedforward_modules=[inner], task_type=task)
        return IA3Config(target_modules="all-linear", feedforward_modules=[], task_type=task)
    if bidirectional.is_encoder(model):
        raise InputError(f"adapter: {family!r} reads a text at once, with no keys and values before it. Use full.")
    if not getattr(model, "packs", True):
        raise InputError(f"adapter: {family!r} keeps a state, not keys and values: a prefix has no place. Use full.")
    return PrefixTuningConfig(num_virtual_tokens=config.tokens, task_type="CAUSAL_LM")


@torch.no_grad()
def begin_prefix(model: Any, tokens: Sequence[int]) -> None:
    """Make the prefix the keys and values of these tokens, repeated to its length: near the untouched model.

    On SmolLM2-135M the first KL is 0.04 nats a token for the template's beginning, 0.6 for zeros, 7 for peft's random
    numbers. Source: arXiv 2101.00190, §7.4 (activations of real words).
    """
    weight = model.prompt_encoder[model.active_adapter].embedding.weight
    ids = [tokens[place % len(tokens)] for place in range(len(weight))]
    shown = torch.tensor([ids], device=base_of(model).device)
    past = base_of(model)(input_ids=shown, use_cache=True).past_key_values
    parts = [each[0].transpose(0, 1).flatten(1) for layer in past.layers for each in (layer.keys, layer.values)]
    found = torch.cat(parts, dim=1)  # (places, layers * 2 * heads * width of a head)
    if found.shape == weight.shape:  # families whose layers differ keep peft's
        weight.copy_(found)


def config_of(model: Any) -> TuningConfig:
    """Return what kind of adapter peft has on a model, and its size."""
    found = model.active_peft_config
    kind = {"PREFIX_TUNING": "prefix"}.get(found.peft_type.value, found.peft_type.value.lower())
    sizes = {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "tokens": "num_virtual_tokens"}
    if kind == "adalora":
        sizes |= {"rank": "init_r", "target_rank": "target_r", "steps": "total_step"}
    known = {name: getattr(found, theirs) for name, theirs in sizes.items() if hasattr(found, theirs)}
    return TuningConfig(kind=kind, **known)


# ------------------------------------------------------------------------------------------------------ which is on


def active(model: Any) -> tuple[str, ...]:
    """Return the names of the adapters that the model speaks with now; empty while they are off."""
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
        return () if model._adapters_disabled else (str(model.active_adapter),)
    layer = next((module for module in model.modules() if isinstance(module, BaseTunerLayer)), None)
    if layer is not None:
        return () if layer.disable_adapters else tuple(layer.active_adapters)
    bottlenecks = getattr(model, "bottlenecks", None)
    return (Bottlenecks.NAME,) if bottlenecks is not None and bottlenecks.on else ()


@contextlib.contextmanager
def off(model: Any) -> Iterator[None]:
    """Inside, the model speaks without its adapter, of whatever kind."""
    bottlenecks = getattr(model, "bottlenecks", None)
    if isinstance(model, PeftModel):
        with model.disable_adapter():
            yield
    elif bottlenecks is not None:
        before, bottlenecks.on = bottlenecks.on, False
        try:
            yield
        finally:
            bottlenecks.on = before
    else:
        yield


def base_of(model: Any) -> Any:
    """Return the model inside peft's wrapper, adapters in their places."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def has_dropout(model: Any) -> bool:
    """Return whether anything is dropped in training mode: by a layer (an adapter's too), or within attention."""
    layers = any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
    return layers or (getattr(base_of(model).config, "attention_dropout", 0.0) or 0.0) > 0


def prefix_of(model: Any, rows: int) -> Any:
    """Return the learned keys and values that stand before every text, for so many rows, as a cache; None without.

    peft's own forward passes over position ids, and padding on the left needs them.
    """
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning and active(model):
        return model.get_prompt(batch_size=rows)
    return None


def only_by_forward(model: Any) -> str:
    """Return why an adapter works only through the model's own forward, "" where it does not."""
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
        return "its adapter is a prefix"
    return "its adapter stands between the layers" if getattr(model, "bottlenecks", None) is not None else ""


# --------------------------------------------------------------------------------------------------- which weights


def chosen_weights(model: Any, config: TuningConfig) -> set[str]:
    """Return the names of the parameters that `layers` or `full` trains. Raises InputError when there are none."""
    names = [name for name, _ in model.named_parameters()]
    if config.kind == "full":
        return set(names)
    found = {name for name in names if any(re.search(pattern, name) for pattern in config.patterns)}
    if config.patterns and not found:
        raise InputError(f"adapter.patterns: no parameter's name has any of {list(config.patterns)} in it.")
    if config.top:
        found |= _top_layers(model, config.top)
    return found


def _top_layers(model: Any, top: int) -> set[str]:
    count = int(model.config.num_hidden_layers)
    if top > count:
        raise InputError(f"adapter.top: {top} layers, but the model has {count}. Use at most {count}.")
    recurrent = re.compile(r"_l(\d+)(_reverse)?$")  # as torch names the layers of a GRU or LSTM
    numbered = {name: int(m[1]) for name, _ in model.named_parameters() if (m := recurrent.search(name))}
    if numbered:
        return {name for name, number in numbered.items() if number >= count - top}
    wanted = {id(p) for layer in list(list_of_layers(model, "top"))[-top:] for p in layer.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def list_of_layers(model: Any, purpose: str) -> nn.ModuleList:
    """Return the model's layers in order. Raises InputError for a model that keeps none in a list."""
    count = getattr(model.config, "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise InputError(f"adapter: {model.config.model_type!r} keeps no list of layers, which {purpose} needs.")
