"""A checkpoint that `burnish train` saved, as what it was trained as: a policy with its heads."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from burnish.models.headed import HEADS_FILE, HeadedPolicy
from burnish.models.policy import Policy


def headed_in(folder: Path | None, base: Path, *, name: str, dtype: str) -> HeadedPolicy:
    """Return the network of a checkpoint on the model that it was trained on; only its heads and weights are read.

    folder: the checkpoint's; None: the untouched model, without heads. Raises InputError when the folder holds no
    checkpoint of that model.
    """
    policy = Policy.load(base, name=name, dtype=dtype)
    if folder is None:
        return HeadedPolicy(policy)
    policy.load_tuned(folder)
    saved = load_file(folder / HEADS_FILE) if (folder / HEADS_FILE).exists() else {}
    rows = {key.removesuffix(".weight"): len(tensor) for key, tensor in saved.items() if key.endswith(".weight")}
    if "q" in rows:  # one row for each token, of each of its heads
        rows["q"] //= int(policy.model.get_output_embeddings().weight.shape[0])
    network = HeadedPolicy(policy, heads=rows, speaks=False)
    if rows:
        network.load_heads(folder)
    return network
