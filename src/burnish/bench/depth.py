"""The same model with fewer layers: for seeing how time grows with depth."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from burnish.errors import InputError


def cut(folder: Path, layers: int, into: Path) -> None:
    """Write a model in Hugging Face layout that has the first `layers` layers of another. It says nothing sensible.

    Raises InputError when the model has not that many.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if not 1 <= layers <= config["num_hidden_layers"]:
        raise InputError(
            f"bench: {layers} layers of a model with {config['num_hidden_layers']}; give 1 up to that many."
        )
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - an opened file is no mapping
                found = re.search(r"\.layers\.(\d+)\.", name)
                if found is None or int(found[1]) < layers:
                    tensors[name] = opened.get_tensor(name)
    save_file(tensors, into / "model.safetensors", metadata={"format": "pt"})
    for path in folder.iterdir():
        if path.suffix in (".json", ".jinja", ".model", ".txt") and not path.name.endswith(".index.json"):
            shutil.copy(path, into / path.name)
    config["num_hidden_layers"] = layers
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][:layers]
    (into / "config.json").write_text(json.dumps(config), "utf-8")
