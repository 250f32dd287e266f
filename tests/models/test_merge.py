"""A merged model says what the adapted one did, of any kind that has a place in the weights."""

from __future__ import annotations

import pytest
import torch

from burnish.errors import InputError
from burnish.models import small
from burnish.models.merge import merge_adapter
from burnish.models.packing import pack
from burnish.models.policy import Policy
from burnish.models.tuning import TuningConfig

ROWS = pack([[5, 9, 12], [30, 31]], [[[20, 21, 22], [33]], [[50, 51], [60, 61, 62]]])


def trained(folder, config: TuningConfig, out) -> torch.Tensor:
    """Save an adapter that is far from nothing; return what the model says with it."""
    policy = Policy.load(folder)
    policy.adapt(config, seed=1)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters().values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
        policy.save(out)
        return policy.statistics(ROWS, temperature=1.0, reference=False).logprobs


@pytest.mark.parametrize("kind", ["lora", "adalora", "ia3"])
@pytest.mark.parametrize("where", ["tiny", "encoder_decoder"])
def test_merged_and_adapted_say_the_same(kind, where, tiny_folder, tmp_path):
    base, adapter, merged = (tmp_path / name for name in ("base", "adapter", "merged"))
    if where == "tiny":
        base = tiny_folder
    else:
        small.make(base, kind=where, texts=["a"], vocabulary=270, hidden=16, layers=1, scale=0.5)
    adapter.mkdir()
    merged.mkdir()
    expected = trained(base, TuningConfig(kind, rank=4, target_rank=2, alpha=8.0), adapter)
    merge_adapter(base, adapter, merged)
    with torch.no_grad():
        found = Policy.load(merged).statistics(ROWS, temperature=1.0, reference=False).logprobs
        untouched = Policy.load(base).statistics(ROWS, temperature=1.0, reference=False).logprobs
    assert torch.allclose(found, expected, atol=1e-4)
    assert (found - untouched).abs().max() > 0.01


def test_a_prefix_cannot_be_merged(tiny_folder, tmp_path):
    (tmp_path / "adapter").mkdir()
    trained(tiny_folder, TuningConfig("prefix", tokens=2), tmp_path / "adapter")
    with pytest.raises(InputError, match="a prefix stands before texts"):
        merge_adapter(tiny_folder, tmp_path / "adapter", tmp_path)
