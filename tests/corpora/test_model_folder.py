from __future__ import annotations

import contextlib
import json
import random
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.corpora import check_model_folder
from burnish.corpora.model_folder import HEADER_LIMIT, check_safetensors
from burnish.errors import DamagedFileError, InputError

HEADER = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
    "c": {"dtype": "I64", "shape": [], "data_offsets": [32, 40]},
    "empty": {"dtype": "F32", "shape": [0, 7], "data_offsets": [40, 40]},
}


def safetensors(header: object = HEADER, data: int = 40) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def changed(name: str, **entry: Any) -> dict[str, Any]:
    return {**HEADER, name: {**HEADER[name], **entry}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(safetensors())
    return tmp_path


# -------------------------------------------------------------------------------------------------------------- folders


def test_a_whole_model_passes(folder: Path) -> None:
    check_model_folder(folder)
    check_model_folder(str(folder))


@pytest.mark.parametrize("names", [["tokenizer.model"], ["vocab.txt"], ["vocab.json", "merges.txt"]])
def test_every_kind_of_tokenizer_counts(folder: Path, names: list[str]) -> None:
    (folder / "tokenizer.json").unlink()
    for name in names:
        (folder / name).write_text("x")
    check_model_folder(folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", r"no config\.json.*It holds: model\.safetensors, tokenizer\.json"),
        ("tokenizer.json", "no tokenizer in it"),
        ("model.safetensors", r"model\.safetensors: missing.*no weights"),
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str, said: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=said):
        check_model_folder(folder)


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InputError, match=f"{path.name}: no such folder"):
            check_model_folder(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"model_type": "lla', b"\xff\xfe", b"[1]", b"[" * 100_000])
def test_a_damaged_config_is_told(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"config\.json"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"])
def test_pickle_weights_are_refused_with_a_way_out(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x80\x04.")
    check_model_folder(folder)  # beside safetensors nobody opens them
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=rf"{name}: pickle weights are refused.*save_pretrained"):
        check_model_folder(folder)


def test_shards_are_all_needed_and_all_checked(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "z": "model-2.safetensors"}}))
    with pytest.raises(InputError, match=r"model-2\.safetensors: missing"):
        check_model_folder(folder)
    (folder / "model-2.safetensors").write_bytes(safetensors()[:-1])
    with pytest.raises(DamagedFileError, match=r"model-2\.safetensors"):
        check_model_folder(folder)
    (folder / "model-2.safetensors").write_bytes(safetensors())
    check_model_folder(folder)
    for content in ("{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', '{"weight_map": {}}'):
        index.write_text(content)
        with pytest.raises(DamagedFileError, match="no weight_map"):
            check_model_folder(folder)
    index.write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    with pytest.raises(DamagedFileError, match="leads out of the folder"):
        check_model_folder(folder)


def test_an_adapter_needs_no_tokenizer(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "tokenizer.json").unlink()
    check_model_folder(folder)
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"adapter_model\.safetensors: missing"):
        check_model_folder(folder)


# ---------------------------------------------------------------------------------------------------------- safetensors


