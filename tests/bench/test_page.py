"""The table and the pictures, from made-up results."""

import pytest

from burnish.bench import page
from burnish.errors import InputError


def side(what, median):
    return {
        "what": what, "median": median, "min": 0.9 * median, "max": 1.25 * median, "seconds": [median], "tokens": [100],
        "tokens_per_second": 100 / median, "peak_memory_gib": 2.5,
    }  # fmt: skip


def found(name, **more):
    return {
        "name": name, "summary": f"{name} step", "command": f"burnish bench {name}", "repeats": 3,
        "time": "2025-01-02T03:04:05+00:00", "ratio": 4.0, "ours": side("burnish", 2.0),
        "peer": side("trl bfloat16", 8.0), "peak_share": 0.512, "matrix_gflops": {"mean": 371.0},
        "machine": {
            "processor": "A processor", "usable_cores": 2, "memory_bytes": 2**34, "flags": ["avx2"],
            "load_average": [0.1, 0.2, 0.3], "versions": {"trl bfloat16": {"trl": "1.16.0"}},
        },
        **more,
    }  # fmt: skip


ALONE = found("sft", ratio=None, peer=None, peak_share=None)
SHAPES = {"16": {key: found("generate")[key] for key in ("ratio", "ours", "peer")}}
GROWTH = found("growth", axes={"length": [{"at": 32, **side("", 1.0)}, {"at": 64, **side("", 12.0)}]})


def test_a_line_of_the_table():
    line = page.table({"grpo": found("grpo")}).splitlines()[-1]
    assert line == (
        "| grpo step | trl bfloat16 | 8.00 (7.20 to 10.0) | 12 | 2.5 | 2.00 (1.80 to 2.50) | 50 | 2.5 | **4.0** | 51% |"
    )


def test_what_was_not_measured_is_a_dash():
    assert page.table({"sft": ALONE}).splitlines()[-1] == (
        "| sft step | - | - | - | - | 2.00 (1.80 to 2.50) | 50 | 2.5 | - | - |"
    )


def test_each_shape_has_its_line():
    lines = page.table({"generate": found("generate", shapes=SHAPES)}).splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith("| generate, batch 16 |")


def test_another_way_of_ours_has_its_own_line():
    also = {"also": {"int8 weights": {**SHAPES["16"], "ratio": 6.0}}}
    lines = page.table({"generate": found("generate", shapes={"1": {**SHAPES["16"], **also}})}).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| generate, batch 1", "| generate, batch 1, int8 weights"]
    assert "**6.0**" in lines[-1]


def test_the_page_tells_command_machine_and_versions():
    text = page.page({"grpo": found("grpo"), "growth": GROWTH})
    assert "`burnish bench grpo` | 3 | 371 | 0.1 | 2025-01-02" in text
    assert "Machine: A processor; 2 cores; 16 GiB; avx2." in text
    assert "Versions: trl 1.16.0." in text
    assert "| tokens of each completion | 32: 1.00 · 64: 12.0 |" in text


def test_it_is_written_with_its_pictures_and_the_same_twice(tmp_path):
    results = {"grpo": found("grpo"), "sft": ALONE, "growth": GROWTH}
    written = page.write(results, tmp_path / "docs")
    assert [path.name for path in written] == ["benchmarks.svg", "growth.svg", "benchmarks.md"]
    first = {path.name: path.read_bytes() for path in written}
    assert b"4.0 times as fast" in first["benchmarks.svg"]
    assert all(f"({name}.svg)".encode() in first["benchmarks.md"] for name in ("benchmarks", "growth"))
    assert {path.name: path.read_bytes() for path in page.write(results, tmp_path / "docs")} == first


def test_a_folder_without_results_is_told(tmp_path):
    with pytest.raises(InputError, match="no results here"):
        page.read(tmp_path)
