"""A whole bench with children that compute nothing: the keys that others rely on."""

import sys
from pathlib import Path

import pytest

from burnish.bench import drive, run
from burnish.bench.run import Options, check, measure, python_of
from burnish.errors import InputError

FAKE = (sys.executable, str(Path(__file__).parent / "fake_child.py"))
KEYS = {"ratio", "ours", "peer", "machine", "peak_share", "memory_ratio", "matrix_gflops", "command", "model", "dtype"}


@pytest.fixture
def made_up(monkeypatch, tiny_folder):
    """Both sides are fakes, the peer four times as slow as ours and in float32 eight times."""
    monkeypatch.setattr(drive, "SETTLE_SECONDS", 0.0)

    def jobs(bench, folder, options):
        yield "burnish", (FAKE, {"seconds": 2.0}, None)
        if options.peer:
            yield f"{bench.peer} bfloat16", (FAKE, {"seconds": 8.0}, None)
            yield f"{bench.peer} float32", (FAKE, {"seconds": 16.0}, None)

    monkeypatch.setattr(run, "_jobs", jobs)
    monkeypatch.setattr(run, "python_of", lambda peers: peers)
    return str(tiny_folder)


def test_the_keys_of_a_training_bench(made_up):
    found = measure("grpo", Options(peer="trl", repeats=2, model=made_up))
    assert found.keys() >= KEYS
    assert found["ratio"] == 4.0
    assert found["peer"]["what"] == "trl bfloat16"
    for side in (found["ours"], found["peer"]):
        assert side.keys() >= {"median", "min", "max", "tokens_per_second", "peak_memory_gib"}
        assert len(side["seconds"]) == 2
    assert found["peak_share"] > 0
    assert found["machine"]["threads"] == {"burnish": 1, "trl bfloat16": 1, "trl float32": 1}
    assert found["command"].startswith("burnish bench grpo --peer trl --repeats 2 --model ")


def test_generate_has_its_shapes_and_the_largest_on_top(made_up):
    found = measure("generate", Options(peer="transformers", repeats=1, model=made_up))
    assert list(found["shapes"]) == ["1", "16", "64"]
    assert found["ratio"] == found["shapes"]["64"]["ratio"] == 4.0
    assert found["peak_share"] is None


def test_ours_alone(made_up):
    found = measure("sft", Options(repeats=1, model=made_up))
    assert found["ratio"] is None
    assert found["ours"]["median"] == 2.0


def test_growth_has_every_axis(made_up, monkeypatch):
    monkeypatch.setattr(run, "OURS", FAKE)
    monkeypatch.setattr(run.plan, "AXES", {"completions": (8, 32), "length": (32,), "group_size": (8,)})
    found = measure("growth", Options(repeats=1, model=made_up))
    assert {axis: [point["at"] for point in points] for axis, points in found["axes"].items()} == {
        "completions": [8, 32], "length": [32], "group_size": [8], "layers": [1, 2],
    }  # fmt: skip
    assert found["ours"]["at"] == 32


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gpro", Options(), "Did you mean 'grpo'"),
        ("grpo", Options(repeats=0), "--repeats: 0"),
        ("grpo", Options(peer="transformers"), "compared with trl"),
        ("growth", Options(peer="trl"), "ours alone"),
        ("grpo", Options(peer="trl", peers=Path("nowhere")), "make peers"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_loaded(name, options, message):
    with pytest.raises(InputError, match=message):
        check(name, options)


def test_the_peers_python_is_called_by_its_own_name(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert python_of(tmp_path) == tmp_path / "bin" / "python"


def test_both_sides_get_the_same_job(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    options = Options(peer="trl", peers=tmp_path)
    sides = dict(run._jobs(run.plan.bench("dpo"), tmp_path, options))
    assert list(sides) == ["burnish", "trl bfloat16", "trl float32"]
    ours, peer = sides["burnish"][1], sides["trl float32"][1]
    assert {key: value for key, value in peer.items() if key not in ("side", "dtype")} == {
        key: value for key, value in ours.items() if key != "dtype"
    }
    assert "PYTHONPATH" not in sides["trl float32"][2]


@pytest.mark.parametrize(
    ("dtypes", "labels"),
    [
        (("bfloat16", "float32"), ["generate bfloat16", "generate float32", "continuous bfloat16"]),
        (("float32",), ["generate float32", "continuous float32"]),
    ],
)
def test_continuous_batching_is_tried_in_one_number_format(tmp_path, dtypes, labels):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    options = Options(peer="transformers", peer_dtypes=dtypes, peers=tmp_path)
    found = [label for label, _ in run._jobs(run.plan.bench("generate"), tmp_path, options)]
    others = ["burnish, int8 weights"] if options.dtype == "bfloat16" else []
    assert found == ["burnish", *others, *(f"transformers {label}" for label in labels)]


def test_weights_of_8_bits_take_the_place_of_bfloat16_alone(tmp_path):
    generate = run.plan.bench("generate")
    (_, ours), (label, other) = run._jobs(generate, tmp_path, Options())
    assert label == "burnish, int8 weights"
    assert other[1] == {**ours[1], "weights": "int8"}
    assert [label for label, _ in run._jobs(generate, tmp_path, Options(dtype="float32"))] == ["burnish"]


@pytest.fixture
def another_way(monkeypatch, made_up):
    """Ours has another way for one row, twice as fast; returns where its job may be changed."""
    job = {"seconds": 1.0}

    def jobs(bench, folder, options):
        yield "burnish", (FAKE, {"seconds": 2.0}, None)
        yield "burnish, int8 weights", (FAKE, job, None)
        yield "transformers bfloat16", (FAKE, {"seconds": 8.0}, None)

    monkeypatch.setattr(run, "_jobs", jobs)
    return made_up, job


def test_another_way_of_ours_stands_beside_the_same_peers_in_its_own_shapes(another_way):
    model, _ = another_way
    found = measure("generate", Options(peer="transformers", repeats=2, model=model))
    assert found["shapes"]["1"]["ratio"] == 4.0
    other = found["shapes"]["1"]["also"]["int8 weights"]
    assert other["ratio"] == 8.0
    assert other["ours"]["what"] == "burnish, int8 weights"
    assert len(other["ours"]["seconds"]) == 2
    assert other["peer"] == found["shapes"]["1"]["peer"]
    assert "also" not in found["shapes"]["64"]
    assert found["peer"]["what"] == "transformers bfloat16"


def test_another_way_that_is_not_possible_is_said_and_left_out(another_way, capsys):
    model, job = another_way
    job["dies"] = "working"
    found = measure("generate", Options(peer="transformers", repeats=1, model=model))
    assert found["shapes"]["1"]["ratio"] == 4.0
    assert "also" not in found["shapes"]["1"]
    assert "without burnish, int8 weights, which is not possible here" in capsys.readouterr().err
