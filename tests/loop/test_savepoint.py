"""Saved states: whole, in every bit, the last two; a damaged one is passed over with a word."""

from __future__ import annotations

import pytest
import torch

from burnish.loop import savepoint


def state(step: int) -> dict:
    generator = torch.Generator().manual_seed(step)
    weights = torch.randn(3, 4, generator=generator)
    return {
        "network": {"w": weights, "half": weights.to(torch.bfloat16), "turned": weights.T},
        "optimiser": {"w#step": torch.tensor(float(step))},
    }


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    savepoint.save(tmp_path, 7, state(7), {"beta": 0.1 + 0.2, "ended": "", "looks": [{"kl_nats": 1e-17}]})
    tensors, numbers = savepoint.load(tmp_path)
    assert numbers == {"step": 7, "beta": 0.1 + 0.2, "ended": "", "looks": [{"kl_nats": 1e-17}]}
    for group, saved in state(7).items():
        assert tensors[group].keys() == saved.keys()
        assert all(torch.equal(tensors[group][name], tensor) for name, tensor in saved.items())


def test_nothing_saved_is_nothing(tmp_path):
    assert savepoint.load(tmp_path / "never") is None


def test_the_last_two_are_kept(tmp_path):
    for step in (2, 4, 10, 12):
        savepoint.save(tmp_path, step, state(step), {})
    assert names(tmp_path) == ["state-000010", "state-000012"]


def test_a_later_state_left_by_a_damaged_run_goes(tmp_path):
    """Else the two kept could be one good and one damaged."""
    for step in (2, 4, 6):
        savepoint.save(tmp_path, step, state(step), {})
    (tmp_path / "state-000006" / "network.safetensors").write_bytes(b"")
    savepoint.save(tmp_path, 5, state(5), {})
    assert names(tmp_path) == ["state-000004", "state-000005"]
    assert savepoint.load(tmp_path)[1]["step"] == 5


@pytest.mark.parametrize("harm", ["bit", "cut", "gone"])
def test_a_damaged_state_is_passed_over_with_a_word(harm, tmp_path, capsys):
    for step in (1, 2):
        savepoint.save(tmp_path, step, state(step), {})
    path = tmp_path / "state-000002" / "optimiser.safetensors"
    raw = bytearray(path.read_bytes())
    if harm == "bit":
        raw[-1] ^= 4
        path.write_bytes(raw)
    elif harm == "cut":
        path.write_bytes(raw[:-1])
    else:
        path.unlink()
    assert savepoint.load(tmp_path)[1]["step"] == 1
    assert "skipped state-000002" in capsys.readouterr().err


def test_when_none_is_whole_the_stage_begins_anew(tmp_path, capsys):
    savepoint.save(tmp_path, 1, state(1), {})
    (tmp_path / "state-000001" / "state.json").write_text("{}", "utf-8")
    assert savepoint.load(tmp_path) is None
    assert "this stage begins anew" in capsys.readouterr().err


def test_a_stage_that_is_done_leaves_nothing(tmp_path):
    savepoint.save(tmp_path / "reward-0", 1, state(1), {})
    savepoint.clear(tmp_path / "reward-0")
    savepoint.clear(tmp_path / "never")
    assert names(tmp_path) == []