@pytest.mark.parametrize("keep", [lambda n: 0, lambda n: 1, lambda n: 8, lambda n: n // 2, lambda n: n - 1])
def test_cut_weights_are_found(tmp_path: Path, keep: Callable[[int], int]) -> None:
    content = safetensors()
    (tmp_path / "x.safetensors").write_bytes(content[: keep(len(content))])
    with pytest.raises(DamagedFileError, match=r"x\.safetensors"):
        check_safetensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (struct.pack("<Q", 2**63) + b"{}", "cut off"),
        (struct.pack("<Q", 2**25) + bytes(2**25), "its header claims 33,554,432 bytes"),
        (safetensors(b"["), "no valid JSON"),
        (safetensors(b"[]", 0), "no JSON object"),
        (safetensors(b"[" * 100_000), "no valid JSON"),
        (safetensors(b'{"a": 1, "a": 2}'), "twice"),
        (safetensors({"a": 1}), "tensor 'a' contradicts"),
        (safetensors(changed("a", dtype="F31")), "tensor 'a' contradicts"),
        (safetensors(changed("a", shape=[2, 4])), "tensor 'a' contradicts"),
        (safetensors(changed("a", shape=[-2, -3])), "tensor 'a' contradicts"),
        (safetensors(changed("a", shape=[2, True, 3])), "tensor 'a' contradicts"),
        (safetensors(changed("a", data_offsets=[24, 0])), "tensor 'a' contradicts"),
        (safetensors(changed("a", data_offsets=[0])), "tensor 'a' contradicts"),
        (safetensors(changed("b", data_offsets=[20, 28])), "tensor b overlaps with a"),
        (safetensors(changed("c", data_offsets=[36, 44]), 44), "tensor c leaves a gap after b"),
        (safetensors(changed("a", data_offsets=[-8, 16])), "tensor 'a' contradicts"),
        (safetensors(data=48), "its header speaks of"),
    ],
)
def test_headers_that_lie_are_found(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(DamagedFileError, match=said):
        check_safetensors(tmp_path / "x.safetensors")


def test_the_library_itself_agrees_on_good_and_bad(tmp_path: Path) -> None:
    """Oracle: whatever safetensors opens we accept, whatever it refuses we refuse, over 400 mutated headers.

    We are stricter in one thing: a name that stands twice. So no mutation doubles names.
    """
    library = pytest.importorskip("safetensors")
    path, chance = tmp_path / "x.safetensors", random.Random(0)
    seen = set()
    for _ in range(400):
        header = json.loads(json.dumps(HEADER))
        entry = header[chance.choice(["a", "b", "c", "empty"])]
        match chance.randrange(5):
            case 0:
                entry["shape"] = [chance.randrange(4) for _ in range(chance.randrange(3))]
            case 1:
                entry["data_offsets"] = sorted(chance.choices([0, 8, 16, 24, 32, 40], k=2))
            case 2:
                entry["dtype"] = chance.choice(["F32", "BF16", "I64", "U8", "F16", "nonsense"])
            case 3:
                del entry[chance.choice(list(entry))]
            case 4:
                pass
        path.write_bytes(safetensors(header, 40 + chance.choice([0, 0, 0, -1, 1, 8])))
        try:
            library.safe_open(path, "np").__enter__()
            opens = True
        except library.SafetensorError:
            opens = False
        try:
            check_safetensors(path)
            passes = True
        except DamagedFileError:
            passes = False
        assert passes == opens, header
        seen.add(passes)
    assert seen == {True, False}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 300),
)
def test_no_bytes_bring_another_error(tmp_path: Path, flips: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(safetensors()[: len(safetensors()) - cut] or b"\0")
    for place, value in flips:
        content[place % len(content)] = value
    (tmp_path / "x.safetensors").write_bytes(content)
    with contextlib.suppress(DamagedFileError):
        check_safetensors(tmp_path / "x.safetensors")


def test_the_largest_header_allowed_stays_within_300_mb(tmp_path: Path) -> None:
    width, count = 80, HEADER_LIMIT // 81 - 1
    entries = (f'"{n}":{{"dtype":"F32","shape":[1],"data_offsets":[{4 * n},{4 * n + 4}]}}' for n in range(count))
    header = ("{" + ",".join(each.ljust(width) for each in entries) + "}").encode()
    assert 0.99 * HEADER_LIMIT < len(header) <= HEADER_LIMIT
    (tmp_path / "x.safetensors").write_bytes(safetensors(header, 4 * count))
    code = """
        import sys
        from pathlib import Path
        from burnish.corpora.model_folder import check_safetensors
        check_safetensors(Path(sys.argv[1]))
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("the highest memory of a process is read from /proc, which is not here")
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "x.safetensors")]
    kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 20 * 1024 < kib < 300 * 1024
