"""A checkpoint that `burnish train` saved, as what it was trained as: a policy, or an encoder, with its heads."""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import load_file

from burnish.loop import ready
from burnish.models import bidirectional, devices, encoder
from burnish.models.headed import HEADS_FILE, MAX_TOKENS, HeadedPolicy
from burnish.models.policy import Policy


def bare(folder: Path, *, name: str, dtype: str, device: str = devices.CPU) -> Policy:
    """Return the model of a folder with nothing trained on it: a language model, or an encoder that rewards stand on.

    Raises InputError for one that cannot be loaded.
    """
    load = encoder.load if ready.is_encoder(str(folder)) else Policy.load
    return load(folder, name=name, dtype=dtype, device=device)


def headed_in(folder: Path | None, base: Path, *, name: str, dtype: str, device: str = devices.CPU) -> HeadedPolicy:
    """Return the network of a checkpoint on the model that it was trained on; only its heads and weights are read.

    folder: the checkpoint's; None: the untouched model, without heads. Raises InputError when the folder holds no
    checkpoint of that model.
    """
    policy = bare(base, name=name, dtype=dtype, device=device)
    if folder is None:
        return HeadedPolicy(policy)
    policy.load_tuned(folder)
    saved = load_file(folder / HEADS_FILE) if (folder / HEADS_FILE).exists() else {}
    rows = {key.removesuffix(".weight"): len(tensor) for key, tensor in saved.items() if key.endswith(".weight")}
    if "q" in rows:  # one row for each token, of each of its heads
        rows["q"] //= int(policy.model.get_output_embeddings().weight.shape[0])
    # an encoder was made as long as the texts that it learned from
    room = sys.maxsize if bidirectional.is_encoder(policy.model) else MAX_TOKENS
    network = HeadedPolicy(policy, heads=rows, speaks=False, max_tokens=room)
    if rows:
        network.load_heads(folder)
    return network
