"""What is wrong is told before a run begins, and leaves no folder behind."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from burnish.cli.main import main
from burnish.errors import InputError
from burnish.loop import ready
from burnish.loop.recipe import Recipe
from burnish.models.policy import Policy
from burnish.tasks import reviews, smoke


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "smollm"], "model: 'smollm' is no model"),
        (["--model", "./there"], "model: there: no such folder"),
        (["--set", "gold.encoder=minilmm"], "gold.encoder: 'minilmm' is no model"),
        (["--feedback", "mine.jsonl"], "--feedback mine.jsonl: there is no such file"),
        (["--mix"], "--mix: joins your feedback with the recipe's"),
        (["--set", "reward_model.frozen=30"], "frozen: 30 is out of range"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_a_slip_is_told_and_leaves_nothing_behind(words, said, dry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "smoke", *words, *(["--dry-run"] if dry else [])]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_was_finished_is_begun_again(tiny, tmp_path, capsys):
    """A run that stumbled over its first file must not bar the way for the next."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text("not json\n", "utf-8")
    words = ["run", "smoke", "--model", str(tiny), "--out", str(tmp_path / "run"), "--feedback", str(bad)]
    for _ in range(2):
        assert main(words) == 2
        assert "nothing to learn from" in capsys.readouterr().err


def test_tiny_is_for_tasks_that_make_one():
    ready.check(Recipe(model="tiny"), smoke, feedback=None, mix=False)
    with pytest.raises(InputError, match="'tiny' is made by the recipe smoke"):
        ready.check(Recipe(model="tiny"), reviews, feedback=None, mix=False)


# --------------------------------------------------------------------------------------------------------- adapters


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    """An adapter that changes the model, as a run publishes it."""
    folder = tmp_path_factory.mktemp("adapter") / "k_1"
    policy = Policy.load(tiny)
    policy.add_lora(rank=2, alpha=8.0, seed=1)
    with torch.no_grad():
        for number, parameter in enumerate(policy.parameters().values()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) * 0.2)
    policy.save(folder)
    return folder


def logits(model, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(tokens).logits


def test_an_adapter_is_merged_with_its_base(adapter, tiny, tmp_path):
    merged = ready.model_folder(str(adapter), tmp_path / "merged")
    tokens = torch.tensor([[3, 5, 7, 2]])
    plain, new = Policy.load(tiny), Policy.load(merged)
    with_adapter = Policy.load(tiny)
    with_adapter.add_lora(rank=2, alpha=8.0, seed=1)
    with_adapter.load_adapter_file(adapter / "adapter_model.safetensors")
    expected = logits(with_adapter.model, tokens)
    assert torch.allclose(logits(new.model, tokens), expected, atol=1e-4)
    assert not torch.allclose(logits(plain.model, tokens), expected, atol=1e-2)
    assert ready.model_folder(str(adapter), tmp_path / "merged") == merged  # once


def test_a_model_is_used_where_it_lies(tiny, tmp_path):
    assert ready.model_folder(str(tiny), tmp_path / "merged") == tiny
    assert not (tmp_path / "merged").exists()


def test_an_adapter_whose_base_is_gone(adapter, tmp_path):
    lost = tmp_path / "lost"
    shutil.copytree(adapter, lost)
    described = json.loads((lost / "adapter_config.json").read_text("utf-8"))
    (lost / "adapter_config.json").write_text(json.dumps({**described, "base_model_name_or_path": "/gone"}), "utf-8")
    with pytest.raises(InputError, match="an adapter on '/gone', which is not here"):
        ready.check(Recipe(model=str(lost)), smoke, feedback=None, mix=False)


def test_an_adapter_of_another_model(adapter, tiny, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(adapter, other)
    described = json.loads((other / "adapter_config.json").read_text("utf-8"))
    (other / "adapter_config.json").write_text(json.dumps({**described, "target_modules": ["none_such"]}), "utf-8")
    with pytest.raises(InputError, match="does not fit the model"):
        ready.model_folder(str(other), tmp_path / "merged")
