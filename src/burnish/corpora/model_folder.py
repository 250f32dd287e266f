"""Is a folder a model that can be loaded safely: its files, the headers of its weights, nothing that runs code.

Only the standard library, and of the weights only the headers are read, so that a model of any size is checked in a
second before anything heavy is imported.
"""

from __future__ import annotations

import json
import math
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

from burnish.errors import DamagedFileError, InputError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Endings of files that Python's pickle reads: opening one runs whatever code its author put in."""
HEADER_LIMIT = 8 * 2**20
"""Bytes: some 80,000 tensors, which take one second and 120 MB to check. Public models stay under 1 MiB a file."""
_JSON_LIMIT = 64 * 2**20
_TOKENISERS = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
)
_BITS = {
    **{"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16},
    **{"U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8},
    **{"F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4},
}
"""Bits of each element type that the safetensors format knows."""


def check_model_folder(path: str | Path) -> None:
    """Raise unless the folder is a model in Hugging Face layout, full or PEFT adapter, with whole safetensors weights.

    `InputError` when something is missing, or the weights are pickles; `DamagedFileError` when a file is cut or does
    not agree with its own header. Pickles beside safetensors are let lie: nothing here opens them.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder. Give a folder in Hugging Face layout, or a name: burnish fetch --list"
        )
    is_adapter = (folder / "adapter_config.json").is_file()
    config = folder / ("adapter_config.json" if is_adapter else "config.json")
    if not config.is_file():
        raise InputError(
            f"{folder}: no config.json (nor adapter_config.json) in it, so it is no model in Hugging Face layout. "
            f"It holds: {_listing(folder)}"
        )
    _read_json_object(config)
    for weights in _weights(folder, "adapter_model" if is_adapter else "model"):
        check_safetensors(weights)
    if not is_adapter and not any(all((folder / name).is_file() for name in names) for names in _TOKENISERS):
        raise InputError(
            f"{folder}: no tokenizer in it (tokenizer.json, tokenizer.model, vocab.txt, or vocab.json + merges.txt). "
            "Save the model's tokenizer there: AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
        )


def _weights(folder: Path, stem: str) -> list[Path]:
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        shards = _read_json_object(index).get("weight_map")
        if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
            raise DamagedFileError(f"{index}: no weight_map of tensor names to file names.")
        names = sorted(set(shards.values()))
    else:
        names = sorted(each.name for each in folder.glob("*.safetensors")) or [f"{stem}.safetensors"]
    for name in names:
        if name != Path(name).name:
            raise DamagedFileError(f"{index}: {name!r} leads out of the folder.")
        if not (folder / name).is_file():
            raise _no_weights(folder, folder / name)
    return [folder / name for name in names]


def _no_weights(folder: Path, missing: Path) -> InputError:
    pickles = sorted(each.name for each in folder.iterdir() if each.suffix in PICKLES)
    if not pickles:
        return InputError(f"{missing}: missing, so the model has no weights. The folder holds: {_listing(folder)}")
    return InputError(
        f"{folder / pickles[0]}: pickle weights are refused, because opening them can run any code. Use a copy of the "
        "model with model.safetensors. If you trust whoever made this one, convert it once: load it with transformers "
        "and call save_pretrained(other_folder), which writes safetensors."
    )


def _listing(folder: Path) -> str:
    names = sorted(each.name for each in folder.iterdir())
    return ", ".join(names[:8]) + (f", and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def _read_json_object(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size > _JSON_LIMIT:
        raise DamagedFileError(f"{path}: {size:,} bytes are too many for such a file (at most {_JSON_LIMIT:,}).")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: no valid JSON ({error}). Fetch or copy the model again.") from None
    if not isinstance(content, dict):
        raise DamagedFileError(f"{path}: a JSON object is expected, not a {type(content).__name__}.")
    return content


# --------------------------------------------------------------------------------------------------------- safetensors


def check_safetensors(path: Path) -> None:
    """Raise `DamagedFileError` unless the tensors of the header fill the file, without overlap, gap or end missing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if size < 8 or length > size - 8:
            raise DamagedFileError(f"{path}: cut off ({size:,} bytes; its header alone takes {8 + length:,}). {_AGAIN}")
        if length > HEADER_LIMIT:
            raise DamagedFileError(f"{path}: its header claims {length:,} bytes, more than {HEADER_LIMIT:,}. {_AGAIN}")
        text = file.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: its header is no valid JSON ({error}). {_AGAIN}") from None
    if not isinstance(header, dict):
        raise DamagedFileError(f"{path}: its header is no JSON object. {_AGAIN}")
    header.pop("__metadata__", None)
    spans = sorted(_span(path, name, tensor) for name, tensor in header.items())
    for (_, before, one), (after, _, other) in pairwise([(0, 0, "the header"), *spans]):
        if before != after:
            relation = "overlaps with" if after < before else "leaves a gap after"
            raise DamagedFileError(f"{path}: tensor {other} {relation} {one}. {_AGAIN}")
    end = spans[-1][1] if spans else 0
    if 8 + length + end != size:
        raise DamagedFileError(f"{path}: {size:,} bytes long, but its header speaks of {8 + length + end:,}. {_AGAIN}")


_AGAIN = "Fetch or copy the model again."


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _span(path: Path, name: str, tensor: object) -> tuple[int, int, str]:
    """Return (first byte, byte after the last, name) of a tensor whose entry is in order."""
    match tensor:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            good = dtype in _BITS and 0 <= start <= end and all(type(each) is int and each >= 0 for each in shape)
            if good and math.prod(shape) * _BITS[dtype] == 8 * (end - start):
                return start, end, name
    raise DamagedFileError(f"{path}: the header's entry of tensor {name!r} contradicts itself. {_AGAIN}")
