"""What a recipe leaves to the machine is chosen once, told, written down and kept; what is set stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from burnish import config, corpora, progress
from burnish.cli.main import main
from burnish.errors import InputError
from burnish.loop import fitted, ready
from burnish.loop import run as loop
from burnish.loop.folder import RunFolder
from burnish.loop.recipe import Recipe, RlSettings
from burnish.loop.run import RunOptions, _begin, _threads, resolve
from burnish.machine import kept
from burnish.machine.description import Load, Machine, Rate, Small, Speed, System
from burnish.tasks import reviews, smoke

SYSTEM = System("Linux x86_64", usable_cores=2, torch="2.9.0")
RATES = tuple(Rate(d, t, 1024, r * t) for d, r in (("float32", 60.0), ("bfloat16", 190.0)) for t in (1, 2))
FREE = 2**34
QUIET = Machine(SYSTEM, Speed(RATES), Load(0.0, "", (Small(1, 300), Small(2, 160)), FREE))
BUSY = replace(QUIET, load=Load(1.0, "python (pid 7)", (Small(1, 300), Small(2, 3000)), FREE))
NO_BF16 = replace(QUIET, speed=Speed(tuple(replace(r, gflops=60.0 * r.threads) for r in RATES)))
OPEN = Recipe(model="tiny")


@pytest.fixture
def at(monkeypatch):
    """Choose the machine; return a list that holds one entry for each look at it."""
    looks: list[Machine] = []

    def on(machine: Machine) -> list[Machine]:
        monkeypatch.setattr(kept, "current", lambda cache: looks.append(machine) or machine)
        return looks

    return on


@pytest.fixture
def said(monkeypatch):
    """What the person was told."""
    told: list[str] = []
    monkeypatch.setattr(progress, "say", told.append)
    return told


def open_settings(recipe: Recipe) -> tuple[str, int, int]:
    return recipe.dtype, recipe.threads, recipe.rl.prompts_per_slice


def test_what_is_left_open_follows_from_the_machine(at, said):
    at(QUIET)
    assert open_settings(OPEN) == ("auto", 0, 0)
    assert open_settings(fitted.to_machine(OPEN)) == ("bfloat16", 2, 3)
    (line,) = said
    assert line.startswith("fitted to this machine: bfloat16 (its products are 3.2 times as fast as float32's")
    assert "2 threads (1.9 times as fast as one)" in line
    assert "slices of 3 prompts" in line


def test_how_many_are_drawn_together_is_fitted_once_and_kept(at, said, tmp_path):
    """In float32 the last bits of a product follow from its number of rows: free memory must not move them."""
    at(QUIET)
    began = begin(tmp_path)
    assert began.sampling.together == 128
    assert "128 completions drawn together" in said[0]
    at(replace(QUIET, load=replace(QUIET.load, free_bytes=2**29)))
    assert begin(tmp_path, resume=True).sampling.together == 128


def test_beside_other_work_fewer_threads_and_it_is_told(at, said):
    at(BUSY)
    assert open_settings(fitted.to_machine(OPEN)) == ("bfloat16", 1, 3)
    assert "1 thread (2 threads take 10.0 times as long now)" in said[0]
    assert said[1].startswith("  note: other processes use 1.0 cores, python (pid 7) most of it")


def test_without_fast_bfloat16_float32(at, said):
    at(NO_BF16)
    assert fitted.to_machine(OPEN).dtype == "float32"


def test_the_tested_recipe_gets_what_it_was_tested_with(at, said):
    """`reviews` was tested in bfloat16 with slices of 3 prompts, on two cores that multiply bfloat16 in hardware."""
    at(QUIET)
    recipe = resolve(RunOptions("reviews"), reviews, {"model": "tiny"})
    assert open_settings(fitted.to_machine(recipe)) == ("bfloat16", 2, 3)


def test_smoke_leaves_nothing_open_and_nothing_is_measured(at, said):
    looks = at(BUSY)
    recipe = resolve(RunOptions("smoke"), smoke, {})
    assert fitted.to_machine(recipe) is recipe
    assert open_settings(recipe) == ("float32", 1, 8)
    assert (looks, said) == ([], [])


@pytest.mark.parametrize(
    ("sets", "settings", "told"),
    [
        (("dtype=float32",), ("float32", 2, 3), "fitted to this machine: 2 threads"),
        (("threads=1",), ("bfloat16", 1, 3), "fitted to this machine: bfloat16"),
        (("rl.prompts_per_slice=6",), ("bfloat16", 2, 6), "fitted to this machine: bfloat16"),
        (("dtype=float32", "threads=2"), ("float32", 2, 3), "fitted to this machine: slices of 3 prompts"),
        (
            ("dtype=float32", "threads=2", "rl.prompts_per_slice=3"),
            ("float32", 2, 3),
            "fitted to this machine: 128 comp",
        ),
    ],
)
def test_what_is_set_wins(sets, settings, told, at, said):
    at(QUIET)
    recipe = resolve(RunOptions("reviews", sets=sets), reviews, {"model": "tiny"})
    assert open_settings(fitted.to_machine(recipe)) == settings
    assert said[0].startswith(told)


def test_the_models_own_size_counts(monkeypatch, tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder in (base, adapter):
        folder.mkdir()
    size = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    (base / "config.json").write_text(json.dumps({**size, "vocab_size": 300}), "utf-8")
    (adapter / ready.ADAPTER).write_text(json.dumps({"base_model_name_or_path": str(base)}), "utf-8")
    monkeypatch.setattr(corpora, "resolve", Path)
    for folder in (base, adapter):
        assert fitted.size_of(replace(OPEN, model=str(folder))).hidden == 48
    assert fitted.size_of(replace(OPEN, model=str(tmp_path))) == fitted.SMOLLM2_135M
    assert fitted.size_of(OPEN) == fitted.SMOLLM2_135M


def test_a_dry_run_measures_nothing_and_says_that_it_is_still_open(at, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    looks = at(QUIET)
    assert main(["run", "reviews", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert 'dtype = "auto"\n' in said.out
    assert "threads = 0\n" in said.out
    assert "smollm2-135m (number format fitted to the machine)" in said.err
    assert looks == []


# --------------------------------------------------------------------------------------------------- written and kept


def begin(folder, *sets, resume=False, given=None):
    """Begin a run, or go on with one, and return the settings it has."""
    options = RunOptions("reviews", out=folder, sets=sets, resume=resume)
    recipe = resolve(options, reviews, {"model": "tiny", **(given or {})})
    return _begin(folder, recipe, options, RunFolder(folder))[1]


def test_what_was_chosen_is_written_down(at, said, tmp_path):
    at(QUIET)
    recipe = begin(tmp_path)
    assert config.build(Recipe, config.parse_toml(tmp_path / loop.CONFIG)) == recipe
    assert open_settings(recipe) == ("bfloat16", 2, 3)


def test_a_resumed_run_keeps_what_it_began_with(at, said, tmp_path):
    at(QUIET)
    began = begin(tmp_path)
    looks = at(replace(BUSY, speed=NO_BF16.speed))
    looks.clear()
    assert begin(tmp_path, resume=True) == began
    assert begin(tmp_path, "dtype=auto", "threads=0", resume=True) == began
    assert begin(tmp_path, resume=True, given={"dtype": "auto", "rl": {"prompts_per_slice": 0}}) == began
    assert looks == []


def test_a_resumed_run_refuses_another_choice(at, said, tmp_path):
    at(QUIET)
    begin(tmp_path)
    with pytest.raises(InputError, match=r"dtype \(bfloat16 -> float32\), threads \(2 -> 1\) differ from"):
        begin(tmp_path, "dtype=float32", "threads=1", resume=True)
    assert begin(tmp_path, "dtype=bfloat16", "threads=2", resume=True).threads == 2


def test_a_folder_that_leaves_it_open_is_fitted_when_it_goes_on(at, said, tmp_path):
    """As folders of former versions do, which wrote `threads = 0`."""
    at(QUIET)
    former = Recipe(model="tiny", dtype="float32", rl=RlSettings(prompts_per_slice=3))
    RunFolder(tmp_path).update(options={"feedback": None, "mix": False})
    (tmp_path / loop.CONFIG).write_text(config.to_toml(former), "utf-8")
    assert open_settings(begin(tmp_path, resume=True)) == ("float32", 2, 3)


def test_the_threads_are_set_and_put_back(at, said, tmp_path):
    import torch

    before = torch.get_num_threads()
    folder = RunFolder(tmp_path)
    with _threads(replace(OPEN, threads=before + 1), folder):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    assert folder.status["threads"] == before + 1
    with _threads(replace(OPEN, threads=before), folder):
        assert said[-1].startswith(f"this run began with {before + 1} threads and goes on with {before}")
